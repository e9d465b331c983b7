"""The PostgreSQL server of one worker: it makes, lends and drops databases for `conftest.py`."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import asyncpg

from billing.db.database import Database
from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE, OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from tests.reused_database import ReusedDatabase

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One database of the test's server. `superuser_url` is None on a server that is not our own."""

    name: str
    owner_url: str
    app_url: str
    superuser_url: str | None


_CLOCK_AHEAD = """
    CREATE OR REPLACE FUNCTION vienphi_clock() RETURNS timestamptz
    LANGUAGE sql STABLE RETURN clock_timestamp() + interval '7 days'
"""


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


class Loop:
    """An event loop in a thread of its own, for fixtures that are not async and live longer than one test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(timeout=120)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(slots=True)
class Warm:
    """A database that waits for the next test, and the connections to it that may stay open."""

    address: DatabaseAddress
    reused: ReusedDatabase
    pool: Database | None = None
    pool_processes: frozenset[int] = frozenset()


class DatabaseServer:
    """Makes and drops databases as the owner. Names carry the worker, so that workers may share a real server."""

    def __init__(self, own: EmbeddedPostgres | None, worker: str) -> None:
        self.own = own
        self._worker = worker
        self._numbers = count(1)
        self._warm: dict[str, Warm] = {}
        self._loop = Loop()
        self._owner = self._loop.run(asyncpg.connect(self.address("postgres").owner_url))
        # Where there is a superuser, it drops: it may end whatever is connected.
        superuser_url = self.address("postgres").superuser_url
        self._dropper = self._loop.run(asyncpg.connect(superuser_url)) if superuser_url else self._owner
        self.major_version: int = self._owner.get_server_version().major

    def address(self, name: str) -> DatabaseAddress:
        if self.own is None:
            urls = [urlsplit(os.environ[key]) for key in ("VIENPHI_OWNER_URL", "VIENPHI_DATABASE_URL")]
            owner_url, app_url = (url._replace(path=f"/{quote(name)}").geturl() for url in urls)
            return DatabaseAddress(name, owner_url, app_url, None)
        urls_of_ours = (self.own.url(role, name) for role in (OWNER_ROLE, APP_ROLE, SUPERUSER))
        return DatabaseAddress(name, *urls_of_ours)

    def create(self, template: str = "template1") -> DatabaseAddress:
        name = f"vienphi_test_{self._worker}_{os.getpid()}_{next(self._numbers)}"
        # Copying files is twice as fast on our own server; a durable one would make a checkpoint for it.
        strategy = "wal_log" if self.own is None else "file_copy"
        self._loop.run(self._owner.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}"))
        # A copy does not have the rights of its template.
        self._loop.run(self._owner.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC"))
        return self.address(name)

    def drop(self, name: str) -> None:
        self._loop.run(self._drop(name))

    async def _drop(self, name: str) -> None:
        """Nobody but a superuser may end the server's own worker that is vacuuming there, so wait until it is gone."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self._dropper.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                except asyncpg.InsufficientPrivilegeError:
                    await asyncio.sleep(0.2)
                else:
                    return

    def borrow(self, template: str) -> Warm:
        """A database equal to a template, which later tests use too; see `give_back`."""
        warm = self._warm.pop(template, None)
        if warm is None:
            address = self.create(template)
            assert address.superuser_url is not None, "only our own server's databases are used again"
            warm = Warm(address, self._loop.run(ReusedDatabase.open(address.superuser_url)))
        return warm

    def give_back(self, template: str, warm: Warm) -> None:
        """Restore a borrowed database for the next test, or drop it where that cannot be done."""
        if self._loop.run(warm.reused.reset(warm.pool_processes)):
            self._warm[template] = warm
            return
        self._discard(warm)

    def drop_template(self, template: str) -> None:
        """Drop what waits for tests of a template, and the template."""
        if (warm := self._warm.pop(template, None)) is not None:
            self._discard(warm)
        self.drop(template)

    def _discard(self, warm: Warm) -> None:
        if warm.pool is not None:
            warm.pool._connections._pool.terminate()  # it would try to open its connections again
        self._loop.run(warm.reused.close())
        self.drop(warm.address.name)

    def migrate(self, address: DatabaseAddress) -> None:
        """Apply the migrations, and let the clocks of tests run up to a week ahead of the server's."""
        self._loop.run(migrate(address.owner_url))
        self._loop.run(_run(address.owner_url, _CLOCK_AHEAD))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work in the server's own event loop."""
        return self._loop.run(work)

    def close(self) -> None:
        for warm in self._warm.values():
            self._loop.run(warm.reused.close())
        for connection in {self._owner, self._dropper}:
            self._loop.run(connection.close())
        self._loop.close()
