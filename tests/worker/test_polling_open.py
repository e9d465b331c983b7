"""Open payments are polled: a payment whose callback was lost is found within minutes, and nothing else changes."""

from datetime import timedelta

import pytest

from billing.checkout.service.expire import expire_once
from billing.payments.domain.poll_schedule import next_open_poll_at
from billing.payments.service.polls import poll_due_payments
from providers.contract import PollSchedule
from providers.payos.adapter import Payos
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank_simulator import Behaviour
from tests.flow import OWED, assert_books_are_right
from tests.worker.polling_flow import PollingFlow


async def poll(flow: PollingFlow) -> int:
    return await poll_due_payments(flow.context, flow.hospital.organization_id)


async def test_payment_whose_callback_was_lost_is_found_within_minutes(polling_flow: PollingFlow) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=2)
    assert await poll(polling_flow) == 0, "its callback may still come"

    polling_flow.clock.turn(minutes=1)
    assert await poll(polling_flow) == 1

    intent = await polling_flow.flow.read(started.intent_id)
    assert (intent.state, intent.received) == ("succeeded", OWED)
    await assert_books_are_right(polling_flow.context.database)


async def test_open_payment_is_polled_repeatedly_until_its_time_is_over(polling_flow: PollingFlow) -> None:
    started = await polling_flow.flow.start_intent()
    polled = []
    for _ in range(29):
        polling_flow.clock.turn(minutes=1)
        polled.append(await poll(polling_flow))

    assert [minute for minute, count in enumerate(polled, start=1) if count] == [3, 8, 13, 18, 23, 28]
    assert (await polling_flow.flow.read(started.intent_id)).state == "pending"
    assert await polling_flow.rows("SELECT id FROM exception_case") == []
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=2)
    assert await expire_once(polling_flow.context, polling_flow.hospital.organization_id) == 1
    polling_flow.clock.turn(minutes=1)
    assert await poll(polling_flow) == 1
    assert (await polling_flow.flow.read(started.intent_id)).state == "succeeded"


@pytest.mark.parametrize("trouble", [503, 200])
async def test_bank_that_cannot_be_queried_changes_nothing_of_an_open_payment(
    polling_flow: PollingFlow, trouble: int
) -> None:
    """Neither silence nor "no such payment" is news: the payer has perhaps not opened the code yet."""
    started = await polling_flow.flow.start_intent()
    polling_flow.status = trouble
    for _ in range(4):
        polling_flow.clock.turn(minutes=6)
        assert await poll(polling_flow) == 1

    assert (await polling_flow.flow.read(started.intent_id)).state == "pending"
    assert await polling_flow.rows("SELECT id FROM delivery") == []


async def test_second_part_of_an_open_payment_is_found_too(polling_flow: PollingFlow) -> None:
    started = await polling_flow.flow.start_intent()
    qr = await polling_flow.qr_of(started.intent_id)
    for _ in range(2):
        polling_flow.bank.transfer(qr, Behaviour.SHORT)
        polling_flow.clock.turn(minutes=6)
        assert await poll(polling_flow) == 1

    assert (await polling_flow.flow.read(started.intent_id)).received == OWED


async def test_day_after_which_a_person_decides_restarts_with_each_open_poll(polling_flow: PollingFlow) -> None:
    """A payment may be open for days before it is unknown; only then a whole day of queries follows."""
    await polling_flow.flow.start_intent()
    polling_flow.clock.turn(minutes=4)
    await poll(polling_flow)
    begun = (await polling_flow.status_polls())[0]["started_at"]
    polling_flow.clock.turn(minutes=6)
    await poll(polling_flow)

    assert (await polling_flow.status_polls())[0]["started_at"] - begun == timedelta(minutes=6)


async def test_each_provider_has_its_own_schedule() -> None:
    assert Payos.polls_open == PollSchedule(timedelta(minutes=1), timedelta(minutes=2))
    assert Sandbox.polls_open.first > Payos.polls_open.first


async def test_payment_that_is_open_for_long_is_polled_less_often(polling_flow: PollingFlow) -> None:
    now = polling_flow.clock()
    schedule = PollSchedule(timedelta(minutes=1), timedelta(minutes=2))

    young = next_open_poll_at(schedule, created_at=now - timedelta(minutes=10), now=now)
    old = next_open_poll_at(schedule, created_at=now - timedelta(hours=8), now=now)

    assert (young - now, old - now) == (timedelta(minutes=2), timedelta(hours=1))
