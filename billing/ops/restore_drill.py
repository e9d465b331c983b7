"""The restore drill: the last backup and all WAL that was received, restored into a scratch cluster of its own.

The scratch cluster listens on a unix socket in a folder of mode 0700, has no settings of the primary, archives nothing
and connects to nobody. It is stopped and removed at the end. Where this process is killed the running server stops and
its folder goes; a kill while barman still copies leaves a folder `vienphi-drill-…`.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from urllib.parse import quote, unquote, urlencode, urlsplit

import asyncpg

from billing.core.errors import Refused
from billing.devserver.server_programs import ServerPrograms, ServerUser, find_server_programs, server_user
from billing.ops.barman import Barman, BaseBackup, segment_name

_SPACE = 1.2
"""Free space that a drill needs, in sizes of the backup; its WAL comes on top."""

_RECOVERY_TIMEOUT_S = 6 * 3600.0
_PORT = 5432
_STOP_TIMEOUT_S = 60.0

_KEEPER = """
folder=$1; postgres=$2; shift 2
exec 3<&0 </dev/null
"$postgres" "$@" 3<&- &
server=$!
( read -r _ <&3; kill -INT $server ) &
watch=$!
wait $server; status=$?
kill $watch 2>/dev/null
rm -rf -- "$folder"
exit $status
"""
"""As in `devserver/embedded.py`: it stops the server and removes the folder when the pipe that only we hold closes."""


class DrillNotPossible(Refused):
    """A restore drill cannot begin here, or the restored server did not start."""

    code = "drill_not_possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredCluster:
    """A restored server that answers. `restored_until` is the last commit in it, None where the WAL had none."""

    url: str
    restored_until: datetime | None
    restored_s: float


@asynccontextmanager
async def restored_cluster(
    barman: Barman, backup: BaseBackup, database_url: str, *, scratch: Path
) -> AsyncIterator[RestoredCluster]:
    """Restore a backup below the folder `scratch` and start it; `url` is that of `database_url` there.

    Raises BarmanFailed, DrillNotPossible, ServerProgramsNotFound.
    """
    user = server_user()
    programs = find_server_programs(user, major_version=backup.major_version)
    free = shutil.disk_usage(scratch).free
    if free < backup.size_bytes * _SPACE:
        raise DrillNotPossible(
            f"{scratch} has {free >> 20} MiB free and the backup needs {round(backup.size_bytes * _SPACE) >> 20} MiB;"
            " name another folder in backup.scratch"
        )
    started = monotonic()
    folder = Path(tempfile.mkdtemp(prefix="vienphi-drill-", dir=scratch))
    keeper: subprocess.Popen[bytes] | None = None
    try:
        with (folder / "log").open("wb") as output:
            await asyncio.to_thread(_restore, barman, backup, folder, user)
            keeper = _start(programs, user, folder, output.fileno())
        url = _scratch_url(database_url, folder)
        until = await _wait_until_recovered(url, keeper, folder / "log")
        yield RestoredCluster(url=url, restored_until=until, restored_s=monotonic() - started)
    finally:
        await asyncio.to_thread(_stop, keeper, folder)


def _restore(barman: Barman, backup: BaseBackup, folder: Path, user: ServerUser) -> None:
    data = folder / "data"
    barman.restore(backup, data)
    # Streamed segments are not archived yet: the newest commits are in them.
    for path in barman.find_streamed():
        try:
            shutil.copyfile(path, data / "pg_wal" / segment_name(path))
        except FileNotFoundError:
            continue  # archived meanwhile; the check of the next day has it
    (data / "postgresql.auto.conf").write_text("restore_command = 'false'\n", encoding="utf-8")  # all is in pg_wal
    (data / "recovery.signal").touch()
    (folder / "postgresql.conf").write_text("", encoding="utf-8")
    (folder / "pg_hba.conf").write_text("local all all trust\n", encoding="utf-8")
    (folder / "pg_ident.conf").write_text("", encoding="utf-8")
    (data / "standby.signal").unlink(missing_ok=True)
    if user.uid is not None and user.gid is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)
    data.chmod(0o700)


def _start(programs: ServerPrograms, user: ServerUser, folder: Path, output: int) -> "subprocess.Popen[bytes]":
    settings = {
        "config_file": folder / "postgresql.conf",
        "hba_file": folder / "pg_hba.conf",
        "ident_file": folder / "pg_ident.conf",
        "unix_socket_directories": folder,
        "port": _PORT,
        "listen_addresses": "",
        "hot_standby": "off",  # the limits of the primary need not be known
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    return user.start(
        [
            *("/bin/sh", "-c", _KEEPER, "vienphi-drill", str(folder), str(programs.folder / "postgres")),
            *("-D", str(folder / "data"), *(f"-c{name}={value}" for name, value in settings.items())),
        ],
        output,
    )


def _scratch_url(database_url: str, folder: Path) -> str:
    """Role and database of the primary's address, at the socket of the scratch cluster."""
    parts = urlsplit(database_url)
    role, database = unquote(parts.username or ""), unquote(parts.path.lstrip("/"))
    query = urlencode({"host": str(folder), "port": _PORT})
    return f"postgresql://{quote(role)}@/{quote(database)}?{query}"


async def _wait_until_recovered(url: str, keeper: "subprocess.Popen[bytes]", log: Path) -> datetime | None:
    """Wait for the end of the recovery; returns the time of the last commit that it replayed."""
    try:
        async with asyncio.timeout(_RECOVERY_TIMEOUT_S):
            while True:
                try:
                    connection = await asyncpg.connect(url)
                except (OSError, asyncpg.CannotConnectNowError) as error:
                    if keeper.poll() is not None:
                        raise DrillNotPossible(f"the restored server ended: {_last_words(log)}") from error
                    await asyncio.sleep(0.1)
                else:
                    break
    except TimeoutError as error:
        raise DrillNotPossible(f"the recovery takes more than {_RECOVERY_TIMEOUT_S:.0f} s") from error
    try:
        until: datetime | None = await connection.fetchval("SELECT pg_last_xact_replay_timestamp()")
    finally:
        await connection.close()
    return until


def _last_words(log: Path) -> str:
    try:
        lines: Sequence[str] = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = ()
    return lines[-1] if lines else "no message"


def _stop(keeper: "subprocess.Popen[bytes] | None", folder: Path) -> None:
    if keeper is not None:
        assert keeper.stdin is not None
        keeper.stdin.close()
        try:
            keeper.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(keeper.pid, 9)
            keeper.wait()
    shutil.rmtree(folder, ignore_errors=True)
