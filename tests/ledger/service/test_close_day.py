"""Days close in order and for ever, and nothing is booked into a closed day, whoever comes at the same time."""

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest

from billing.core.actor import Actor, ActorKind
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import PersonId
from billing.db.connection_errors import DatabaseBusy
from billing.db.database import Database, DatabaseLimits
from billing.ledger.service.close_day import (
    DayAlreadyClosed,
    DayIncomplete,
    DayNotOver,
    EarlierDayOpen,
)
from billing.ledger.service.seal_rows import find_head_of_day, seal_once
from billing.ledger.store.journal import open_day
from billing.payments.service.intake import Intake, IntakeLimits
from billing.reconciliation.service.close_day import find_closing
from providers.contract import Verdict
from tests.builders import add_demo_hospital, build_context
from tests.clock import StandingClock
from tests.closing import close_books
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right, find_mismatches, open_flow

DAY = timedelta(days=1)
SYSTEM = Actor.system()


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def flow(database: DatabaseAddress, app_database: Database, clock: StandingClock) -> PaymentFlow:
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    return await open_flow(app_database, hospital, clock=clock)


async def close(flow: PaymentFlow, day: date) -> None:
    await close_books(flow.context, flow.hospital.organization_id, day, actor=SYSTEM)


async def dates(flow: PaymentFlow) -> dict[str, list[date]]:
    """The accounting dates of the entries, by kind."""
    found: dict[str, list[date]] = {}
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        for row in await tx.fetch("SELECT kind, accounting_date FROM journal_entry ORDER BY accounting_date"):
            found.setdefault(row["kind"], []).append(row["accounting_date"])
    return found


async def test_closing_counts_the_day_and_names_who_closed_it(flow: PaymentFlow, clock: StandingClock) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    day = business_date(clock())
    clock.forward(DAY)
    accountant = PersonId(flow.context.ids.new())
    actor = Actor(ActorKind.PERSON, accountant, accountant)

    closing = await close_books(flow.context, organization_id, day, actor=actor)

    # One entry of 600 000 (136 000 + 464 000) and one payment of 136 000.
    assert (closing.entries, closing.amount) == (2, 600_000 + OWED)
    assert await find_closing(flow.context, organization_id, day) == closing
    async with flow.context.database.transaction(organization_id) as tx:
        assert await tx.fetchval("SELECT actor_id FROM audit WHERE action = 'day_closed'") == accountant
        assert await tx.fetchval("SELECT state FROM business_day WHERE day = $1", day) == "closed"
    await assert_books_are_right(flow.context.database)


async def test_only_a_day_that_is_over_closes_once_and_in_order(flow: PaymentFlow, clock: StandingClock) -> None:
    await flow.start_intent("LK1")
    first = business_date(clock())
    with pytest.raises(DayNotOver):
        await close(flow, first)
    clock.forward(DAY)
    await flow.start_intent("LK2")
    clock.forward(DAY)

    with pytest.raises(EarlierDayOpen):
        await close(flow, first + DAY)
    with pytest.raises(NotFound):
        await close(flow, first - DAY)
    await close(flow, first)
    with pytest.raises(DayAlreadyClosed):
        await close(flow, first)
    await close(flow, first + DAY)

    await assert_books_are_right(flow.context.database)


async def test_money_of_a_closed_day_is_booked_on_the_first_open_one(flow: PaymentFlow, clock: StandingClock) -> None:
    started = await flow.start_intent()
    day, late_notice = business_date(clock()), flow.notice("T1", started.code)
    clock.forward(DAY)
    await close(flow, day)

    (answer,) = await flow.deliver(late_notice)

    assert answer.verdict is Verdict.ACCEPTED
    assert (await dates(flow))["payment_received"] == [day + DAY]
    await assert_books_are_right(flow.context.database)


async def test_incomplete_day_stays_open_and_states_why(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    await flow.start_intent()
    day = business_date(clock())
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        await tx.execute(
            "INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date,"
            " actor_kind) VALUES (1, $1, 'payment_reversed', now(), now(), $2, 'system')",
            flow.context.ids.new(),
            day,
        )
    clock.forward(DAY)

    with pytest.raises(DayIncomplete) as refusal:
        await close(flow, day)

    assert refusal.value.reasons == ("1 entries of this day move no money",)


async def test_day_with_a_delivery_that_waits_to_be_retried_stays_open(flow: PaymentFlow, clock: StandingClock) -> None:
    started = await flow.start_intent()
    day = business_date(clock())
    await flow.deliver(flow.notice("T1", started.code + "\x00"))
    clock.forward(DAY)

    with pytest.raises(DayIncomplete, match="wait to be retried"):
        await close(flow, day)


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE business_day SET state = 'open', closed_at = NULL",
        "UPDATE business_day SET closed_at = now()",
    ],
)
async def test_not_even_the_owner_opens_a_closed_day_again(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress, act: str
) -> None:
    await flow.start_intent()
    day = business_date(clock())
    clock.forward(DAY)
    await close(flow, day)
    owner = await Database.open(database.owner_url)

    with pytest.raises(asyncpg.RestrictViolationError):
        async with owner.transaction(flow.hospital.organization_id) as tx:
            await tx.execute(act)

    await owner.close()


async def test_database_refuses_to_close_a_day_before_an_earlier_one(flow: PaymentFlow, clock: StandingClock) -> None:
    await flow.start_intent("LK1")
    clock.forward(DAY)
    await flow.start_intent("LK2")

    with pytest.raises(asyncpg.RestrictViolationError):
        async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
            await tx.execute(
                "UPDATE business_day SET state = 'closed', closed_at = now() WHERE day = $1", business_date(clock())
            )


async def test_closing_waits_for_a_posting_transaction_and_counts_its_entry(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    """Two real connections: the batch holds the day shared, so the closing comes after it and sees all of it."""
    organization_id = flow.hospital.organization_id
    await flow.start_intent("LK1")
    day = business_date(clock())
    clock.forward(DAY)

    async with flow.context.database.transaction(organization_id, posting=True) as running:
        closing = asyncio.create_task(close_books(flow.context, organization_id, day, actor=SYSTEM))
        await asyncio.sleep(0.2)
        assert not closing.done()
        await running.execute(
            "WITH entry AS (INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at,"
            " accounting_date, actor_kind) VALUES (1, $1, 'payment_reversed', now(), now(), $2, 'system') RETURNING id)"
            " INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount)"
            " SELECT 1, entry.id, 1, d.id, c.id, 7 FROM entry, ledger_account d, ledger_account c"
            " WHERE d.role = 'receivable_other' AND c.role = 'revenue'",
            flow.context.ids.new(),
            day,
        )
    found = await closing

    assert (found.entries, found.amount) == (2, 600_007)
    assert set(await find_mismatches(flow.context.database)) <= {"invoices-recognised"}


async def test_posting_that_waited_for_the_closing_goes_to_the_next_open_day(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    """Two real connections: the closing is under way, so the batch waits and then reads the day as closed."""
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    day, notice = business_date(clock()), flow.notice("T1", started.code)
    clock.forward(DAY)
    async with Intake(flow.context) as intake:
        async with flow.context.database.transaction(organization_id) as closing:
            await closing.execute("SELECT pg_advisory_xact_lock(1, 1)")
            batch = asyncio.create_task(intake.submit(flow.delivery(notice)))
            await asyncio.sleep(0.2)
            assert not batch.done()
            await closing.execute("UPDATE business_day SET state = 'closed', closed_at = now() WHERE day = $1", day)
        await batch

    assert (await dates(flow))["payment_received"] == [day + DAY]


async def test_closing_gives_up_when_a_posting_transaction_does_not_end(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    await flow.start_intent()
    day = business_date(clock())
    clock.forward(DAY)
    hasty = await Database.open(database.app_url, limits=DatabaseLimits(lock_timeout_ms=100))
    context = build_context(hasty, clock=clock)

    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True):
        with pytest.raises(DatabaseBusy):
            await close_books(context, flow.hospital.organization_id, day, actor=SYSTEM)

    await hasty.close()
    await close(flow, day)


@pytest.mark.parametrize("seed", range(3))
async def test_a_stream_of_late_money_against_the_closing_never_enters_the_closed_day(
    flow: PaymentFlow, clock: StandingClock, seed: int
) -> None:
    """Batches of two intakes run while the day closes: each entry is in the day as counted, or in the next one."""
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    day = business_date(clock())
    late = [flow.notice(f"T{number}", started.code, amount=1_000) for number in range(60)]
    clock.forward(DAY)
    async with flow.context.database.transaction(organization_id, posting=True) as tx:
        await open_day(tx, day + DAY, at=clock())

    limits = IntakeLimits(queues=1, batch_max=3)
    async with Intake(flow.context, limits) as here, Intake(flow.context, limits) as there:
        stream = [
            asyncio.create_task((here, there)[number % 2].submit(flow.delivery(notice)))
            for number, notice in enumerate(late)
        ]
        await asyncio.wait(stream[: 10 + 15 * seed])
        closing = await close_books(flow.context, organization_id, day, actor=SYSTEM)
        await asyncio.gather(*stream)

    found = (await dates(flow))["payment_received"]
    assert len(found) == 60
    assert set(found) <= {day, day + DAY}
    assert closing.entries == 1 + found.count(day)
    assert closing.amount == 600_000 + 1_000 * found.count(day)
    assert found.count(day) >= 10
    await assert_books_are_right(flow.context.database)


async def test_head_of_the_day_is_the_seal_that_holds_its_closing(flow: PaymentFlow, clock: StandingClock) -> None:
    organization_id = flow.hospital.organization_id
    await flow.start_intent()
    day = business_date(clock())
    await seal_once(flow.context, organization_id)
    clock.forward(DAY)
    await close(flow, day)
    assert await find_head_of_day(flow.context, organization_id, day) is None

    await seal_once(flow.context, organization_id)
    head = await find_head_of_day(flow.context, organization_id, day)
    await flow.start_intent("LK2")
    await seal_once(flow.context, organization_id)

    assert head is not None
    assert head.number == 2
    assert await find_head_of_day(flow.context, organization_id, day) == head
    assert await find_head_of_day(flow.context, organization_id, day + DAY) is None
