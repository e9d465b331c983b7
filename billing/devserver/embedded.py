"""A PostgreSQL server of our own for the demo and the tests, gone without a trace when we are.

It listens on a unix socket in a folder of mode 0700 and on no address. A user who may enter that folder is the server's
own user (who can read the data files anyway) or root, so connections need no password. It is no home for real money:
its data are removed at the end. Source: docs/design.md §10; docs/decisions/0001-embedded-postgresql.md.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar
from urllib.parse import quote, urlencode

import asyncpg

from billing.core.errors import BillingError
from billing.devserver.server_programs import ServerPrograms, ServerUser, find_server_programs, server_user

T = TypeVar("T")

DATABASE_NAME = "vienphi"
OWNER_ROLE = "vienphi_owner"
APP_ROLE = "vienphi_app"
AUDITOR_ROLE = "vienphi_auditor"
SUPERUSER = "postgres"

_SOCKET_PORT = 5432
_SOCKET_PATH_LENGTH_MAX = 100  # the system's limit is 107 characters with the socket's name
_STOP_TIMEOUT_S = 20.0
_MEMORY_FOLDER = "/dev/shm"  # noqa: S108 - mkdtemp, mode 0700
_MEMORY_FREE_MIN = 2 * 1024**3

_KEEPER = """
folder=$1; initdb=$2; postgres=$3; shift 3
exec 3<&0 </dev/null
"$initdb" -D "$folder/data" -U postgres --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=reject --no-sync --no-instructions >"$folder/initdb.log" 2>&1 3<&- || {
    cat "$folder/initdb.log"; rm -rf -- "$folder"; exit 1; }
again=true
while $again; do
    "$postgres" -D "$folder/data" "$@" 3<&- &
    server=$!
    ( read -r _ <&3; kill -INT $server ) &
    watch=$!
    wait $server; status=$?
    kill $watch 2>/dev/null
    rm "$folder/again" 2>/dev/null || again=false
done
rm -rf -- "$folder"
exit $status
"""
"""The keeper stands between us and the server: it reads a pipe whose other end only we hold. When we end, however we
end (kill -9 too), the pipe closes; it then stops the server and removes the folder. A server that ends while a file
`again` lies there is started once more on its data."""

_CREATE_ROLES = f"""
    CREATE ROLE {OWNER_ROLE} LOGIN CREATEDB CREATEROLE;
    CREATE ROLE {APP_ROLE} LOGIN;
    CREATE ROLE {AUDITOR_ROLE} NOLOGIN;
"""

_DURABLE_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "log_min_messages": "warning",
}
_UNSAFE_SETTINGS: Mapping[str, str] = {
    **_DURABLE_SETTINGS,
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
    "max_wal_size": "256MB",
}


class ServerDidNotStart(BillingError):
    """The server's programs were found, but no server came of them; the detail carries its last words."""

    code = "server_did_not_start"


class EmbeddedPostgres:
    """One server with the roles owner, app, auditor and the empty database `vienphi`. A context manager, synchronous.

    `durable=False` gives up surviving a crash of the machine for speed and is for tests alone; `serve` refuses such a
    server; its data are kept in memory where there is room. `settings` are further settings of the server by name.
    Blocks for about a second; where an event loop runs, call it through `asyncio.to_thread`.
    """

    def __init__(self, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self._durable = durable
        self._settings = {**(_DURABLE_SETTINGS if durable else _UNSAFE_SETTINGS), **(settings or {})}
        self._programs: ServerPrograms | None = None
        self._folder: Path | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._output: BinaryIO | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def programs(self) -> ServerPrograms:
        """Where the running server's programs were found, and its version."""
        assert self._programs is not None, "the server was not started"
        return self._programs

    @property
    def version(self) -> str:
        """The running server's version, as `18.6`."""
        return self.programs.version

    @property
    def owner_url(self) -> str:
        """For migrations: the role that owns the tables."""
        return self.url(OWNER_ROLE)

    @property
    def app_url(self) -> str:
        """For serving: the role that owns nothing."""
        return self.url(APP_ROLE)

    def url(self, role: str, database: str = DATABASE_NAME) -> str:
        """An address of this server; it holds no secret."""
        assert self._folder is not None, "the server was not started"
        query = urlencode({"host": str(self._folder), "port": _SOCKET_PORT})
        return f"postgresql://{quote(role)}@/{quote(database)}?{query}"

    def start(self, *, timeout_s: float = 60.0) -> None:
        """Make the server and wait until it answers.

        Raises ServerProgramsNotFound, or ServerDidNotStart with the server's own words.
        """
        assert self._keeper is None, "the server was already started"
        user = server_user()
        self._programs = find_server_programs(user)
        self._folder = _make_folder(user, in_memory=not self._durable)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._keeper = _start_keeper(self._programs, self._folder, user, self._settings, self._output)
        try:
            _run_apart(self._prepare(timeout_s))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and remove its data. Does nothing where it was not started."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        assert keeper.stdin is not None
        keeper.stdin.close()
        try:
            keeper.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(keeper.pid, signal.SIGKILL)
            keeper.wait()
            if self._folder is not None:
                server_user().run(["rm", "-rf", "--", str(self._folder)])
        if self._output is not None:
            self._output.close()
        self._folder = None

    def crash(self, *, timeout_s: float = 60.0) -> None:
        """Kill every process of the server with -9, and wait until it has recovered on its data and answers again.

        Clients see a crash of the database; it is not a crash of the machine. Linux only.
        """
        assert self._folder is not None, "the server was not started"
        (self._folder / "again").touch()
        postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        # Stopped, it starts no further process; killed last, it leaves nobody behind in the memory it shares.
        os.kill(postmaster, signal.SIGSTOP)
        while children := _children(postmaster):
            for child in children:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
        os.kill(postmaster, signal.SIGKILL)
        _run_apart(self._answer(timeout_s))

    async def _answer(self, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            await (await self._connect()).close()

    async def _prepare(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connect()
                await connection.execute(_CREATE_ROLES)
                await connection.execute(f"CREATE DATABASE {DATABASE_NAME} OWNER {OWNER_ROLE}")
                await connection.execute(f"REVOKE TEMPORARY ON DATABASE {DATABASE_NAME} FROM PUBLIC")
                await connection.close()
        except TimeoutError as error:
            raise ServerDidNotStart(f"PostgreSQL {self.version} is not ready after {timeout_s:.0f} s") from error

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        assert self._keeper is not None
        while True:
            try:
                return await asyncpg.connect(self.url(SUPERUSER, "postgres"))
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError) as error:
                if self._keeper.poll() is not None:
                    raise ServerDidNotStart(f"PostgreSQL {self.version} ended: {self._last_words()}") from error
            await asyncio.sleep(0.02)

    def _last_words(self) -> str:
        assert self._output is not None
        self._output.seek(0)
        return self._output.read().decode(errors="replace").strip()[-2000:]


def _make_folder(user: ServerUser, *, in_memory: bool) -> Path:
    """A folder of the server's user alone, at a path short enough for a socket and within that user's reach."""
    parents = [tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108 - mkdtemp, mode 0700
    if in_memory and _has_room_in_memory():
        parents.insert(0, _MEMORY_FOLDER)
    for parent in dict.fromkeys(parents):
        try:
            folder = Path(tempfile.mkdtemp(prefix="vienphi-", dir=parent))
        except OSError:
            continue
        if user.uid is not None and user.gid is not None:
            os.chown(folder, user.uid, user.gid)
        if len(str(folder)) <= _SOCKET_PATH_LENGTH_MAX and _may_enter(user, folder):
            return folder
        folder.rmdir()
    raise ServerDidNotStart("no temporary folder is within the reach of the server's user")


def _has_room_in_memory() -> bool:
    """A container's share of memory for files is often 64 MB, too little for databases."""
    try:
        return shutil.disk_usage(_MEMORY_FOLDER).free >= _MEMORY_FREE_MIN
    except OSError:
        return False


def _may_enter(user: ServerUser, folder: Path) -> bool:
    return user.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0


def _start_keeper(
    programs: ServerPrograms, folder: Path, user: ServerUser, settings: Mapping[str, str], output: BinaryIO
) -> subprocess.Popen[bytes]:
    options = [f"-c{name}={value}" for name, value in settings.items()]
    return user.start(
        [
            *("/bin/sh", "-c", _KEEPER, "vienphi-postgresql"),
            *(str(folder), str(programs.folder / "initdb"), str(programs.folder / "postgres")),
            *(f"-cunix_socket_directories={folder}", f"-cport={_SOCKET_PORT}", *options),
        ],
        output,
    )


def _children(process: int) -> list[int]:
    """The processes that a process has started and that still run, from Linux's own list."""
    found = []
    for statistics in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = statistics.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == process and state != "Z":
            found.append(int(statistics.parent.name))
    return found


def _run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own, so that it also works where an event loop runs already."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, work).result()
