"""A primary whose disk can be lost, and a backup host with barman, both as the page of operations sets them up."""

import asyncio
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from billing.devserver.embedded import SUPERUSER, EmbeddedPostgres
from billing.devserver.server_programs import server_user

ROOT = Path(__file__).parents[2]
_PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
_RESTARTED = ("-clisten_addresses=", "-cport=5432", "-csynchronous_standby_names=", "-ctimezone=UTC")


def page_commands(heading: str) -> str:
    """The shell commands that the page of operations prints under a heading."""
    section = _PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def execute(url: str, *statements: str) -> object:
    """Run statements on one connection; the value of the last."""

    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def answers(url: str) -> bool:
    """Whether a server answers as a primary."""
    try:
        return execute(url, "SELECT NOT pg_is_in_recovery()") is True
    except (OSError, asyncpg.PostgresError):
        return False


@dataclass(frozen=True, slots=True)
class BackupHost:
    """barman with the file of docker/backup, for a primary that commits only what barman has written."""

    primary: EmbeddedPostgres
    home: Path
    program: str

    @property
    def config(self) -> Path:
        return self.home / "barman.conf"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of `vienphi backup check`."""
        return {
            "VIENPHI_BACKUP__PROGRAM": self.program,
            "VIENPHI_BACKUP__CONFIG": str(self.config),
            "VIENPHI_BACKUP__SCRATCH": str(self.home.parent),
            "PG_BIN": str(self.primary.programs.folder),
        }

    def set_up(self) -> None:
        """Make the role and the configuration, start the stream, and let every commit wait for it."""
        superuser = self.primary.url(SUPERUSER, "postgres")
        execute(superuser, (ROOT / "docker" / "backup" / "roles.sql").read_text("utf-8"), "SELECT 1")
        execute(
            superuser, "ALTER SYSTEM SET synchronous_standby_names = 'barman_receive_wal'", "SELECT pg_reload_conf()"
        )
        own = (ROOT / "docker" / "backup" / "vienphi.conf").read_text("utf-8")
        socket = Path(str(self.primary._folder))
        own = own.replace("host=database", f"host={socket}")
        own = re.sub(r"^path_prefix = .*$", f"path_prefix = {self.primary.programs.folder}", own, flags=re.M)
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.config.write_text(
            f"[barman]\nbarman_home = {self.home}\nbarman_user = {user}\nbarman_lock_directory = {self.home}\n"
            f"log_file = {self.home}/barman.log\n{own}",
            encoding="utf-8",
        )
        self.run("cron")
        self.wait("the stream runs", lambda: self.streams() > 0)

    def back_up(self) -> None:
        """Make a base backup, and archive the WAL up to its end."""
        self._archive_segment()  # barman begins no backup before
        self.run("backup", "vienphi")
        self._archive_segment()
        self.run("check-backup", "vienphi", "latest")  # as `barman cron` does

    def _archive_segment(self) -> None:
        """End a segment and archive it, which needs a commit in the next one."""
        message = "SELECT pg_logical_emit_message(true, 'test', 'a commit')"
        before = self._archived()
        execute(self.primary.url(SUPERUSER), message, "SELECT pg_switch_wal()", message)
        self.wait(
            "a segment is archived", lambda: bool(self.run("archive-wal", "vienphi") and self._archived() - before)
        )

    def _archived(self) -> set[Path]:
        return set((self.home / "vienphi" / "wals").glob("*/*"))

    def streams(self) -> int:
        """How many readers of the WAL are synchronous."""
        found = execute(
            self.primary.url(SUPERUSER, "postgres"),
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')",
        )
        assert isinstance(found, int)
        return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run barman; it must succeed."""
        ended = subprocess.run(
            [self.program, "--config", str(self.config), *arguments],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    def wait(self, what: str, condition: Callable[[], bool], *, within_s: float = 120) -> None:
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.05)

    def stop_stream(self) -> None:
        """End the stream where a test left it running."""
        if _is_running("pg_receivewal", str(self.home)):
            self.run("receive-wal", "--stop", "vienphi")

    def shell(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run commands of the page on the backup host."""
        barman = f'barman() {{ "{self.program}" --config "{self.config}" "$@"; }}\n'
        return subprocess.run(
            ["/bin/sh", "-eu", "-c", barman + script],
            env={
                "PATH": f"{self.primary.programs.folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                "LC_ALL": "C.UTF-8",
                "BARMAN_HOME": str(self.home),
                **environment,
            },
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def lose_disk(self) -> None:
        """Kill the primary with -9 and remove its folder."""
        keeper, folder = self.primary._keeper, self.primary._folder
        assert keeper is not None
        assert folder is not None
        os.killpg(keeper.pid, signal.SIGKILL)
        keeper.wait()
        shutil.rmtree(folder)
        # The stream ends with the primary; only then is its last file whole.
        self.wait("the stream has ended", lambda: not _is_running("pg_receivewal", str(self.home)))

    @contextmanager
    def restored(self, data: Path) -> Iterator[Callable[[str], str]]:
        """Start the restored data on a socket; gives the address for a role."""
        user = server_user()
        folder = data.parent
        if user.uid is not None and user.gid is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user.uid, user.gid, follow_symlinks=False)
        with (folder / "log").open("wb") as output:
            server = subprocess.Popen(
                [
                    str(self.primary.programs.folder / "postgres"), "-D", str(data),
                    *_RESTARTED, f"-cunix_socket_directories={folder}",
                ],
                user=user.uid, group=user.gid, extra_groups=None if user.uid is None else [], cwd="/",
                stdout=output, stderr=output, env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            )  # fmt: skip
        try:
            yield lambda role: f"postgresql://{role}@/vienphi?host={folder}&port=5432"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
            print((folder / "log").read_text(errors="replace"), file=sys.stderr)  # of use where the test fails


def _is_running(program: str, argument: str) -> bool:
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith(program) and any(argument in word for word in words):
            return True
    return False
