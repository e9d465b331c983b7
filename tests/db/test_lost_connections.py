"""Connections that the server ended, that nobody used for long, or that are in use while the pool closes."""

import asyncio

import asyncpg
import pytest

from billing.core.errors import CommitUnknown
from billing.db import connections
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.connections import is_closed
from billing.db.database import Database, DatabaseLimits, LockClass
from billing.db.transaction_end import roll_back, run_single, try_lock, unlock
from tests.conftest import DatabaseAddress

_PID = "SELECT pg_backend_pid()"


@pytest.fixture
async def database_of_owner(empty_database: DatabaseAddress) -> Database:
    return await Database.open(empty_database.owner_url, limits=DatabaseLimits(connections_max=1, commit_timeout_s=0.2))


async def pid(database: Database) -> int:
    async with database.system_transaction() as reader:
        found: int = await reader.fetchval(_PID)
    return found


async def test_connection_that_was_idle_for_long_is_replaced(
    database_of_owner: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = await pid(database_of_owner), await pid(database_of_owner)

    monkeypatch.setattr(connections, "_IDLE_MAX_S", 0.0)
    await pid(database_of_owner)
    later = await pid(database_of_owner)
    await database_of_owner.close()

    assert (first == again, later != first) == (True, True)


async def test_pool_that_closes_does_not_wait_for_a_transaction_beyond_its_limit(database_of_owner: Database) -> None:
    begun = asyncio.Event()

    async def stay() -> None:
        async with database_of_owner.system_transaction() as reader:
            begun.set()
            await reader.fetchval("SELECT 1 FROM pg_sleep(60)")

    staying = asyncio.create_task(stay())
    await begun.wait()

    await asyncio.wait_for(database_of_owner.close(), 10)

    with pytest.raises(DatabaseUnavailable):
        await asyncio.wait_for(staying, 10)


async def test_transaction_on_a_connection_that_the_server_ended_is_over_or_of_unknown_outcome(
    empty_database: DatabaseAddress,
) -> None:
    killer = await asyncpg.connect(empty_database.owner_url)

    async def ended() -> asyncpg.Connection:
        connection = await asyncpg.connect(empty_database.owner_url)
        await killer.execute("SELECT pg_terminate_backend($1)", await connection.fetchval(_PID))
        return connection

    rolled_back, unlocked, locking, queried = [await ended() for _ in range(4)]
    await roll_back(rolled_back)
    await unlock(unlocked, LockClass.DAY, 1)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await try_lock(locking, LockClass.DAY, 1)
    with pytest.raises((CommitUnknown, DatabaseUnavailable)):
        await run_single(queried, "SELECT 1", [()], 5.0)

    for connection in (rolled_back, unlocked, locking, queried):
        assert is_closed(connection)
        with pytest.raises(DatabaseUnavailable, match="nothing was written"):
            await run_single(connection, "SELECT 1", [()], 5.0)
        await roll_back(connection)
        await unlock(connection, LockClass.DAY, 1)
    await killer.close()


async def test_statement_that_is_answered_with_a_warning_is_of_unknown_outcome(
    empty_database: DatabaseAddress,
) -> None:
    connection = await asyncpg.connect(empty_database.owner_url)

    with pytest.raises(CommitUnknown, match="with a warning: SET LOCAL"):
        await run_single(connection, "SET LOCAL work_mem = '1MB'", [()], 5.0)

    await connection.close()
