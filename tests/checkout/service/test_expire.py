"""What time does to intents: those past their time expire, and never one that was paid."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import pytest

from billing.checkout.service.expire import expire_once
from billing.checkout.service.intents import IntentAlreadySucceeded, cancel_intent
from billing.core.actor import Actor
from billing.db.database import Database
from billing.payments.service.intake import Intake
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, StartedIntent, assert_books_are_right
from tests.worker.webhook_env import ManualClock


@dataclass(slots=True)
class LateFlow(PaymentFlow):
    """A flow whose clock is set by the test."""

    clock: ManualClock


@pytest.fixture
async def late(database: DatabaseAddress, app_database: Database) -> LateFlow:
    clock = ManualClock()
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    context = build_context(app_database, clock=clock)
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return LateFlow(context, hospital, account, clock)


async def expire(flow: PaymentFlow) -> int:
    return await expire_once(flow.context, flow.hospital.organization_id)


async def topics(flow: PaymentFlow) -> list[tuple[str, str]]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        rows = await tx.fetch("SELECT topic, payload FROM outbox ORDER BY id")
    return [(row["topic"], row["payload"].get("state", "")) for row in rows]


async def test_intent_past_its_time_expires_once_and_others_are_notified(late: LateFlow) -> None:
    started = await late.start_intent()
    early = await expire(late)
    late.clock.turn(minutes=31)

    assert (early, await expire(late), await expire(late)) == (0, 1, 0)

    intent = await late.read(started.intent_id)
    assert (intent.state, intent.version) == ("expired", 3)
    assert (await topics(late))[-1] == ("intent.updated", "expired")


async def test_paid_intent_never_expires(late: LateFlow) -> None:
    started = await late.start_intent()
    await late.deliver(late.notice("T1", started.code))
    late.clock.turn(days=2)

    assert await expire(late) == 0
    assert (await late.read(started.intent_id)).state == "succeeded"


async def test_payment_after_expiry_still_settles_the_invoice(late: LateFlow) -> None:
    started = await late.start_intent()
    late.clock.turn(minutes=31)
    await expire(late)

    await late.deliver(late.notice("T1", started.code))

    intent = await late.read(started.intent_id)
    assert (intent.state, intent.received) == ("succeeded", OWED)
    await assert_books_are_right(late.context.database)


async def test_part_paid_intent_expires_and_keeps_what_it_received(late: LateFlow) -> None:
    started = await late.start_intent()
    await late.deliver(late.notice("T1", started.code, amount=100_000))
    late.clock.turn(minutes=31)

    assert await expire(late) == 1

    intent = await late.read(started.intent_id)
    assert (intent.state, intent.received) == ("expired", 100_000)
    await late.deliver(late.notice("T2", started.code, amount=36_000))
    assert (await late.read(started.intent_id)).state == "succeeded"


async def test_intent_that_somebody_holds_is_left_for_the_next_time(late: LateFlow) -> None:
    started = await late.start_intent()
    late.clock.turn(minutes=31)

    async with late.context.database.transaction(late.hospital.organization_id) as other:
        await other.fetch("SELECT id FROM intent WHERE id = $1 FOR UPDATE", started.intent_id)
        while_held = await asyncio.wait_for(expire(late), 3)

    assert (while_held, await expire(late)) == (0, 1)


async def test_expiry_against_payment_on_two_connections_books_once_and_succeeds(late: LateFlow) -> None:
    started_intents = [await late.start_intent(f"LK{number:04d}") for number in range(8)]
    late.clock.turn(minutes=31)

    async with Intake(late.context) as intake:
        await asyncio.gather(
            *(
                intake.submit(late.delivery(late.notice(f"T{started.code}", started.code)))
                for started in started_intents
            ),
            *(expire(late) for _ in range(3)),
        )
    await expire(late)

    for started in started_intents:
        intent = await late.read(started.intent_id)
        assert (intent.state, intent.received) == ("succeeded", OWED)
    await assert_books_are_right(late.context.database)


async def test_payment_waits_for_an_expiry_under_way_and_then_moves_on_from_it(late: LateFlow) -> None:
    started = await late.start_intent()
    late.clock.turn(minutes=31)
    held = asyncio.Event()
    go_on = asyncio.Event()

    async def expire_slowly() -> None:
        async with late.context.database.transaction(late.hospital.organization_id) as tx:
            await tx.execute(
                "UPDATE intent SET state = 'expired', version = version + 1 WHERE id = $1", started.intent_id
            )
            held.set()
            await go_on.wait()

    async def pay() -> None:
        await held.wait()
        asyncio.get_running_loop().call_later(0.2, go_on.set)
        await late.deliver(late.notice("T1", started.code))

    await asyncio.gather(expire_slowly(), pay())

    assert (await late.read(started.intent_id)).state == "succeeded"
    await assert_books_are_right(late.context.database)


async def test_cancel_against_callback_on_two_connections_keeps_the_money(late: LateFlow) -> None:
    started_intents = [await late.start_intent(f"LK{number:04d}") for number in range(8)]

    async with Intake(late.context) as intake:
        await asyncio.gather(
            *(
                intake.submit(late.delivery(late.notice(f"T{started.code}", started.code)))
                for started in started_intents
            ),
            *(cancel(late, started) for started in started_intents),
        )

    for started in started_intents:
        intent = await late.read(started.intent_id)
        assert (intent.state, intent.received) == ("succeeded", OWED)
    await assert_books_are_right(late.context.database)


async def test_cancel_against_expiry_ends_in_one_of_them_and_is_reported_once(late: LateFlow) -> None:
    started_intents = [await late.start_intent(f"LK{number:04d}") for number in range(8)]
    late.clock.turn(minutes=31)

    await asyncio.gather(*(cancel(late, started) for started in started_intents), *(expire(late) for _ in range(3)))
    await expire(late)

    states = [(await late.read(started.intent_id)).state for started in started_intents]
    assert set(states) <= {"cancelled", "expired"}
    ends = [state for topic, state in await topics(late) if state in {"cancelled", "expired"}]
    assert sorted(ends) == sorted(states)


async def cancel(flow: PaymentFlow, started: StartedIntent) -> None:
    with suppress(IntentAlreadySucceeded):
        await cancel_intent(flow.context, flow.hospital.organization_id, started.intent_id, actor=Actor.system())
