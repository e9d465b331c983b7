"""A provider takes an advance back that has paid lines: the lines are paid no more, the newest first."""

import pytest

from billing.checkout.service.intent_targets import RequestTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.ids import DepositRequestId, VisitId
from billing.core.money import Dong
from billing.payments.domain.deposit import RequestState
from billing.visit_accounts.domain.clearance import ClearanceReason
from billing.visit_accounts.service.deposit_requests import NewRequest, find_request, request_deposit
from billing.visit_accounts.service.desk_screens import request_for_code
from billing.visit_accounts.service.order_clearance import find_order_clearance
from providers.contract import Movement
from tests.builders import ACCOUNT_NAME, FACILITY_CODE
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.ordered import order_visit


async def _advance(flow: PaymentFlow, desk: CashDesk, visit_id: VisitId, amount: int) -> None:
    requested = NewRequest(visit_id=visit_id, amount=Dong(amount))
    request_id = await request_deposit(desk.context, ORGANIZATION, requested, actor=desk.cashier)
    intent_id = await open_intent(
        desk.context,
        ORGANIZATION,
        account_name=ACCOUNT_NAME,
        target=RequestTarget(request_id),
        amount=None,
        actor=desk.cashier,
    )
    code = (await find_intent(desk.context, ORGANIZATION, intent_id)).reference_code
    await flow.deliver(flow.notice("T1", code, amount=amount))


async def _use_deposit(desk: CashDesk, visit_id: VisitId, line: str) -> DepositRequestId:
    return await request_for_code(desk.context, ORGANIZATION, visit_id, [line], uses_deposit=True, actor=desk.cashier)


async def _state(desk: CashDesk, request_id: DepositRequestId) -> tuple[RequestState, int]:
    found = await find_request(desk.context, ORGANIZATION, request_id)
    return found.state, found.received


async def _reason(desk: CashDesk, order_number: str) -> tuple[bool, ClearanceReason]:
    found = await find_order_clearance(
        desk.context, ORGANIZATION, facility_code=FACILITY_CODE, order_number=order_number
    )
    return found.is_cleared, found.reason


@pytest.mark.parametrize(
    ("taken_back", "first", "second"),
    [
        (100_000, (RequestState.REQUESTED, 0), (RequestState.REQUESTED, 0)),
        (30_000, (RequestState.PAID, 10_000), (RequestState.PARTLY, 60_000)),
    ],
)
async def test_lines_that_the_advance_paid_are_paid_no_more(
    desk: CashDesk,
    flow: PaymentFlow,
    taken_back: int,
    first: tuple[RequestState, int],
    second: tuple[RequestState, int],
) -> None:
    visit_id = await order_visit(desk.context)
    await _advance(flow, desk, visit_id, 100_000)
    requests = [await _use_deposit(desk, visit_id, line) for line in ("L1", "L2")]
    assert [await _state(desk, each) for each in requests] == [(RequestState.PAID, 10_000), (RequestState.PAID, 90_000)]
    assert await _reason(desk, "XN-1") == (True, ClearanceReason.PAID)

    await flow.deliver(
        flow.notice("CB1", "", amount=taken_back, movement=Movement.REVERSED, reverses=frozenset({"transaction:T1"}))
    )

    assert [await _state(desk, each) for each in requests] == [first, second]
    assert await _reason(desk, "XN-1") == (False, ClearanceReason.NOT_PAID)
    assert (await _reason(desk, "PK-1"))[0] == (first[0] is RequestState.PAID)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        state = await tx.fetchval("SELECT state FROM charge_item WHERE line = 'L2'")
    assert state == "ordered"
    await assert_books_are_right(desk.context.database)


async def test_money_that_lines_do_not_need_is_taken_back_first(desk: CashDesk, flow: PaymentFlow) -> None:
    visit_id = await order_visit(desk.context)
    await _advance(flow, desk, visit_id, 100_000)
    request_id = await _use_deposit(desk, visit_id, "L2")

    await flow.deliver(
        flow.notice("CB1", "", amount=10_000, movement=Movement.REVERSED, reverses=frozenset({"transaction:T1"}))
    )

    assert await _state(desk, request_id) == (RequestState.PAID, 90_000)
    assert await _reason(desk, "XN-1") == (True, ClearanceReason.PAID)
