"""The bank account of a refund of no visit leaves with the documents of the year in which the refund ended."""

from billing.ops.erasure import erase_once
from billing.ops.retention import Retention
from billing.payments.domain.refund import BankDestination, RefundWay
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.visit_accounts.service.refunds import cancel_refund
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.ops.test_erasure import counts, turn
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, open_exception_desk


async def test_account_of_a_refund_of_no_visit_leaves_after_its_years(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    desk = await open_exception_desk(flow, database)
    account = BankDestination(bank_bin="970436", account_number="0123456789", holder="NGUYEN VAN A")
    for transaction in ("T1", "T2"):
        exception_id, _ = await desk.receive_without_code(transaction)
        await desk.decide(exception_id, DecisionAction.REFUND, way=RefundWay.MANUAL_TRANSFER, destination=account)
    [ended, _waiting] = await desk.rows("SELECT id FROM refund ORDER BY id")
    await cancel_refund(flow.context, ORGANIZATION, ended["id"], actor=desk.first)

    turn(flow, days=9 * 366)
    await erase_once(flow.context, ORGANIZATION, Retention())
    kept = await counts(flow, "refund_destination")
    turn(flow, days=3 * 366)
    await erase_once(flow.context, ORGANIZATION, Retention())

    assert (kept, await counts(flow, "refund_destination")) == ({"refund_destination": 2}, {"refund_destination": 1})
    await assert_books_are_right(flow.context.database)
