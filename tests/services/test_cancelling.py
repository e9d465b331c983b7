"""Cancelling against the money: whichever comes first, the money is booked and the books are right."""

import asyncio

import pytest

from billing.checkout.service.intents import IntentAlreadySucceeded, cancel_intent
from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import IntentId
from billing.payments.service.intake import Intake
from tests.services.road import OWED, Road, assert_books_are_right


async def test_callback_against_cancel_books_the_money_either_way(road: Road) -> None:
    organization_id = road.hospital.organization_id
    bills = [await road.bill(f"LK{number}") for number in range(6)]

    async with Intake(road.context) as intake:
        work = []
        for number, bill in enumerate(bills):
            pair = [
                intake.submit(road.delivery(road.notice(f"T{number}", bill.code))),
                cancel_intent(road.context, organization_id, bill.intent_id, actor=Actor.system()),
            ]
            work += pair if number % 2 else pair[::-1]
        done = await asyncio.gather(*work, return_exceptions=True)

    assert [one for one in done if isinstance(one, Exception) and not isinstance(one, IntentAlreadySucceeded)] == []
    for bill in bills:
        intent = await road.read(bill.intent_id)
        assert (intent["state"], intent["received"]) == ("succeeded", OWED)
    await assert_books_are_right(road.context.database)


async def test_cancelling_what_is_not_there_or_has_succeeded_is_refused(road: Road) -> None:
    organization_id = road.hospital.organization_id
    bill = await road.bill()
    await road.deliver(road.notice("T1", bill.code))

    with pytest.raises(IntentAlreadySucceeded):
        await cancel_intent(road.context, organization_id, bill.intent_id, actor=Actor.system())
    with pytest.raises(NotFound):
        await cancel_intent(road.context, organization_id, IntentId(road.context.ids.new()), actor=Actor.system())
