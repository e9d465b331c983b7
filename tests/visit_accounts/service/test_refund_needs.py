"""A deposit is refunded only as far as the services of its visit do not need it."""

import pytest

from billing.core.ids import RefundId
from billing.core.money import Dong
from billing.payments.domain.refund import NothingToRefund, RefundWay
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import request_refund
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.accounts import ORGANIZATION, OpenVisit, open_visit
from tests.visit_accounts.cashiers import CashDesk
from tests.visit_accounts.charged import charged_visit


async def _request(desk: CashDesk, visit: OpenVisit, amount: int) -> RefundId:
    new = NewRefund(amount=Dong(amount), way=RefundWay.CASH, reason="Hoàn ứng", visit_id=visit.visit_id)
    return await request_refund(desk.context, ORGANIZATION, new, actor=desk.cashier)


async def test_deposit_that_pays_for_performed_services_is_not_refunded(desk: CashDesk, flow: PaymentFlow) -> None:
    stay = await charged_visit(await open_visit(flow.context, "LK-PERFORMED"), desk.desk_id, await desk.open())
    await stay.pay(150_000)  # 136 000 of it for what was performed

    with pytest.raises(NothingToRefund):
        await _request(desk, stay.open, 14_001)
    await _request(desk, stay.open, 14_000)

    assert (await stay.open.deposit()).held == 136_000
    await assert_books_are_right(flow.context.database)
