"""Refunds through a provider: sent once, queried while unknown, completed by its notice."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.payments.domain.refund import (
    ProviderCannotRefund,
    RefundNotWaiting,
    RefundState,
    RefundWay,
)
from billing.payments.service.provider_refunds import call_provider, run_due_refunds
from billing.visit_accounts.service.refunds import (
    cancel_refund,
)
from providers.contract import Movement, Outcome
from tests.builders import build_context
from tests.flow import OWED, PaymentFlow
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.refund_desk import (
    Clock,
    clock,
    desk,
    flow,
    log,
    position,
    refunded,
)
from tests.visit_accounts.refunds import (
    RefundLog,
    answered,
    over_pay,
    refund_of,
    request_of,
)

__all__ = ["clock", "desk", "flow", "log"]


async def test_provider_refund_is_sent_by_the_worker_and_its_notice_books_nothing_more(
    desk: CashDesk, flow: PaymentFlow, log: RefundLog
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 50_000, RefundWay.PROVIDER, actor=desk.cashier)

    assert await run_due_refunds(desk.context, ORGANIZATION) == 1
    await flow.deliver(refunded(flow, "R1", 50_000))
    await flow.deliver(refunded(flow, "R1", 50_000))

    assert (len(log.sent), log.sent[0].transaction, log.sent[0].paid) == (1, "T1", OWED + 50_000)
    assert await position(desk, payment_id) == (0, 0, 50_000)
    found = await refund_of(desk.context, refund_id)
    assert found.state is RefundState.DONE
    assert found.outflow_id is not None
    assert await run_due_refunds(desk.context, ORGANIZATION) == 0
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        assert await tx.fetchval("SELECT count(*) FROM exception_case WHERE reason = 'unexpected_reversal'") == 0


async def test_chargeback_of_the_amount_of_an_older_refund_is_booked(
    desk: CashDesk, flow: PaymentFlow, log: RefundLog
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
    assert await run_due_refunds(desk.context, ORGANIZATION) == 1
    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE

    await flow.deliver(
        flow.notice("CB1", "", amount=20_000, movement=Movement.REVERSED, reverses=frozenset({"transaction:T1"}))
    )

    assert await position(desk, payment_id) == (10_000, 0, 40_000)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        assert await tx.fetchval("SELECT count(*) FROM exception_case WHERE reason = 'unexpected_reversal'") == 1


async def test_notice_before_the_answer_completes_the_refund(
    desk: CashDesk, flow: PaymentFlow, log: RefundLog, clock: Clock
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
    log.answers = [TimeoutError(), answered(Outcome.SUCCEEDED)]
    await call_provider(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)
    assert (await refund_of(desk.context, refund_id)).state is RefundState.UNKNOWN

    await flow.deliver(refunded(flow, "R1", 20_000))
    clock.now += timedelta(hours=1)

    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE
    assert await run_due_refunds(desk.context, ORGANIZATION) == 0
    assert await position(desk, payment_id) == (30_000, 0, 20_000)


async def test_second_refund_of_the_provider_is_not_ours_and_needs_a_person(desk: CashDesk, flow: PaymentFlow) -> None:
    payment_id = await over_pay(flow)
    await request_of(desk.context, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
    await run_due_refunds(desk.context, ORGANIZATION)
    await flow.deliver(refunded(flow, "R1", 20_000))
    await flow.deliver(refunded(flow, "R2", 20_000))

    assert await position(desk, payment_id) == (10_000, 0, 40_000)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        assert await tx.fetchval("SELECT count(*) FROM exception_case WHERE reason = 'unexpected_reversal'") == 1


async def test_killed_after_the_answer_queries_under_the_same_code_and_sends_once(
    desk: CashDesk, flow: PaymentFlow, log: RefundLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
    with monkeypatch.context() as patched:

        async def killed(*_: object, **__: object) -> None:
            raise ConnectionError("killed")

        patched.setattr("billing.payments.service.provider_refunds._record", killed)
        with pytest.raises(ConnectionError):
            await run_due_refunds(desk.context, ORGANIZATION)
    assert (await refund_of(desk.context, refund_id)).state is RefundState.SENT
    assert await run_due_refunds(desk.context, ORGANIZATION) == 0  # its lease is not over
    clock.now += timedelta(minutes=3)

    await run_due_refunds(desk.context, ORGANIZATION)

    assert [each.reference for each in log.sent] == [each.reference for each in log.queried]
    assert await position(desk, payment_id) == (30_000, 0, 20_000)


async def test_unknown_refund_is_queried_for_a_day_and_ended_by_a_person_only_if_the_provider_does_not_know_it(
    desk: CashDesk, flow: PaymentFlow, log: RefundLog, clock: Clock
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
    log.answers = [answered(Outcome.UNKNOWN), *[answered(Outcome.NOT_FOUND)] * 40]
    await run_due_refunds(desk.context, ORGANIZATION)
    with pytest.raises(RefundNotWaiting):
        await cancel_refund(desk.context, ORGANIZATION, refund_id, actor=desk.head)
    for _ in range(30):
        clock.now += timedelta(hours=1, minutes=5)
        await run_due_refunds(desk.context, ORGANIZATION)

    assert (len(log.sent), (await refund_of(desk.context, refund_id)).due_at) == (1, None)
    assert await position(desk, payment_id) == (30_000, 20_000, 0)
    await cancel_refund(desk.context, ORGANIZATION, refund_id, actor=desk.head)
    assert await position(desk, payment_id) == (50_000, 0, 0)


async def test_failed_refund_returns_the_money_to_the_credit(desk: CashDesk, flow: PaymentFlow, log: RefundLog) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
    log.answers = [answered(Outcome.FAILED)]
    await run_due_refunds(desk.context, ORGANIZATION)

    assert (await refund_of(desk.context, refund_id)).state is RefundState.FAILED
    assert await position(desk, payment_id) == (50_000, 0, 0)


async def test_refund_is_sent_by_two_at_once_only_once(desk: CashDesk, flow: PaymentFlow, log: RefundLog) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(desk.context, payment_id, 30_000, RefundWay.PROVIDER, actor=desk.cashier)
    await asyncio.gather(
        *(call_provider(desk.context, ORGANIZATION, refund_id, actor=desk.cashier) for _ in range(3)),
        return_exceptions=True,
    )

    assert len(log.sent) == 1
    assert await position(desk, payment_id) == (20_000, 0, 30_000)


async def test_provider_without_refunds_is_refused_by_name(desk: CashDesk, flow: PaymentFlow, log: RefundLog) -> None:
    payment_id = await over_pay(flow)
    plain = replace(desk.context, accounts=build_context(desk.context.database).accounts)

    with pytest.raises(ProviderCannotRefund):
        await request_of(plain, payment_id, 20_000, RefundWay.PROVIDER, actor=desk.cashier)
