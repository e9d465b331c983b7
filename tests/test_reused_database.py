"""The database that tests use one after another: what a test leaves is gone, or the database is not used again."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from billing.db.database import Database, DatabaseLimits
from tests import reused_database
from tests.builders import DemoHospital
from tests.database_server import DatabaseAddress, DatabaseServer
from tests.flow import open_flow
from tests.reused_database import ReusedDatabase

pytestmark = pytest.mark.own_server


@pytest.fixture
def address(database_server: DatabaseServer, hospital_template: tuple[str, DemoHospital]) -> Iterator[DatabaseAddress]:
    made = database_server.create(hospital_template[0])
    yield made
    database_server.drop(made.name)


@pytest.fixture
async def superuser(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(address.superuser_url)
    yield connection
    await connection.close()


@pytest.fixture
async def reused(address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ReusedDatabase]:
    monkeypatch.setattr(reused_database, "_LOCK_TIMEOUT", "100ms")
    assert address.superuser_url is not None
    opened = await ReusedDatabase.open(address.superuser_url)
    yield opened
    await opened.close()


async def content(connection: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in the order in which they are stored."""
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {name: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {name}")] for (name,) in tables}


def pid_of(connection: asyncpg.Connection) -> int:
    return int(connection.get_server_pid())


async def test_rows_are_those_of_the_template_again_after_a_payment(
    reused: ReusedDatabase, superuser: asyncpg.Connection, address: DatabaseAddress, hospital: DemoHospital
) -> None:
    before = await content(superuser)
    database = await Database.open(address.app_url, limits=DatabaseLimits(connections_max=2))
    flow = await open_flow(database, hospital)
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    await database.close()
    await superuser.execute(
        "SET session_replication_role = replica; DELETE FROM person; UPDATE facility SET name = 'x'"
    )
    after = await content(superuser)

    assert await reused.reset({pid_of(superuser)})

    assert {"payment", "posting", "person", "facility"} <= {name for name in before if after[name] != before[name]}
    assert await content(superuser) == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE one_more (id int)",
        "ALTER TABLE posting DISABLE TRIGGER ALL",
        "ALTER TABLE payment ADD CONSTRAINT too_narrow CHECK (amount < 0) NOT VALID",
        "REVOKE INSERT ON allocation FROM vienphi_app",
        "CREATE OR REPLACE FUNCTION vienphi_clock() RETURNS timestamptz LANGUAGE sql STABLE RETURN clock_timestamp()",
        "ALTER DATABASE {name} SET enable_seqscan = off",
        "ALTER ROLE vienphi_app IN DATABASE {name} SET enable_seqscan = off",
        "GRANT TEMPORARY ON DATABASE {name} TO vienphi_app",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO vienphi_app",
        "SELECT lo_create(0)",
    ],
)
async def test_database_whose_schema_or_rights_were_changed_is_not_used_again(
    reused: ReusedDatabase, superuser: asyncpg.Connection, address: DatabaseAddress, statement: str
) -> None:
    assert await reused.reset({pid_of(superuser)})
    await superuser.execute(statement.format(name=address.name))

    assert not await reused.reset({pid_of(superuser)})


async def test_setting_that_was_changed_a_second_time_is_found(
    superuser: asyncpg.Connection, address: DatabaseAddress
) -> None:
    set_up = f"ALTER DATABASE {address.name} SET enable_seqscan = "
    await superuser.execute(set_up + "off")
    assert address.superuser_url is not None
    reused = await ReusedDatabase.open(address.superuser_url)
    await superuser.execute(set_up + "on")

    assert not await reused.reset({pid_of(superuser)})
    await reused.close()


async def test_open_transaction_with_a_lock_ends_the_use(reused: ReusedDatabase, superuser: asyncpg.Connection) -> None:
    async with superuser.transaction():
        await superuser.execute("LOCK TABLE payment IN SHARE MODE")

        assert not await reused.reset({pid_of(superuser)})

    assert await reused.reset({pid_of(superuser)})


async def test_connections_are_ended_but_those_that_stay(
    reused: ReusedDatabase, superuser: asyncpg.Connection, address: DatabaseAddress
) -> None:
    left = await asyncpg.connect(address.app_url)

    assert await reused.reset({pid_of(superuser)})

    assert await superuser.fetchval("SELECT 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("SELECT 1")
