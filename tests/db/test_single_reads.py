"""Reads of one statement see their organization and nothing else, and leave nothing on their connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.db import connections
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.database import Database, DatabaseLimits
from tests.conftest import DatabaseAddress

FIRST = OrganizationId(1)
SECOND = OrganizationId(2)
STATE = """
    SELECT NULLIF(current_setting('vienphi.organization', true), '') AS named, pg_backend_pid() AS pid,
        current_setting('transaction_read_only') AS read_only
"""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """One pooled connection."""
    database = await Database.open(url, limits=DatabaseLimits(connections_max=1, acquire_timeout_s=30))
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def owned(empty_database: DatabaseAddress) -> AsyncIterator[Database]:
    async with opened(empty_database.owner_url) as database:
        yield database


@pytest.fixture
async def app(database: DatabaseAddress) -> AsyncIterator[Database]:
    """The app role in a database with two organizations."""
    async with opened(database.owner_url) as owner:
        for organization in (FIRST, SECOND):
            async with owner.transaction(organization) as tx:
                await tx.execute(
                    "INSERT INTO organization (id, name, tax_code, created_at) VALUES ($1, $2, $2, now())",
                    organization,
                    f"name {organization}",
                )
    async with opened(database.app_url) as database_of_app:
        yield database_of_app


async def names(database: Database, organization_id: OrganizationId) -> list[str]:
    """The names of all organizations that are visible."""
    rows = await database.single_reads(organization_id).fetch("SELECT name FROM organization ORDER BY id")
    return [row["name"] for row in rows]


async def test_rows_of_the_organization_are_read_and_no_others(app: Database) -> None:
    alternately = [await names(app, organization) for organization in (FIRST, SECOND, FIRST, OrganizationId(3))]

    assert alternately == [["name 1"], ["name 2"], ["name 1"], []]


@pytest.mark.parametrize(
    "setting",
    [
        "enable_nestloop = off",
        "enable_hashjoin = off",
        "enable_seqscan = off",
        "enable_indexscan = off",
        "enable_material = off",
        "plan_cache_mode = force_generic_plan",
        "plan_cache_mode = force_custom_plan",
    ],
)
async def test_organization_is_set_before_the_first_scan_whatever_the_plan(
    database: DatabaseAddress, app: Database, setting: str
) -> None:
    owner = await asyncpg.connect(database.owner_url)
    name = await owner.fetchval("SELECT quote_ident(current_database())")
    await owner.execute(f"ALTER DATABASE {name} SET {setting}")
    await owner.close()

    async with opened(database.app_url) as planned:
        found = [await names(planned, organization) for organization in (FIRST, SECOND) * 4]

    assert found == [["name 1"], ["name 2"]] * 4


async def test_next_user_of_the_connection_has_no_organization_and_may_write(owned: Database) -> None:
    read = await owned.single_reads(FIRST).fetchrow(STATE)
    async with owned.system_transaction(writing=True) as reader:
        after = await reader.fetchrow(STATE)
    async with owned.transaction(SECOND) as tx:
        of_second = await tx.fetchrow(STATE)

    assert read is not None
    assert after is not None
    assert of_second is not None
    assert (read["named"], read["read_only"]) == ("1", "on")
    assert (after["named"], after["read_only"]) == (None, "off")
    assert (of_second["named"], of_second["read_only"]) == ("2", "off")
    assert read["pid"] == after["pid"] == of_second["pid"]


async def test_failed_read_leaves_no_organization_set(owned: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await owned.single_reads(FIRST).fetch("SELECT 1 / 0 AS result")

    async with owned.system_transaction() as reader:
        row = await reader.fetchrow(STATE)
    assert row is not None
    assert row["named"] is None


async def test_function_that_writes_is_refused(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        await tx.execute("CREATE TABLE counted (id int PRIMARY KEY)")
        await tx.execute(
            "CREATE FUNCTION count_one() RETURNS int LANGUAGE sql AS 'INSERT INTO counted VALUES (1) RETURNING id'"
        )

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await owned.single_reads(FIRST).fetch("SELECT count_one() AS counted")

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval("SELECT count_one()") == 1


@pytest.mark.parametrize("organization", [0, -1, 2**31, True, "1", "1'; DROP TABLE counted; --", 1.0, None])
async def test_organization_that_is_no_whole_number_is_refused(owned: Database, organization: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        owned.single_reads(organization)  # type: ignore[arg-type]


async def test_parameters_keep_their_places(owned: Database) -> None:
    row = await owned.single_reads(FIRST).fetchrow("SELECT $2::int AS second, $1::text AS first", "a", 5)

    assert row is not None
    assert (row["first"], row["second"]) == ("a", 5)


async def test_value_is_that_of_the_only_row(owned: Database) -> None:
    reads = owned.single_reads(FIRST)

    assert await reads.fetchval("SELECT count(*) FROM (SELECT 1 WHERE $1::int > 0) AS counted", 5) == 1
    assert await reads.fetchval("SELECT 1 WHERE $1::int > 9", 5) is None


async def test_lost_connection_is_unavailable_and_the_next_read_has_another(
    owned: Database, empty_database: DatabaseAddress
) -> None:
    reads = owned.single_reads(FIRST)
    reading = asyncio.create_task(reads.fetch("SELECT pg_sleep(60) AS slept"))
    await _terminate(empty_database, "query LIKE '%pg_sleep(60) AS slept%'")

    with pytest.raises(DatabaseUnavailable):
        await reading

    row = await reads.fetchrow(STATE)
    assert row is not None
    assert row["named"] == "1"


async def test_connection_that_the_server_closed_while_idle_is_replaced(
    owned: Database, empty_database: DatabaseAddress
) -> None:
    before = await owned.single_reads(FIRST).fetchrow(STATE)
    assert before is not None
    await _terminate(empty_database, f"pid = {before['pid']}")
    await asyncio.sleep(0)

    after = await owned.single_reads(FIRST).fetchrow(STATE)

    assert after is not None
    assert after["pid"] != before["pid"]


async def test_connection_that_was_idle_for_long_is_replaced(owned: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(connections, "monotonic", lambda: now)
    first = await owned.single_reads(FIRST).fetchrow(STATE)
    now = 299.0
    second = await owned.single_reads(FIRST).fetchrow(STATE)
    now = 299.0 + 301
    third = await owned.single_reads(FIRST).fetchrow(STATE)

    assert first is not None
    assert second is not None
    assert third is not None
    assert first["pid"] == second["pid"] != third["pid"]


async def test_cancelled_read_frees_its_connection(owned: Database, empty_database: DatabaseAddress) -> None:
    reading = asyncio.create_task(owned.single_reads(FIRST).fetch("SELECT pg_sleep(60) AS slept"))
    await _wait_for(empty_database, "query LIKE '%pg_sleep(60) AS slept%'")

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    row = await owned.single_reads(SECOND).fetchrow(STATE)
    assert row is not None
    assert row["named"] == "2"


async def test_reads_share_one_connection_in_turn(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        pid = await tx.fetchval("SELECT pg_backend_pid()")
        waiting = [asyncio.create_task(owned.single_reads(SECOND).fetchrow(STATE)) for _ in range(5)]
        await asyncio.sleep(0)

    rows = await asyncio.gather(*waiting)

    assert [(row["named"], row["pid"]) for row in rows if row is not None] == [("2", pid)] * 5


async def _terminate(address: DatabaseAddress, condition: str) -> None:
    """End the other session of a condition and wait until it is gone."""
    await _wait_for(address, condition, "pg_terminate_backend(pid, 5000)")


async def _wait_for(address: DatabaseAddress, condition: str, found: str = "true") -> None:
    statement = f"SELECT {found} FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {condition}"
    connection = await asyncpg.connect(address.owner_url)
    try:
        async with asyncio.timeout(30):
            while not await connection.fetchval(statement):
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_each_request_of_several_organizations_sees_its_own_rows(app: Database) -> None:
    requests = [(organization, (position,)) for position, organization in enumerate((FIRST, SECOND, FIRST))]

    rows = await app.read_each("SELECT name, $1::int AS position FROM organization", requests)

    found = [(row["name"], row["position"]) for row in rows]
    assert found == [("name 1", 0), ("name 2", 1), ("name 1", 2)]
    async with app.system_transaction() as reader:
        row = await reader.fetchrow(STATE)
    assert row is not None
    assert row["named"] is None


async def test_failure_of_one_request_of_several_is_raised_and_the_organization_forgotten(owned: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await owned.read_each("SELECT 1 / $1::int AS result", [(FIRST, (1,)), (SECOND, (0,)), (FIRST, (1,))])

    row = await owned.single_reads(SECOND).fetchrow(STATE)
    assert row is not None
    assert row["named"] == "2"


async def test_organization_that_is_no_whole_number_is_refused_among_several(owned: Database) -> None:
    with pytest.raises(ValueError, match="whole number"):
        await owned.read_each("SELECT 1 AS result", [(FIRST, ()), (OrganizationId(0), ())])
