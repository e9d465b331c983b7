"""Final bills of reopened visits and the corrections of their invoices, on a real PostgreSQL."""

import pytest

from billing.invoices.domain.correction import CorrectionKind
from billing.ops.approval_kinds import approve_proposal
from billing.visit_accounts.domain.account import VisitClosed
from billing.visit_accounts.domain.final_bill import MoneyOwed, VisitNotClosed
from billing.visit_accounts.domain.guarantee import GuaranteeState
from billing.visit_accounts.service.debts import propose_write_off
from billing.visit_accounts.service.final_bills import find_final_bill
from billing.visit_accounts.service.guarantees import end_guarantee
from tests.builders import drug_line
from tests.flow import OWED, assert_books_are_right
from tests.visit_accounts.accounts import ORGANIZATION
from tests.visit_accounts.stay import Stay


async def test_reopened_visit_gets_a_further_invoice(stay: Stay) -> None:
    await stay.visit.pay(OWED)
    await stay.close()
    with pytest.raises(VisitClosed, match="Nguyễn Thị Thu"):
        await stay.close()
    await stay.reopen()
    with pytest.raises(VisitNotClosed):
        await stay.reopen()
    await stay.visit.charge(drug_line(2, quantity="10", price="1000"))
    await stay.visit.pay(2_000)

    final_bill = await stay.close()

    first, second = await stay.billed()
    assert (first.patient, second.patient, second.insurer) == (OWED, 2_000, 8_000)
    assert (final_bill.number, final_bill.shares.patient, final_bill.paid, final_bill.owed) == (2, 138_000, 138_000, 0)
    await assert_books_are_right(stay.desk.context.database)


async def test_credit_of_the_visit_pays_the_bill_of_a_reopened_visit(stay: Stay) -> None:
    await stay.visit.pay(150_000)
    assert (await stay.close()).released == 14_000
    await stay.reopen()
    await stay.visit.charge(drug_line(2, quantity="10", price="1000"))
    preview = (await find_final_bill(stay.desk.context, ORGANIZATION, stay.visit.open.visit_id)).amounts

    final_bill = await stay.close()

    assert (preview.credit, preview.to_collect, preview.to_return) == (14_000, 0, 12_000)
    assert (final_bill.paid, final_bill.owed, final_bill.released) == (138_000, 0, 0)
    assert await stay.desk.balance("patient_credit") == -12_000
    await assert_books_are_right(stay.desk.context.database)


async def test_cancelled_line_after_the_bill_is_a_credit_note_newest_money_first(stay: Stay) -> None:
    await stay.visit.pay(100_000)
    await stay.visit.pay(36_000)
    await stay.close()
    await stay.reopen()
    await stay.visit.charge(cancel=["XML3-3"])

    final_bill = await stay.close()

    visit = await find_final_bill(stay.desk.context, ORGANIZATION, stay.visit.open.visit_id)
    [correction] = visit.corrections
    assert (correction.kind, correction.patient, correction.insurer) == (CorrectionKind.PRICE, -20_000, 0)
    assert [(line.stt, line.hospital_amount, line.self_pay) for line in correction.lines] == [(3, -20_000, -20_000)]
    assert (final_bill.shares.patient, final_bill.paid, final_bill.owed, final_bill.invoice_id) == (
        116_000,
        116_000,
        0,
        None,
    )
    assert await stay.desk.balance("patient_credit") == -20_000
    await assert_books_are_right(stay.desk.context.database)


async def test_drug_that_crosses_the_15_percent_line_moves_shares_between_the_payers(stay: Stay) -> None:
    """Below the line the fund pays all of 130 000; with one drug more the patient pays 20 % of all lines."""
    await stay.visit.charge(cancel=["XML3-2"])
    await stay.visit.pay(20_000)
    first = await stay.close()
    assert (first.shares.patient, first.shares.insurer) == (20_000, 130_000)
    await stay.reopen()
    await stay.visit.charge(drug_line(2, quantity="10", price="30000"))
    await stay.visit.pay(86_000)

    second = await stay.close()

    assert (second.shares.patient, second.shares.insurer, second.owed) == (106_000, 344_000, 0)
    await stay.reopen()
    await stay.visit.charge(cancel=["XML2-2"])
    third = await stay.close()

    assert (third.shares.patient, third.shares.insurer, third.paid) == (20_000, 130_000, 20_000)
    assert await stay.desk.balance("receivable_insurer") == 130_000
    assert await stay.desk.balance("revenue") == -150_000
    assert await stay.desk.balance("patient_credit") == -86_000
    await assert_books_are_right(stay.desk.context.database)


async def test_guarantee_withdrawn_after_a_reopening_is_owed_by_the_patient_again(stay: Stay) -> None:
    await stay.guarantee(100_000)
    await stay.visit.pay(36_000)
    await stay.close()
    await stay.reopen()
    visit = await find_final_bill(stay.desk.context, ORGANIZATION, stay.visit.open.visit_id)
    [guarantee] = visit.bearers.guarantees
    await end_guarantee(
        stay.desk.context,
        ORGANIZATION,
        guarantee.id,
        GuaranteeState.WITHDRAWN,
        reason="hết hạn mức",
        actor=stay.desk.cashier,
    )
    with pytest.raises(MoneyOwed):
        await stay.close()
    await stay.visit.pay(100_000)

    final_bill = await stay.close()

    assert (final_bill.guaranteed, final_bill.paid, final_bill.owed) == (0, OWED, 0)
    assert await stay.desk.balance("receivable_guarantor") == 0
    await assert_books_are_right(stay.desk.context.database)


async def test_credit_note_of_an_exempted_bill_lowers_the_exemption(stay: Stay) -> None:
    await stay.exempt(100_000)
    await stay.visit.pay(36_000)
    await stay.close()
    await stay.reopen()
    await stay.visit.charge(cancel=["XML3-2"])

    final_bill = await stay.close()

    assert (final_bill.shares.patient, final_bill.exempted, final_bill.paid, final_bill.owed) == (20_000, 20_000, 0, 0)
    assert await stay.desk.balance("exemption") == 20_000
    assert await stay.desk.balance("patient_credit") == -36_000
    await assert_books_are_right(stay.desk.context.database)


async def test_credit_note_after_a_write_off_takes_the_write_off_back_before_money_is_returned(stay: Stay) -> None:
    await stay.visit.pay(100_000)
    debt_id = await stay.owe()
    await stay.close()
    context, desk = stay.desk.context, stay.desk
    approval_id = await propose_write_off(context, ORGANIZATION, debt_id, reason="đã mất", actor=desk.cashier)
    await approve_proposal(context, ORGANIZATION, approval_id, actor=desk.head)
    await stay.reopen()
    await stay.visit.charge(cancel=["XML3-3"])

    final_bill = await stay.close()

    assert (final_bill.shares.patient, final_bill.written_off, final_bill.paid, final_bill.owed) == (
        116_000,
        16_000,
        100_000,
        0,
    )
    assert (await desk.balance("bad_debt"), await desk.balance("patient_credit")) == (16_000, 0)
    await assert_books_are_right(context.database)
