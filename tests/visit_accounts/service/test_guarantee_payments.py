"""Payers pay what they owe for guarantees: at the desk, from their credit, written off, after a lower final bill."""

import asyncio
from uuid import UUID

import pytest

from billing.core.approvals import SecondPersonRequired
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import PaymentId, ReceiptId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.ops.approval_kinds import approve_subject
from billing.organizations.domain.approval import ApprovalKind
from billing.payments.domain.guarantee_receivable import GuaranteesPaid
from billing.payments.domain.refund import RefundWay
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.receipt import PartMethod, Purpose, ReceiptMoneyUsed
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.guarantee_payments import (
    ListedReceivable,
    ReceivableFilter,
    list_guarantee_receivables,
    list_payments_of_payers,
    pay_with_payer_credit,
    propose_guarantee_write_off,
)
from billing.visit_accounts.service.receipts import find_receipt, void_issued_receipt
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import request_refund
from tests.builders import set_refund_limit
from tests.conftest import DatabaseAddress
from tests.flow import OWED, assert_books_are_right
from tests.visit_accounts.accounts import ORGANIZATION, open_visit
from tests.visit_accounts.cashiers import CashDesk, as_owner
from tests.visit_accounts.charged import charged_visit
from tests.visit_accounts.stay import Stay

PAYER = "Bảo hiểm Tư"
_LINES = ("XML3-1", "XML3-2", "XML3-3", "XML2-1")


def cash(amount: int) -> CollectedPart:
    return CollectedPart(method=PartMethod.CASH, amount=Dong(amount))


async def take(
    desk: CashDesk, *parts: CollectedPart, payer: str = PAYER, guarantees: tuple[UUID, ...] = ()
) -> ReceiptId:
    collection = Collection(parts=parts, payer=payer, guarantee_ids=guarantees)
    return await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier)


async def listed(desk: CashDesk, **chosen: object) -> list[ListedReceivable]:
    filters = ReceivableFilter(**chosen)  # type: ignore[arg-type]
    return await list_guarantee_receivables(desk.context, ORGANIZATION, ListSlice(limit=10), filters)


async def owed(desk: CashDesk) -> list[int]:
    return [one.owed for one in reversed(await listed(desk))]


async def billed(stay: Stay, amount: int = 100_000, reference: str = "BL-1") -> UUID:
    """Close a visit of which the payer guaranteed an amount; the patient pays the rest."""
    guarantee_id = await stay.guarantee(amount, reference=reference)
    if amount < OWED:
        await stay.visit.pay(OWED - amount)
    await stay.close()
    return guarantee_id


async def another(stay: Stay, ma_lk: str) -> Stay:
    visit = await open_visit(stay.desk.context, ma_lk)
    return Stay(await charged_visit(visit, stay.visit.desk_id, stay.visit.shift_id), stay.desk)


async def test_final_bill_makes_the_payer_owe(stay: Stay) -> None:
    guarantee_id = await stay.guarantee(100_000)
    assert await listed(stay.desk) == []

    await stay.visit.pay(36_000)
    await stay.close()

    [one] = await listed(stay.desk, payer=PAYER, is_owed=True)
    assert (one.id, one.reference, one.billed, one.paid, one.owed) == (
        guarantee_id,
        "BL-1",
        100_000,
        0,
        100_000,
    )
    assert one.age_days == 0
    assert await listed(stay.desk, age_days_min=1) == []
    assert await listed(stay.desk, payer="Bảo Việt") == []
    await assert_books_are_right(stay.desk.context.database)


async def test_cash_of_a_payer_pays_its_guarantees_in_order_and_the_rest_is_its_credit(stay: Stay) -> None:
    await billed(stay)
    await billed(await another(stay, "LK-2"), 50_000, "BL-2")
    desk = stay.desk

    receipt_id = await take(desk, cash(120_000))
    assert await owed(desk) == [0, 30_000]
    await take(desk, cash(40_000))

    assert await owed(desk) == [0, 0]
    found = await find_receipt(desk.context, ORGANIZATION, receipt_id)
    assert (found.receipt.purpose, found.receipt.amount, found.receipt.visit_id) == (Purpose.GUARANTEE, 120_000, None)
    assert found.printed is not None
    assert found.printed["payer"] == PAYER
    assert found.printed["guarantees"] == [
        {"ma_lk": "LK0001", "reference": "BL-1", "amount": 100_000, "owed": 0},
        {"ma_lk": "LK-2", "reference": "BL-2", "amount": 20_000, "owed": 30_000},
    ]
    assert await desk.balance("receivable_guarantor") == 0
    assert await desk.balance("patient_credit") == -10_000
    [last, first] = await list_payments_of_payers(desk.context, ORGANIZATION, ListSlice(limit=10), payer=PAYER)
    assert (first.amount, first.on_guarantees, first.credit) == (120_000, 120_000, 0)
    assert (last.amount, last.on_guarantees, last.credit) == (40_000, 30_000, 10_000)
    assert first.receipt_id == receipt_id
    await assert_books_are_right(desk.context.database)


async def test_named_guarantees_are_paid_and_no_others(stay: Stay) -> None:
    first = await billed(stay)
    second = await billed(await another(stay, "LK-2"), 50_000, "BL-2")

    await take(stay.desk, cash(50_000), guarantees=(second,))

    assert await owed(stay.desk) == [100_000, 0]
    with pytest.raises(GuaranteesPaid):
        await take(stay.desk, cash(1_000), guarantees=(second,))
    for payer, guarantee in (("Bảo Việt", first), (PAYER, stay.desk.context.ids.new())):
        with pytest.raises(NotFound):
            await take(stay.desk, cash(1_000), payer=payer, guarantees=(guarantee,))
    with pytest.raises(GuaranteesPaid):
        await take(stay.desk, cash(1_000), payer="Bảo Việt")
    with pytest.raises(InvalidValue):
        await take(stay.desk, CollectedPart(method=PartMethod.PROVIDER, payment_id=PaymentId(first)))
    assert await owed(stay.desk) == [100_000, 0]
    await assert_books_are_right(stay.desk.context.database)


async def test_two_cashiers_take_the_money_of_one_payer_at_once_and_it_is_owed_once(stay: Stay) -> None:
    await billed(stay)

    done = await asyncio.gather(*(take(stay.desk, cash(100_000)) for _ in range(2)), return_exceptions=True)

    assert sum(isinstance(each, GuaranteesPaid) for each in done) == 1
    assert await owed(stay.desk) == [0]
    await assert_books_are_right(stay.desk.context.database)


async def test_voided_receipt_of_a_payer_makes_it_owe_again(stay: Stay) -> None:
    await billed(stay)
    receipt_id = await take(stay.desk, cash(130_000))
    drawer = await stay.desk.drawer()

    await void_issued_receipt(stay.desk.context, ORGANIZATION, receipt_id, reason="nhầm tên", actor=stay.desk.head)

    assert await owed(stay.desk) == [100_000]
    assert await stay.desk.drawer() == drawer - 130_000
    assert await stay.desk.balance("patient_credit") == 0
    await assert_books_are_right(stay.desk.context.database)


async def test_credit_of_a_payer_pays_its_next_guarantee(stay: Stay) -> None:
    await billed(stay)
    receipt_id = await take(stay.desk, cash(130_000))
    second = await billed(await another(stay, "LK-2"), 50_000, "BL-2")

    assert await pay_with_payer_credit(stay.desk.context, ORGANIZATION, PAYER, actor=stay.desk.head) == [second]

    assert await owed(stay.desk) == [0, 20_000]
    assert await stay.desk.balance("patient_credit") == 0
    assert await pay_with_payer_credit(stay.desk.context, ORGANIZATION, PAYER, actor=stay.desk.head) == []
    await void_issued_receipt(stay.desk.context, ORGANIZATION, receipt_id, reason="nhầm tên", actor=stay.desk.head)
    assert await owed(stay.desk) == [100_000, 50_000]
    await assert_books_are_right(stay.desk.context.database)


async def test_lower_final_bill_turns_money_of_the_payer_into_its_credit(stay: Stay) -> None:
    await billed(stay, OWED)
    await take(stay.desk, cash(OWED))
    await stay.reopen()
    await stay.visit.charge(cancel=_LINES[:1])
    share = (await stay.close()).shares.patient
    assert share < OWED

    [one] = await listed(stay.desk)
    assert (one.billed, one.paid, one.owed) == (share, share, 0)
    assert await stay.desk.balance("receivable_guarantor") == 0
    assert await stay.desk.balance("patient_credit") == share - OWED
    [payment] = await list_payments_of_payers(stay.desk.context, ORGANIZATION, ListSlice(limit=10))
    assert payment.credit == OWED - share
    await assert_books_are_right(stay.desk.context.database)


async def test_receivable_is_written_off_by_two_persons_and_taken_back_by_a_lower_bill(stay: Stay) -> None:
    guarantee_id = await billed(stay, OWED)
    await take(stay.desk, cash(36_000))
    context = stay.desk.context
    await propose_guarantee_write_off(context, ORGANIZATION, guarantee_id, reason="phá sản", actor=stay.desk.cashier)
    with pytest.raises(SecondPersonRequired):
        await approve_subject(
            context, ORGANIZATION, ApprovalKind.GUARANTEE_WRITE_OFF, guarantee_id, actor=stay.desk.cashier
        )
    assert await owed(stay.desk) == [100_000]

    await approve_subject(context, ORGANIZATION, ApprovalKind.GUARANTEE_WRITE_OFF, guarantee_id, actor=stay.desk.head)

    [one] = await listed(stay.desk)
    assert (one.paid, one.written_off, one.owed) == (36_000, 100_000, 0)
    assert await stay.desk.balance("bad_debt") == 100_000
    with pytest.raises(GuaranteesPaid):
        await propose_guarantee_write_off(context, ORGANIZATION, guarantee_id, reason="nữa", actor=stay.desk.cashier)
    await stay.reopen()
    await stay.visit.charge(cancel=_LINES)
    await stay.close()
    [one] = await listed(stay.desk)
    assert (one.billed, one.paid, one.written_off) == (0, 0, 0)
    assert await stay.desk.balance("bad_debt") == 0
    assert await stay.desk.balance("patient_credit") == -36_000
    await assert_books_are_right(context.database)


async def test_refunded_credit_of_a_payer_leaves_its_guarantees_paid(stay: Stay, database: DatabaseAddress) -> None:
    await as_owner(database, set_refund_limit(1_000_000))
    await billed(stay)
    receipt_id = await take(stay.desk, cash(130_000))
    context = stay.desk.context
    [payment] = await list_payments_of_payers(context, ORGANIZATION, ListSlice(limit=10))

    new = NewRefund(amount=Dong(30_000), way=RefundWay.CASH, reason="nộp thừa", payment_id=payment.id)
    await request_refund(context, ORGANIZATION, new, actor=stay.desk.cashier)

    [payment] = await list_payments_of_payers(context, ORGANIZATION, ListSlice(limit=10))
    assert (payment.on_guarantees, payment.credit, payment.refunded) == (100_000, 0, 30_000)
    with pytest.raises(ReceiptMoneyUsed):
        await void_issued_receipt(context, ORGANIZATION, receipt_id, reason="nhầm tên", actor=stay.desk.head)
    assert await owed(stay.desk) == [0]
    await assert_books_are_right(context.database)


async def test_payer_pays_while_the_visit_gets_a_lower_bill_and_no_money_is_lost(stay: Stay) -> None:
    guarantee_id = await billed(stay, OWED)
    await stay.reopen()
    await stay.visit.charge(cancel=_LINES[:1])

    closed, receipt_id = await asyncio.gather(stay.close(), take(stay.desk, cash(OWED), guarantees=(guarantee_id,)))

    [one] = await listed(stay.desk)
    assert (one.billed, one.paid, one.owed) == (closed.shares.patient, closed.shares.patient, 0)
    [payment] = await list_payments_of_payers(stay.desk.context, ORGANIZATION, ListSlice(limit=10))
    assert (payment.receipt_id, payment.credit) == (receipt_id, OWED - one.paid)
    await assert_books_are_right(stay.desk.context.database)
