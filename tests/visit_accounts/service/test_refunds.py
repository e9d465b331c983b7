"""Refunds in cash, by transfer and through the provider, on a real PostgreSQL."""

import asyncio

import pytest

from billing.core.actor import Actor
from billing.core.approvals import SecondPersonRequired
from billing.core.ids import PaymentId
from billing.core.list_slice import ListSlice
from billing.ops.approval_kinds import approve_subject, find_proposal, list_proposals, reject_proposal
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.approvals import ApprovalKind
from billing.organizations.service.desks import set_cash_settings
from billing.payments.domain.deposit import DepositState
from billing.payments.domain.refund import (
    NothingToRefund,
    RefundNotApproved,
    RefundNotWaiting,
    RefundState,
    RefundWay,
)
from billing.payments.service.allocation import release_deposit
from billing.payments.store.deposits import lock_deposit_of_visit, update_deposits
from billing.visit_accounts.domain.shift import NotEnoughCash
from billing.visit_accounts.service.account_views import find_account_view
from billing.visit_accounts.service.refunds import (
    cancel_refund,
    confirm_refund,
    find_refund,
    send_refund,
)
from providers.contract import Movement
from tests.builders import FACILITY_CODE
from tests.flow import PaymentFlow
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.refund_desk import (
    BANK,
    approve,
    clock,
    desk,
    flow,
    log,
    position,
    refunded,
    request_of_visit,
    take_cash,
)
from tests.visit_accounts.refunds import (
    DESTINATION,
    over_pay,
    refund_of,
    request_of,
    states_of,
)

__all__ = ["clock", "desk", "flow", "log"]


async def test_deposits_of_a_visit_are_returned_in_cash_once_with_a_receipt(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    await take_cash(desk, visit, 60_000)
    await take_cash(desk, visit, 30_000)

    refund_id = await request_of_visit(desk, visit, 70_000)
    assert (await visit.deposit()).held == 20_000
    await send_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)
    with pytest.raises(RefundNotWaiting, match="done since"):
        await send_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)

    details = await find_refund(desk.context, ORGANIZATION, refund_id)
    assert [part.amount for part in details.parts] == [60_000, 10_000]
    assert (details.refund.state, await desk.drawer()) == (RefundState.DONE, 20_000)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        receipt = await tx.fetchrow("SELECT direction, purpose, amount FROM receipt WHERE direction = 'out'")
    assert receipt is not None
    assert tuple(receipt) == ("out", "returned_deposit", 70_000)


@pytest.mark.parametrize(("amount", "cash"), [(70_320, 70_000), (69_680, 70_000), (400, 400)])
async def test_cash_that_is_returned_is_rounded_as_it_was_when_it_was_taken(
    desk: CashDesk, visit: OpenVisit, amount: int, cash: int
) -> None:
    await set_cash_settings(
        desk.context,
        ORGANIZATION,
        facility_code=FACILITY_CODE,
        setting=CashSetting(rounding_step=1_000),
        actor=Actor.system(),
    )
    await desk.open()
    await take_cash(desk, visit, amount)
    assert await desk.drawer() == cash

    refund_id = await request_of_visit(desk, visit, amount)
    await send_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)

    assert (await desk.drawer(), (await visit.deposit()).held) == (0, 0)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        parts = await tx.fetch(
            "SELECT part.method, part.amount FROM receipt_part AS part JOIN receipt "
            "ON receipt.id = part.receipt_id WHERE direction = 'out' ORDER BY part"
        )
    rounded = [("rounding", amount - cash)] if amount != cash else []
    assert [tuple(part) for part in parts] == [("cash", cash), *rounded]


async def test_more_than_the_drawer_holds_does_not_leave_it(desk: CashDesk, flow: PaymentFlow) -> None:
    payment_id = await over_pay(flow)
    await desk.open()
    refund_id = await request_of(desk.context, payment_id, 50_000, RefundWay.CASH, actor=desk.cashier)

    with pytest.raises(NotEnoughCash):
        await send_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)

    assert await position(desk, payment_id) == (0, 50_000, 0)


async def test_refund_above_the_amount_waits_for_a_second_person(desk: CashDesk, flow: PaymentFlow) -> None:
    payment_id = await over_pay(flow, extra=300_000)
    await desk.open(500_000)
    refund_id = await request_of(desk.context, payment_id, 200_000, RefundWay.CASH, actor=desk.cashier)
    with pytest.raises(RefundNotApproved):
        await send_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)
    with pytest.raises(SecondPersonRequired):
        await approve_subject(desk.context, ORGANIZATION, ApprovalKind.REFUND, refund_id, actor=desk.cashier)

    await approve(desk, refund_id)
    await send_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)

    assert await position(desk, payment_id) == (100_000, 0, 200_000)


async def test_refused_and_cancelled_refunds_return_the_reserved_money(desk: CashDesk, flow: PaymentFlow) -> None:
    payment_id = await over_pay(flow, extra=300_000)
    refused, cancelled = [
        await request_of(desk.context, payment_id, 150_000, RefundWay.CASH, actor=desk.cashier) for _ in range(2)
    ]
    with pytest.raises(NothingToRefund, match=r"^0 đồng"):
        await request_of(desk.context, payment_id, 1, RefundWay.CASH, actor=desk.cashier)
    assert await position(desk, payment_id) == (0, 300_000, 0)

    whole = ListSlice(limit=10)
    proposals = await list_proposals(desk.context, ORGANIZATION, whole, kinds=[ApprovalKind.REFUND])
    proposal = next(each for each in proposals if each.subject_id == refused)
    assert proposal.payload["payments"] == [str(payment_id)]
    await reject_proposal(desk.context, ORGANIZATION, proposal.id, actor=desk.head)
    await cancel_refund(desk.context, ORGANIZATION, cancelled, actor=desk.cashier)
    with pytest.raises(RefundNotWaiting, match="cancelled since"):
        await cancel_refund(desk.context, ORGANIZATION, cancelled, actor=desk.cashier)

    assert await states_of(desk.context, [refused, cancelled]) == [RefundState.REFUSED, RefundState.CANCELLED]
    assert await position(desk, payment_id) == (300_000, 0, 0)
    assert {(await find_proposal(desk.context, ORGANIZATION, each.id)).state for each in proposals} == {
        "rejected",
        "withdrawn",
    }


async def test_refused_refund_of_a_deposit_is_held_by_the_deposit_again(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    await take_cash(desk, visit, 200_000)
    refund_id = await request_of_visit(desk, visit, 150_000)
    assert (await visit.deposit()).held == 50_000

    await cancel_refund(desk.context, ORGANIZATION, refund_id, actor=desk.cashier)

    assert (await visit.deposit()).held == 200_000


async def test_transfer_is_confirmed_by_another_person_with_the_banks_reference(
    desk: CashDesk, flow: PaymentFlow
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(
        desk.context, payment_id, 20_000, RefundWay.MANUAL_TRANSFER, actor=desk.cashier, destination=DESTINATION
    )
    await approve(desk, refund_id)  # the account was stated, so a second person confirms it
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        bank = await tx.fetchval(BANK)
    await send_refund(desk.context, ORGANIZATION, refund_id, bank_account_id=bank, actor=desk.treasurer)
    with pytest.raises(SecondPersonRequired):
        await confirm_refund(desk.context, ORGANIZATION, refund_id, bank_reference="FT1", actor=desk.treasurer)
    await confirm_refund(desk.context, ORGANIZATION, refund_id, bank_reference="FT1", actor=desk.head)

    assert await position(desk, payment_id) == (30_000, 0, 20_000)
    assert (await desk.balance("bank"), await desk.balance("clearing")) == (0, 136_000 + 50_000 - 20_000)


async def test_transfer_that_the_bank_line_names_is_done_and_no_second_outflow(
    desk: CashDesk, flow: PaymentFlow
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(
        desk.context, payment_id, 20_000, RefundWay.MANUAL_TRANSFER, actor=desk.cashier, destination=DESTINATION
    )
    await approve(desk, refund_id)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        bank = await tx.fetchval(BANK)
    await send_refund(desk.context, ORGANIZATION, refund_id, bank_account_id=bank, actor=desk.treasurer)
    reference = (await refund_of(desk.context, refund_id)).reference

    await flow.deliver(flow.notice("OUT1", f"{reference} HOAN TIEN", amount=20_000, movement=Movement.REFUNDED))

    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE
    assert await position(desk, payment_id) == (30_000, 0, 20_000)
    assert await desk.balance("unexplained_outflow") == 0


async def test_transfer_that_the_bank_reports_before_it_was_recorded_as_sent_is_done_once(
    desk: CashDesk, flow: PaymentFlow
) -> None:
    payment_id = await over_pay(flow)
    refund_id = await request_of(
        desk.context, payment_id, 20_000, RefundWay.MANUAL_TRANSFER, actor=desk.cashier, destination=DESTINATION
    )
    await approve(desk, refund_id)
    reference = (await refund_of(desk.context, refund_id)).reference

    await flow.deliver(flow.notice("OUT1", f"{reference} HOAN TIEN", amount=20_000, movement=Movement.REFUNDED))

    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE
    assert await position(desk, payment_id) == (30_000, 0, 20_000)
    assert await desk.balance("unexplained_outflow") == 0
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        bank = await tx.fetchval(BANK)
    with pytest.raises(RefundNotWaiting, match="done since"):
        await send_refund(desk.context, ORGANIZATION, refund_id, bank_account_id=bank, actor=desk.treasurer)


async def test_two_refunds_at_once_never_reserve_more_than_there_is(desk: CashDesk, flow: PaymentFlow) -> None:
    payment_id = await over_pay(flow)
    results = await asyncio.gather(
        *(request_of(desk.context, payment_id, 30_000, RefundWay.CASH, actor=desk.cashier) for _ in range(4)),
        return_exceptions=True,
    )

    assert sorted(type(each).__name__ for each in results) == ["NothingToRefund"] * 3 + ["UUID"]
    assert await position(desk, payment_id) == (20_000, 30_000, 0)


async def test_money_that_left_before_its_payment_was_known_is_not_refunded_again(
    desk: CashDesk, flow: PaymentFlow
) -> None:
    started = await flow.start_intent("LK-T1")
    await flow.deliver(refunded(flow, "R1", 186_000))
    await flow.deliver(flow.notice("T1", started.code, amount=186_000))
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        payment_id = await tx.fetchval("SELECT id FROM payment WHERE organization_id = 1")

    with pytest.raises(NothingToRefund):
        await request_of(desk.context, PaymentId(payment_id), 50_000, RefundWay.PROVIDER, actor=desk.cashier)


async def test_money_that_came_after_the_final_bill_is_returned_to_its_visit(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    await desk.open()
    await take_cash(desk, visit, 50_000)
    code = await visit.code(await visit.request(50_000), 50_000)
    async with desk.context.database.transaction(ORGANIZATION, posting=True) as tx:
        deposit = await lock_deposit_of_visit(tx, visit.visit_id)
        assert deposit is not None
        deposit = await release_deposit(tx, desk.context, deposit, deposit.held, actor=desk.cashier)
        await update_deposits(tx, [deposit.with_state(DepositState.CLOSED)])
    await flow.deliver(flow.notice("T1", code, amount=50_000))

    refund_id = await request_of_visit(desk, visit, 100_000)

    assert (await refund_of(desk.context, refund_id)).state is RefundState.APPROVED


async def test_refund_of_a_payment_that_came_after_the_final_bill_waits_in_the_account_of_its_visit(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    code = await visit.code(await visit.request(50_000), 50_000)
    async with desk.context.database.transaction(ORGANIZATION, posting=True) as tx:
        deposit = await lock_deposit_of_visit(tx, visit.visit_id)
        assert deposit is not None
        await update_deposits(tx, [deposit.with_state(DepositState.CLOSED)])
    await flow.deliver(flow.notice("T1", code, amount=50_000))
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        payment_id = await tx.fetchval("SELECT id FROM payment WHERE organization_id = 1")

    refund_id = await request_of(desk.context, PaymentId(payment_id), 30_000, RefundWay.CASH, actor=desk.cashier)

    assert (await refund_of(desk.context, refund_id)).visit_id == visit.visit_id
    assert (await find_account_view(desk.context, ORGANIZATION, visit.visit_id)).refunds_waiting == 30_000
