"""A payer said that money is under way and it was not: what the bank answered then settles nothing that comes later."""

from datetime import timedelta
from uuid import UUID

from billing.checkout.service.expire import expire_once
from billing.checkout.store.pay_pages import expedite_poll_of
from billing.payments.service.polls import poll_due_payments
from providers.contract import Outcome
from providers.sandbox.bank import Behaviour
from tests.services.flow import OWED
from tests.worker.polling_flow import PollingFlow


async def say_transferred(flow: PollingFlow, intent_id: UUID) -> None:
    now = flow.clock()
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await expedite_poll_of(
            tx, intent_id, now=now, claims_end_by=now + timedelta(minutes=2), last_asked_by=now - timedelta(minutes=1)
        )


async def ask(flow: PollingFlow) -> int:
    return await poll_due_payments(flow.context, flow.hospital.organization_id)


async def test_intent_that_was_not_paid_when_the_payer_said_so_is_asked_about_after_its_time(
    polling_flow: PollingFlow,
) -> None:
    bill = await polling_flow.flow.bill()
    polling_flow.clock.turn(minutes=16)
    await say_transferred(polling_flow, bill.intent_id)
    assert await ask(polling_flow) == 1, "the bank knows of nothing"
    polling_flow.bank.transfer(await polling_flow.qr_of(bill.intent_id), Behaviour.EXACT)

    polling_flow.clock.turn(minutes=15)
    assert await expire_once(polling_flow.context, polling_flow.hospital.organization_id) == 1
    polling_flow.clock.turn(minutes=1)
    asked = await ask(polling_flow)

    intent = await polling_flow.flow.read(bill.intent_id)
    assert (asked, intent["state"], intent["received"]) == (1, "succeeded", OWED)


async def test_intent_that_became_unknown_after_the_payer_said_so_is_asked_about_and_not_expired_by_the_old_answer(
    polling_flow: PollingFlow,
) -> None:
    bill = await polling_flow.flow.bill()
    polling_flow.clock.turn(minutes=16)
    await say_transferred(polling_flow, bill.intent_id)
    assert await ask(polling_flow) == 1, "the bank knows of nothing"
    code = {"reference": bill.code, "movement_keys": frozenset()}
    told = polling_flow.flow.notice("T0", "", outcome=Outcome.UNKNOWN, status="?", **code)
    await polling_flow.intake.submit(polling_flow.flow.delivery(told))

    await ask(polling_flow)
    polling_flow.status = 503
    polling_flow.clock.turn(minutes=15)
    expired = await expire_once(polling_flow.context, polling_flow.hospital.organization_id)
    asked = await ask(polling_flow)

    state = (await polling_flow.flow.read(bill.intent_id))["state"]
    assert (expired, asked, state) == (0, 1, "unknown")


async def test_payer_may_say_so_again_after_the_bank_knew_of_nothing(polling_flow: PollingFlow) -> None:
    bill = await polling_flow.flow.bill()
    polling_flow.clock.turn(minutes=16)
    await say_transferred(polling_flow, bill.intent_id)
    await ask(polling_flow)
    polling_flow.bank.transfer(await polling_flow.qr_of(bill.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=2)

    await say_transferred(polling_flow, bill.intent_id)

    assert await ask(polling_flow) == 1
    assert (await polling_flow.flow.read(bill.intent_id))["state"] == "succeeded"
