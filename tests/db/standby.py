"""A server with a real synchronous standby, which a test may stop and start again."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from billing.devserver.embedded import EmbeddedPostgres
from billing.devserver.server_programs import server_user

_SETTINGS = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "synchronous_standby_names": "standby",
}

_IS_IN_SYNC = """
    SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'standby' AND sync_state = 'sync')
"""

_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
"""

_CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
"""


class PairOfServers:
    """A primary whose commits wait for its standby."""

    def __init__(self, primary: EmbeddedPostgres, superuser: "asyncpg.Connection[asyncpg.Record]") -> None:
        assert primary._folder is not None
        self.primary = primary
        self._superuser = superuser
        self._folder: Path = primary._folder
        self._data = self._folder / "standby"
        self._programs = primary.programs.folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def standby_url(self) -> str:
        """The standby's database, as the superuser."""
        return f"postgresql://postgres@/vienphi?host={self._folder}&port=5433"

    async def copy(self) -> None:
        """Make the standby's data from the primary's."""
        address = f"host={self._folder} user=postgres application_name=standby"
        command = [
            str(self._programs / "pg_basebackup"),
            "-D",
            str(self._data),
            "-d",
            address,
            "-R",
            "-c",
            "fast",
            "-N",
        ]
        copied = await asyncio.to_thread(server_user().run, command)
        assert copied.returncode == 0, copied.stderr

    async def start_standby(self) -> None:
        """Start the standby; returns once commits wait for it and no longer than for it."""
        self._spawn_standby()
        async with asyncio.timeout(60):
            while not await self._superuser.fetchval(_IS_IN_SYNC):
                assert self._process is not None
                assert self._process.poll() is None, "the standby ended"
                await asyncio.sleep(0.02)

    def _spawn_standby(self) -> None:
        user = server_user()
        self._process = subprocess.Popen(
            [
                *(str(self._programs / "postgres"), "-D", str(self._data)),
                *(f"-cunix_socket_directories={self._folder}", "-cport=5433", "-clisten_addresses="),
            ],
            user=user.uid,
            group=user.gid,
            extra_groups=None if user.uid is None else [],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def stop_standby(self) -> None:
        """End the standby; commits wait from now on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def commits_wait(self) -> None:
        """Return once a commit waits for the standby."""
        async with asyncio.timeout(60):
            while not await self._superuser.fetchval(_WAITING):
                await asyncio.sleep(0.02)

    async def cancel_waits(self) -> None:
        """Cancel the waits, as an operator or a timeout does: the commits are there and are on no standby."""
        await self._superuser.execute(_CANCEL)


@asynccontextmanager
async def pair_of_servers() -> AsyncIterator[PairOfServers]:
    """A primary with the roles and an empty database, and its running standby."""
    server = EmbeddedPostgres(durable=False, settings=_SETTINGS | {"synchronous_commit": "local"})
    await asyncio.to_thread(server.start)
    try:
        superuser = await asyncpg.connect(server.url("postgres"))
        pair = PairOfServers(server, superuser)
        try:
            await pair.copy()
            await pair.start_standby()
            await superuser.execute("ALTER DATABASE vienphi SET synchronous_commit = 'on'")
            yield pair
        finally:
            await pair.stop_standby()
            await superuser.close()
    finally:
        await asyncio.to_thread(server.stop)
