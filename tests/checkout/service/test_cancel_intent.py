"""Cancelling against the money: whichever comes first, the money is booked and the books are right."""

import asyncio

import pytest

from billing.checkout.service.intents import IntentAlreadySucceeded, cancel_intent
from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import IntentId
from billing.payments.service.intake import Intake
from tests.flow import OWED, PaymentFlow, assert_books_are_right


async def test_callback_against_cancel_books_the_money_either_way(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    started_intents = [await flow.start_intent(f"LK{number}") for number in range(6)]

    async with Intake(flow.context) as intake:
        work = []
        for number, started in enumerate(started_intents):
            pair = [
                intake.submit(flow.delivery(flow.notice(f"T{number}", started.code))),
                cancel_intent(flow.context, organization_id, started.intent_id, actor=Actor.system()),
            ]
            work += pair if number % 2 else pair[::-1]
        done = await asyncio.gather(*work, return_exceptions=True)

    assert [one for one in done if isinstance(one, Exception) and not isinstance(one, IntentAlreadySucceeded)] == []
    for started in started_intents:
        intent = await flow.read(started.intent_id)
        assert (intent.state, intent.received) == ("succeeded", OWED)
    await assert_books_are_right(flow.context.database)


async def test_cancelling_what_is_not_there_or_has_succeeded_is_refused(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))

    with pytest.raises(IntentAlreadySucceeded):
        await cancel_intent(flow.context, organization_id, started.intent_id, actor=Actor.system())
    with pytest.raises(NotFound):
        await cancel_intent(flow.context, organization_id, IntentId(flow.context.ids.new()), actor=Actor.system())
