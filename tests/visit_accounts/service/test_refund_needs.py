"""A deposit is refunded only as far as the services of its visit do not need it."""

import pytest

from billing.core.ids import RefundId, VisitId
from billing.core.money import Dong
from billing.payments.domain.refund import NothingToRefund, RefundWay
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.desk_collection import DeskCollection
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.deposit_requests import NewRequest, request_deposit
from billing.visit_accounts.service.desk_collections import collect_for_visit
from billing.visit_accounts.service.final_bills import close_visit, reopen_visit
from billing.visit_accounts.service.receipts import void_issued_receipt
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import request_refund
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.accounts import ORGANIZATION, open_visit
from tests.visit_accounts.cashiers import CashDesk
from tests.visit_accounts.charged import charged_visit
from tests.visit_accounts.ordered import order_visit


async def _request(desk: CashDesk, visit_id: VisitId, amount: int) -> RefundId:
    new = NewRefund(amount=Dong(amount), way=RefundWay.CASH, reason="Hoàn ứng", visit_id=visit_id)
    return await request_refund(desk.context, ORGANIZATION, new, actor=desk.cashier)


def _advance(visit_id: VisitId, amount: int) -> Collection:
    part = CollectedPart(method=PartMethod.CASH, amount=Dong(amount))
    return Collection(visit_id=visit_id, parts=[part], amount=Dong(amount))


async def _set_state(desk: CashDesk, visit_id: VisitId, line: str, state: str) -> None:
    change = f"UPDATE charge_item SET state = $3, {state}_at = changed_at WHERE visit_id = $1 AND line = $2"
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        await tx.execute(change, visit_id, line, state)


async def test_deposit_that_pays_for_performed_services_is_not_refunded(desk: CashDesk, flow: PaymentFlow) -> None:
    stay = await charged_visit(await open_visit(flow.context, "LK-PERFORMED"), desk.desk_id, await desk.open())
    await stay.pay(150_000)  # 136 000 of it for what was performed

    with pytest.raises(NothingToRefund):
        await _request(desk, stay.open.visit_id, 14_001)
    await _request(desk, stay.open.visit_id, 14_000)

    assert (await stay.open.deposit()).held == 136_000
    await assert_books_are_right(flow.context.database)


async def test_deposit_keeps_what_paid_lines_and_performed_lines_need_together(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    await collect_for_visit(
        desk.context,
        ORGANIZATION,
        DeskCollection(visit_id=visit_id, shown_due=Dong(90_000), lines=("L2",)),
        actor=desk.cashier,
    )
    await collect_at_desk(desk.context, ORGANIZATION, _advance(visit_id, 20_000), actor=desk.cashier)
    await _set_state(desk, visit_id, "L1", "performed")  # 10 000, in no request

    with pytest.raises(NothingToRefund):
        await _request(desk, visit_id, 10_001)
    await _request(desk, visit_id, 10_000)


async def test_money_of_an_advance_request_and_of_a_cancelled_line_is_free(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    await collect_for_visit(
        desk.context,
        ORGANIZATION,
        DeskCollection(visit_id=visit_id, shown_due=Dong(90_000), lines=("L2",)),
        actor=desk.cashier,
    )
    requested = NewRequest(visit_id=visit_id, amount=Dong(50_000))
    request_id = await request_deposit(desk.context, ORGANIZATION, requested, actor=desk.cashier)
    part = CollectedPart(method=PartMethod.CASH, amount=Dong(50_000))
    paid = Collection(visit_id=visit_id, parts=[part], deposit_request_id=request_id)
    await collect_at_desk(desk.context, ORGANIZATION, paid, actor=desk.cashier)
    with pytest.raises(NothingToRefund):
        await _request(desk, visit_id, 50_001)

    await _set_state(desk, visit_id, "L2", "cancelled")

    await _request(desk, visit_id, 140_000)


async def test_money_that_the_first_final_bill_applied_is_not_needed_again(desk: CashDesk) -> None:
    visit_id = await order_visit(desk.context)
    await desk.open()
    await collect_for_visit(
        desk.context,
        ORGANIZATION,
        DeskCollection(visit_id=visit_id, shown_due=Dong(100_000), lines=("L1", "L2")),
        actor=desk.cashier,
    )
    for line in ("L1", "L2"):
        await _set_state(desk, visit_id, line, "performed")
    await close_visit(desk.context, ORGANIZATION, visit_id, actor=desk.cashier)
    await reopen_visit(desk.context, ORGANIZATION, visit_id, reason="thêm thuốc", actor=desk.head)
    advances = [
        await collect_at_desk(desk.context, ORGANIZATION, _advance(visit_id, amount), actor=desk.cashier)
        for amount in (30_000, 40_000)
    ]

    await void_issued_receipt(desk.context, ORGANIZATION, advances[0], reason="nhầm người bệnh", actor=desk.head)
    with pytest.raises(NothingToRefund):
        await _request(desk, visit_id, 40_001)
    await _request(desk, visit_id, 40_000)

    await assert_books_are_right(desk.context.database)
