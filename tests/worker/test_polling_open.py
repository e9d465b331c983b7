"""Payments are asked about while they are open: a lost callback is found within minutes, and nothing else changes."""

from datetime import timedelta

import pytest

from billing.checkout.service.expire import expire_once
from billing.payments.domain.poll_schedule import next_open_question
from billing.payments.service.polls import ask_once
from providers.contract import PollSchedule
from providers.payos.adapter import Payos
from providers.sandbox.adapter import Sandbox
from providers.sandbox.bank import Behaviour
from tests.services.road import OWED, assert_books_are_right
from tests.worker.asking_road import AskingRoad


async def ask(road: AskingRoad) -> int:
    return await ask_once(road.context, road.hospital.organization_id)


async def test_payment_whose_callback_was_lost_is_found_within_minutes(asking_road: AskingRoad) -> None:
    bill = await asking_road.road.bill()
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=2)
    assert await ask(asking_road) == 0, "its callback may still come"

    asking_road.clock.turn(minutes=1)
    assert await ask(asking_road) == 1

    intent = await asking_road.road.read(bill.intent_id)
    assert (intent["state"], intent["received"]) == ("succeeded", OWED)
    await assert_books_are_right(asking_road.context.database)


async def test_open_payment_is_asked_about_again_and_again_until_its_time_is_over(asking_road: AskingRoad) -> None:
    bill = await asking_road.road.bill()
    asked = []
    for _ in range(29):
        asking_road.clock.turn(minutes=1)
        asked.append(await ask(asking_road))

    assert [minute for minute, count in enumerate(asked, start=1) if count] == [3, 8, 13, 18, 23, 28]
    assert (await asking_road.road.read(bill.intent_id))["state"] == "pending"
    assert await asking_road.rows("SELECT id FROM exception_case") == []
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=2)
    assert await expire_once(asking_road.context, asking_road.hospital.organization_id) == 1
    asking_road.clock.turn(minutes=1)
    assert await ask(asking_road) == 1
    assert (await asking_road.road.read(bill.intent_id))["state"] == "succeeded"


@pytest.mark.parametrize("trouble", [503, 200])
async def test_bank_that_cannot_be_asked_changes_nothing_of_an_open_payment(
    asking_road: AskingRoad, trouble: int
) -> None:
    """Neither silence nor "no such payment" is news: the payer has perhaps not opened the code yet."""
    bill = await asking_road.road.bill()
    asking_road.status = trouble
    for _ in range(4):
        asking_road.clock.turn(minutes=6)
        assert await ask(asking_road) == 1

    assert (await asking_road.road.read(bill.intent_id))["state"] == "pending"
    assert await asking_road.rows("SELECT id FROM delivery") == []


async def test_second_part_of_an_open_payment_is_found_too(asking_road: AskingRoad) -> None:
    bill = await asking_road.road.bill()
    qr = await asking_road.qr_of(bill.intent_id)
    for _ in range(2):
        asking_road.bank.transfer(qr, Behaviour.SHORT)
        asking_road.clock.turn(minutes=6)
        assert await ask(asking_road) == 1

    assert (await asking_road.road.read(bill.intent_id))["received"] == OWED


async def test_day_after_which_a_person_decides_begins_anew_with_each_open_question(asking_road: AskingRoad) -> None:
    """A payment may be open for days before it is unknown; only then a whole day of questions follows."""
    await asking_road.road.bill()
    asking_road.clock.turn(minutes=4)
    await ask(asking_road)
    begun = (await asking_road.asking())[0]["begun_at"]
    asking_road.clock.turn(minutes=6)
    await ask(asking_road)

    assert (await asking_road.asking())[0]["begun_at"] - begun == timedelta(minutes=6)


async def test_each_provider_has_its_own_schedule() -> None:
    assert Payos.polls_open == PollSchedule(timedelta(minutes=1), timedelta(minutes=2))
    assert Sandbox.polls_open.first > Payos.polls_open.first


async def test_payment_that_is_open_for_long_is_asked_about_more_rarely(asking_road: AskingRoad) -> None:
    now = asking_road.clock()
    schedule = PollSchedule(timedelta(minutes=1), timedelta(minutes=2))

    young = next_open_question(schedule, created_at=now - timedelta(minutes=10), now=now)
    old = next_open_question(schedule, created_at=now - timedelta(hours=8), now=now)

    assert (young - now, old - now) == (timedelta(minutes=2), timedelta(hours=1))
