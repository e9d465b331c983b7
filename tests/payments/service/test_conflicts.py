"""A delivery meets a migration: the server ends one of both, and the delivery is written all the same."""

import asyncio

import asyncpg
import pytest

from billing.db.database import Database, DatabaseLimits
from billing.payments.service.intake import Intake, IntakeLimits
from providers.contract import Verdict
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right, open_flow

_IS_WAITING = """
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'vienphi' AND wait_event_type = 'Lock'
        AND wait_event = 'relation' AND datname = current_database())
"""


@pytest.mark.own_server
@pytest.mark.new_database
@pytest.mark.parametrize("organizations", ["single", "batch"])
async def test_delivery_that_a_deadlock_with_a_migration_ends_is_written_again(
    flow: PaymentFlow, database: DatabaseAddress, organizations: str
) -> None:
    """A migration locks `payment`, then `invoice`; the delivery has locked the invoice and waits for `payment`."""
    assert database.superuser_url is not None
    started = await flow.start_intent()
    migration = await asyncpg.connect(database.superuser_url)
    # The delivery looks for a deadlock once, 3 s after its wait began; the migration never does.
    await migration.execute(f"ALTER DATABASE {database.name} SET deadlock_timeout = '3s'")
    await migration.execute("SET deadlock_timeout = '10min'")
    pool = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=2))
    other = await open_flow(pool, flow.hospital)
    notices = [other.notice("T1", started.code)]
    if organizations == "batch":
        notices.append(other.notice("T2", "no code"))
    async with Intake(other.context, IntakeLimits(queues=1, wait_max_ms=60_000)) as intake:
        await intake.submit(other.delivery(other.notice("DAY", "opens the day", amount=1_000)))
        await migration.execute("BEGIN; LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
        delivered = [asyncio.create_task(intake.submit(other.delivery(notice))) for notice in notices]
        while not await migration.fetchval(_IS_WAITING):
            await asyncio.sleep(0.01)
        await migration.execute("LOCK TABLE invoice IN ACCESS EXCLUSIVE MODE")
        await migration.execute("COMMIT")
        answers = await asyncio.gather(*delivered)
    await pool.close()
    await migration.close()

    assert answers[0].verdict is Verdict.ACCEPTED
    assert (await flow.read(started.intent_id)).received == OWED
    await assert_books_are_right(flow.context.database)
