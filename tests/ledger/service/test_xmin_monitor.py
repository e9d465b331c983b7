"""The age of the oldest transaction grows while a transaction that wrote does not end, and falls with it."""

import asyncio

from billing.db.transaction_ids import read_numbers
from billing.ledger.service.xmin_monitor import XminMonitor
from tests.flow import PaymentFlow


class Seconds:
    """A clock of seconds that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def age_once_the_server_rests(watch: XminMonitor) -> float:
    """The age after the server's own upkeep, which writes now and then, has had time to end."""
    for _ in range(100):
        age = await watch.look()
        if age == 0:
            break
        await asyncio.sleep(0.05)
    return age


async def test_age_grows_with_a_transaction_that_does_not_end_and_falls_with_it(flow: PaymentFlow) -> None:
    seconds = Seconds()
    database = flow.context.database
    watch = XminMonitor(database, seconds)
    ages = [await watch.look()]

    async with database.transaction(flow.hospital.organization_id) as writing:
        await writing.fetchval("SELECT pg_current_xact_id()")
        for _ in range(3):
            seconds.now += 10
            await flow.start_intent(f"LK{seconds.now:.0f}")  # others come and go meanwhile
            ages.append(await watch.look())
    seconds.now += 10

    assert ages == [0, 10, 20, 30]
    assert await age_once_the_server_rests(watch) == 0


async def test_transaction_that_only_reads_does_not_hold_the_oldest_transaction(flow: PaymentFlow) -> None:
    seconds = Seconds()
    database = flow.context.database
    watch = XminMonitor(database, seconds)
    await watch.look()

    async with database.transaction(flow.hospital.organization_id) as reading:
        await reading.fetchval("SELECT 1")
        await flow.start_intent()
        seconds.now += 10

        assert await age_once_the_server_rests(watch) == 0


async def test_watermark_is_never_beyond_the_next_number(flow: PaymentFlow) -> None:
    async with flow.context.database.system_transaction() as reader:
        watermark, following = await read_numbers(reader)

    assert 0 < watermark <= following
