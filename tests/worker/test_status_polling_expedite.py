"""A payer reported a transfer too early: the answer of the bank at that time does not end the status polls."""

from datetime import timedelta
from uuid import UUID

from billing.checkout.service.expire import expire_once
from billing.checkout.store.pay_pages import expedite_poll_of
from billing.payments.service.polls import poll_due_payments
from providers.contract import Outcome
from providers.sandbox.bank_simulator import Behaviour
from tests.flow import OWED
from tests.worker.polling_flow import PollingFlow


async def report_transfer(flow: PollingFlow, intent_id: UUID) -> None:
    now = flow.clock()
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await expedite_poll_of(
            tx, intent_id, now=now, leases_end_by=now + timedelta(minutes=2), last_polled_by=now - timedelta(minutes=1)
        )


async def poll(flow: PollingFlow) -> int:
    return await poll_due_payments(flow.context, flow.hospital.organization_id)


async def test_intent_that_was_reported_paid_too_early_is_polled_after_its_time(
    polling_flow: PollingFlow,
) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.clock.turn(minutes=16)
    await report_transfer(polling_flow, started.intent_id)
    assert await poll(polling_flow) == 1, "the bank knows of nothing"
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)

    polling_flow.clock.turn(minutes=15)
    assert await expire_once(polling_flow.context, polling_flow.hospital.organization_id) == 1
    polling_flow.clock.turn(minutes=1)
    polled = await poll(polling_flow)

    intent = await polling_flow.flow.read(started.intent_id)
    assert (polled, intent.state, intent.received) == (1, "succeeded", OWED)


async def test_intent_that_became_unknown_after_the_report_is_polled_and_not_expired_by_the_old_answer(
    polling_flow: PollingFlow,
) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.clock.turn(minutes=16)
    await report_transfer(polling_flow, started.intent_id)
    assert await poll(polling_flow) == 1, "the bank knows of nothing"
    code = {"reference": started.code, "movement_keys": frozenset()}
    notice = polling_flow.flow.notice("T0", "", outcome=Outcome.UNKNOWN, status="?", **code)
    await polling_flow.intake.submit(polling_flow.flow.delivery(notice))

    await poll(polling_flow)
    polling_flow.status = 503
    polling_flow.clock.turn(minutes=15)
    expired = await expire_once(polling_flow.context, polling_flow.hospital.organization_id)
    polled = await poll(polling_flow)

    state = (await polling_flow.flow.read(started.intent_id)).state
    assert (expired, polled, state) == (0, 1, "unknown")


async def test_payer_can_report_again_after_the_bank_answered_not_found(polling_flow: PollingFlow) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.clock.turn(minutes=16)
    await report_transfer(polling_flow, started.intent_id)
    await poll(polling_flow)
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=2)

    await report_transfer(polling_flow, started.intent_id)

    assert await poll(polling_flow) == 1
    assert (await polling_flow.flow.read(started.intent_id)).state == "succeeded"
