"""A payer said that money is under way and it was not: what the bank answered then settles nothing that comes later."""

from datetime import timedelta
from uuid import UUID

from billing.checkout.service.expire import expire_once
from billing.checkout.store.pay_pages import ask_soon
from billing.payments.service.polls import ask_once
from providers.contract import Outcome
from providers.sandbox.bank import Behaviour
from tests.services.road import OWED
from tests.worker.asking_road import AskingRoad


async def say_transferred(road: AskingRoad, intent_id: UUID) -> None:
    now = road.clock()
    async with road.context.database.transaction(road.hospital.organization_id) as tx:
        await ask_soon(
            tx, intent_id, now=now, claims_end_by=now + timedelta(minutes=2), last_asked_by=now - timedelta(minutes=1)
        )


async def ask(road: AskingRoad) -> int:
    return await ask_once(road.context, road.hospital.organization_id)


async def test_intent_that_was_not_paid_when_the_payer_said_so_is_asked_about_after_its_time(
    asking_road: AskingRoad,
) -> None:
    bill = await asking_road.road.bill()
    asking_road.clock.turn(minutes=16)
    await say_transferred(asking_road, bill.intent_id)
    assert await ask(asking_road) == 1, "the bank knows of nothing"
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)

    asking_road.clock.turn(minutes=15)
    assert await expire_once(asking_road.context, asking_road.hospital.organization_id) == 1
    asking_road.clock.turn(minutes=1)
    asked = await ask(asking_road)

    intent = await asking_road.road.read(bill.intent_id)
    assert (asked, intent["state"], intent["received"]) == (1, "succeeded", OWED)


async def test_intent_that_became_unknown_after_the_payer_said_so_is_asked_about_and_not_expired_by_the_old_answer(
    asking_road: AskingRoad,
) -> None:
    bill = await asking_road.road.bill()
    asking_road.clock.turn(minutes=16)
    await say_transferred(asking_road, bill.intent_id)
    assert await ask(asking_road) == 1, "the bank knows of nothing"
    code = {"reference": bill.code, "fact_keys": frozenset()}
    told = asking_road.road.notice("T0", "", outcome=Outcome.UNKNOWN, status="?", **code)
    await asking_road.intake.submit(asking_road.road.delivery(told))

    await ask(asking_road)
    asking_road.status = 503
    asking_road.clock.turn(minutes=15)
    expired = await expire_once(asking_road.context, asking_road.hospital.organization_id)
    asked = await ask(asking_road)

    state = (await asking_road.road.read(bill.intent_id))["state"]
    assert (expired, asked, state) == (0, 1, "unknown")


async def test_payer_may_say_so_again_after_the_bank_knew_of_nothing(asking_road: AskingRoad) -> None:
    bill = await asking_road.road.bill()
    asking_road.clock.turn(minutes=16)
    await say_transferred(asking_road, bill.intent_id)
    await ask(asking_road)
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=2)

    await say_transferred(asking_road, bill.intent_id)

    assert await ask(asking_road) == 1
    assert (await asking_road.road.read(bill.intent_id))["state"] == "succeeded"
