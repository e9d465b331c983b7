"""Transactions: the organization is set and reset, and the outcome of a COMMIT is reported truly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import asyncpg
import pytest

from billing.core.errors import CommitUnknown
from billing.core.ids import OrganizationId
from billing.db.connection_errors import DatabaseBusy, DatabaseUnavailable
from billing.db.database import (
    Database,
    DatabaseLimits,
    LockClass,
    Transaction,
)
from billing.db.transaction_end import TransactionAborted
from billing.devserver.embedded import EmbeddedPostgres
from tests.conftest import DatabaseAddress
from tests.db.proxy import Proxy

FIRST = OrganizationId(1)
SECOND = OrganizationId(2)
NAMED = "SELECT NULLIF(current_setting('vienphi.organization', true), '')"
COUNT = "SELECT count(*) FROM counted"


@asynccontextmanager
async def opened(url: str, **limits: float) -> AsyncIterator[Database]:
    database = await Database.open(url, limits=DatabaseLimits(**limits))  # type: ignore[arg-type]
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def owned(empty_database: DatabaseAddress) -> AsyncIterator[Database]:
    """One pooled connection of the owner to a database with the table `counted`."""
    async with opened(empty_database.owner_url, connections_max=1) as database:
        async with database.transaction(FIRST) as tx:
            await tx.execute("CREATE TABLE counted (id int PRIMARY KEY)")
        yield database


async def test_organization_is_named_inside_and_forgotten_by_the_next_user_of_the_connection(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        first = await tx.fetchrow(f"{NAMED} AS named, pg_backend_pid() AS pid")
    async with owned.system_transaction() as reader:
        between = await reader.fetchrow(f"{NAMED} AS named, pg_backend_pid() AS pid")
    async with owned.transaction(SECOND) as tx:
        second = await tx.fetchval(NAMED)

    assert first is not None
    assert between is not None
    assert (first["named"], between["named"], second) == ("1", None, "2")
    assert first["pid"] == between["pid"]


async def test_organization_is_forgotten_after_a_failed_transaction(owned: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with owned.transaction(FIRST) as tx:
            await tx.execute("SELECT 1 / 0")

    async with owned.system_transaction() as reader:
        assert await reader.fetchval(NAMED) is None


async def test_rows_of_another_organization_do_not_exist(app_database: Database, database: DatabaseAddress) -> None:
    async with opened(database.owner_url) as owner, owner.transaction(FIRST) as tx:
        await tx.execute("INSERT INTO organization (id, name, tax_code, created_at) VALUES (1, 'A', 'a', now())")

    async with app_database.transaction(FIRST) as tx:
        assert await tx.fetchval("SELECT count(*) FROM organization") == 1
    async with app_database.transaction(SECOND) as tx:
        assert await tx.fetchval("SELECT count(*) FROM organization") == 0
    async with app_database.system_transaction() as reader:
        assert await reader.fetchval("SELECT count(*) FROM organization") == 0


@pytest.mark.parametrize("organization", [0, -1, 2**31, True, "1", "1'; DROP TABLE counted; --", 1.0, None])
async def test_organization_that_is_no_whole_number_is_refused(owned: Database, organization: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        async with owned.transaction(organization):  # type: ignore[arg-type]
            pass


async def test_success_commits_and_error_rolls_back(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        await tx.execute("INSERT INTO counted VALUES (1)")
    with pytest.raises(RuntimeError, match="ours"):
        async with owned.transaction(FIRST) as tx:
            await tx.execute("INSERT INTO counted VALUES (2)")
            raise RuntimeError("ours")

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 1


async def test_passed_over_error_is_no_silent_rollback(owned: Database) -> None:
    with pytest.raises(TransactionAborted):
        async with owned.transaction(FIRST) as tx:
            await tx.execute("INSERT INTO counted VALUES (1)")
            with pytest.raises(asyncpg.UniqueViolationError):
                await tx.execute("INSERT INTO counted VALUES (1)")


async def test_deferred_constraint_at_commit_comes_through_as_it_is(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        await tx.execute("CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")

    with pytest.raises(asyncpg.UniqueViolationError):
        async with owned.transaction(FIRST) as tx:
            await tx.execute("INSERT INTO late VALUES (1), (1)")

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval("SELECT count(*) FROM late") == 0


async def test_transaction_is_of_no_use_after_its_end(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        kept: Transaction = tx

    with pytest.raises(asyncpg.InterfaceError):
        await kept.fetchval("SELECT 1")


async def test_installation_may_not_write(owned: Database) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with owned.system_transaction() as reader:
            await reader.fetch("INSERT INTO counted VALUES (1) RETURNING id")


async def test_cancelled_while_a_statement_runs_rolls_back_and_frees_the_connection(owned: Database) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with owned.transaction(FIRST) as tx:
            await tx.execute("INSERT INTO counted VALUES (1)")
            inside.set()
            await tx.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await inside.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 0


async def test_posting_waits_for_the_one_who_closes_the_day(owned: Database, empty_database: DatabaseAddress) -> None:
    closer = await asyncpg.connect(empty_database.owner_url)
    await closer.execute("SELECT pg_advisory_lock($1, $2)", LockClass.DAY, FIRST)

    async def post(organization: OrganizationId) -> None:
        async with owned.transaction(organization, posting=True):
            pass

    await post(SECOND)
    posting = asyncio.create_task(post(FIRST))
    await asyncio.sleep(0.1)
    waited = not posting.done()
    await closer.close()
    await posting

    assert waited


async def test_json_keeps_every_digit_and_refuses_floats(owned: Database) -> None:
    value = {"amount": Decimal("12345678901234567890.10"), "đồng": [1, None, True, "ố"]}

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval("SELECT $1::jsonb", value) == value
    with pytest.raises(asyncpg.DataError):
        async with owned.transaction(FIRST) as tx:
            await tx.fetchval("SELECT $1::jsonb", {"amount": 0.1})


async def test_every_connection_in_use_is_reported_in_time(empty_database: DatabaseAddress) -> None:
    async with (
        opened(empty_database.owner_url, connections_max=1, acquire_timeout_s=0.1) as database,
        database.transaction(FIRST),
    ):
        with pytest.raises(DatabaseUnavailable, match="in use"):
            async with database.transaction(FIRST):
                pass


async def test_server_out_of_reach_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        await Database.open("postgresql://app@127.0.0.1:1/none")


async def test_connection_lost_inside_the_transaction_wrote_nothing(
    owned: Database, empty_database: DatabaseAddress
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with owned.transaction(FIRST) as tx:
            await tx.execute("INSERT INTO counted VALUES (1)")
            await _terminate(empty_database, await tx.fetchval("SELECT pg_backend_pid()"))
            await tx.execute("INSERT INTO counted VALUES (2)")

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 0


async def test_connection_lost_before_commit_is_sent_wrote_nothing(
    owned: Database, empty_database: DatabaseAddress
) -> None:
    with pytest.raises((DatabaseUnavailable, CommitUnknown)):
        async with owned.transaction(FIRST) as tx:
            await tx.execute("INSERT INTO counted VALUES (1)")
            await _terminate(empty_database, await tx.fetchval("SELECT pg_backend_pid()"))

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 0


@pytest.mark.parametrize("reaches_server", [True, False])
async def test_answer_to_commit_lost_on_the_way_is_unknown(
    owned: Database, empty_database: DatabaseAddress, reaches_server: bool
) -> None:
    async with (
        Proxy(empty_database.owner_url) as proxy,
        opened(proxy.url, connections_max=1) as database,
    ):
        with pytest.raises(CommitUnknown):
            async with database.transaction(FIRST) as tx:
                await tx.execute("INSERT INTO counted VALUES (1)")
                proxy.cut_at(b"COMMIT", after_sending=reaches_server)

        async with database.transaction(FIRST) as tx:
            assert await tx.fetchval(COUNT) == (1 if reaches_server else 0)


async def test_commit_without_an_answer_is_given_up_as_unknown(
    owned: Database, empty_database: DatabaseAddress
) -> None:
    async with (
        Proxy(empty_database.owner_url) as proxy,
        opened(proxy.url, connections_max=1, commit_timeout_s=0.2) as database,
    ):
        with pytest.raises(CommitUnknown):
            async with database.transaction(FIRST):
                proxy.swallow_answers()


async def test_cancelled_during_commit_ends_the_commit_first(owned: Database, empty_database: DatabaseAddress) -> None:
    async with (
        Proxy(empty_database.owner_url) as proxy,
        opened(proxy.url, connections_max=1) as database,
    ):

        async def work() -> None:
            async with database.transaction(FIRST) as tx:
                await tx.execute("INSERT INTO counted VALUES (1)")
                proxy.delay_answers(0.2)

        task = asyncio.create_task(work())
        await proxy.delaying.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 1


async def test_cancelled_wait_for_the_synchronous_standby_is_unknown() -> None:
    """A server whose only standby never comes: COMMIT waits, and an operator's cancel turns the wait to a warning."""
    server = EmbeddedPostgres(durable=False, settings={"wal_level": "replica", "max_wal_senders": "1"})
    await asyncio.to_thread(server.start)
    try:
        superuser = await asyncpg.connect(server.url("postgres"))
        await superuser.execute("CREATE TABLE counted (id int); GRANT ALL ON counted TO vienphi_app")
        await superuser.execute("ALTER SYSTEM SET synchronous_standby_names = 'never'")
        await superuser.execute("SELECT pg_reload_conf()")
        while await superuser.fetchval("SHOW synchronous_standby_names") != "never":
            await asyncio.sleep(0.02)

        async def write() -> None:
            async with opened(server.app_url, connections_max=1) as database, database.transaction(FIRST) as tx:
                await tx.execute("INSERT INTO counted VALUES (1)")

        writing = asyncio.create_task(write())
        while not await superuser.fetchval(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        ):
            await asyncio.sleep(0.02)
            if writing.done():
                # The checkpointer turns the waiting on, and had not yet read the new setting: this COMMIT did not wait.
                await writing
                writing = asyncio.create_task(write())

        with pytest.raises(CommitUnknown, match=r"standby|replication"):
            await writing
        assert await superuser.fetchval(COUNT) >= 1
        await superuser.close()
    finally:
        await asyncio.to_thread(server.stop)


async def _terminate(address: DatabaseAddress, pid: int) -> None:
    """End a backend and wait until it is gone."""
    connection = await asyncpg.connect(address.owner_url)
    try:
        assert await connection.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    finally:
        await connection.close()


@pytest.mark.parametrize("read", ["SELECT seen.* FROM seen", "SELECT array_agg(seen) AS rows FROM seen"])
async def test_view_with_a_new_column_is_busy_once_then_read(owned: Database, read: str) -> None:
    """A migration may append a column to a view while the service runs: the driver caches the columns of a row."""
    async with owned.transaction(FIRST) as tx:
        await tx.execute("INSERT INTO counted VALUES (1)")
        await tx.execute("CREATE VIEW seen AS SELECT id FROM counted")
    async with owned.transaction(FIRST) as tx:
        await tx.fetch(read)
    async with owned.transaction(FIRST) as tx:
        await tx.execute("CREATE OR REPLACE VIEW seen AS SELECT id, id + 1 AS next FROM counted")

    with pytest.raises(DatabaseBusy):
        async with owned.transaction(FIRST) as tx:
            await tx.fetch(read)

    async with owned.transaction(FIRST) as tx:
        [row] = await tx.fetch(read)
    assert (row["rows"][0] if "rows" in row else row)["next"] == 2


async def test_unreadable_answer_of_a_statement_that_commits_itself_is_unknown(owned: Database) -> None:
    """The driver has cached the columns of the answer: the server has committed before the driver rejects it."""
    async with owned.transaction(FIRST) as tx:
        await tx.execute("CREATE TYPE answer AS (id int)")
        await tx.execute("""
            CREATE FUNCTION count_one(organization int, counted int) RETURNS answer LANGUAGE plpgsql AS $$
            DECLARE result answer;
            BEGIN
                EXECUTE format('INSERT INTO counted VALUES (%s)', counted);
                result.id := counted;
                RETURN result;
            END $$
        """)
    await owned.run_single(FIRST, "SELECT count_one($1, $2)", 1)
    async with owned.transaction(FIRST) as tx:
        await tx.execute("ALTER TYPE answer ADD ATTRIBUTE next int")

    with pytest.raises(CommitUnknown):
        await owned.run_single(FIRST, "SELECT count_one($1, $2)", 2)

    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 2


async def test_calls_for_several_organizations_are_one_transaction(owned: Database) -> None:
    async with owned.transaction(FIRST) as tx:
        await tx.execute("""
            CREATE FUNCTION count_row(organization int, counted int) RETURNS text LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM set_config('vienphi.organization', organization::text, true);
                INSERT INTO counted VALUES (counted);
                RETURN organization || ' ' || counted || ' ' || pg_current_xact_id();
            END $$
        """)
    call = "SELECT count_row($1, $2) AS answer"

    rows = await owned.run_each(call, [(FIRST, (1,)), (SECOND, (2,)), (FIRST, (3,))])
    with pytest.raises(asyncpg.UniqueViolationError):
        await owned.run_each(call, [(SECOND, (4,)), (FIRST, (1,)), (SECOND, (5,))])
    with pytest.raises(asyncpg.DataError):
        await owned.run_each(call, [(SECOND, (4,)), (FIRST, ("no number",))])

    answers = [row["answer"].split() for row in rows]
    assert [answer[:2] for answer in answers] == [["1", "1"], ["2", "2"], ["1", "3"]]
    assert len({answer[2] for answer in answers}) == 1
    async with owned.transaction(FIRST) as tx:
        assert await tx.fetchval(COUNT) == 3
