"""Final bills, guarantees, exemptions and debts on a real PostgreSQL."""

import asyncio

import pytest

from billing.core.approvals import SecondPersonRequired
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.ops.approval_kinds import approve_proposal, reject_proposal
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.service.approvals import find_approval_of
from billing.payments.domain.deposit import DepositState
from billing.visit_accounts.domain.account import VisitClosed
from billing.visit_accounts.domain.discharge import DischargeBlocked
from billing.visit_accounts.domain.final_bill import MoneyOwed
from billing.visit_accounts.domain.guarantee import (
    AmountAboveLimit,
    DebtNeeded,
    GuaranteeDecided,
    GuaranteeExists,
    GuaranteeState,
    NothingOwed,
)
from billing.visit_accounts.service.debts import propose_write_off, read_debt, withdraw_debt
from billing.visit_accounts.service.exemptions import ProposedExemption, propose_exemption
from billing.visit_accounts.service.final_bills import find_final_bill, list_closed_with_money
from billing.visit_accounts.service.guarantees import NewGuarantee, confirm_guarantee, end_guarantee, request_guarantee
from tests.builders import visit_document
from tests.flow import OWED, assert_books_are_right
from tests.visit_accounts.accounts import ORGANIZATION
from tests.visit_accounts.stay import Stay


async def test_deposit_pays_the_final_bill_and_its_surplus_becomes_credit(stay: Stay) -> None:
    await stay.visit.pay(100_000)
    await stay.visit.pay(50_000)
    before = (await find_final_bill(stay.desk.context, ORGANIZATION, stay.visit.open.visit_id)).amounts

    final_bill = await stay.close()

    assert (before.shares.patient, before.deposit, before.to_collect, before.to_return) == (OWED, 150_000, 0, 14_000)
    assert (final_bill.number, final_bill.shares.patient, final_bill.paid, final_bill.owed, final_bill.released) == (
        1,
        OWED,
        OWED,
        0,
        14_000,
    )
    assert final_bill.closed_by_name == "Nguyễn Thị Thu"
    deposit = await stay.visit.open.deposit()
    assert (deposit.state, deposit.held, deposit.applied, deposit.returned) == (DepositState.CLOSED, 0, OWED, 14_000)
    assert await stay.desk.balance("receivable_patient") == 0
    assert await stay.desk.balance("patient_credit") == -14_000
    [listed] = await list_closed_with_money(stay.desk.context, ORGANIZATION, ListSlice(limit=10))
    assert (listed.credit, listed.owed, listed.deposit) == (14_000, 0, 0)
    await assert_books_are_right(stay.desk.context.database)


async def test_money_owed_is_collected_first_or_agreed_as_a_debt(stay: Stay) -> None:
    await stay.visit.pay(100_000)
    with pytest.raises(MoneyOwed) as refused:
        await stay.close()
    assert refused.value.amount == 36_000
    assert await stay.billed() == []

    debt_id = await stay.owe()
    final_bill = await stay.close()

    assert (final_bill.paid, final_bill.owed) == (100_000, 36_000)
    context = stay.desk.context
    with pytest.raises(DebtNeeded):
        await withdraw_debt(context, ORGANIZATION, debt_id, actor=stay.desk.cashier)
    debt = await read_debt(context, ORGANIZATION, debt_id)
    assert (debt.owed, debt.guarantor["name"]) == (36_000, "Nguyễn Thị Con")
    approval_id = await propose_write_off(context, ORGANIZATION, debt.id, reason="đã mất", actor=stay.desk.cashier)
    with pytest.raises(SecondPersonRequired):
        await approve_proposal(context, ORGANIZATION, approval_id, actor=stay.desk.cashier)
    await approve_proposal(context, ORGANIZATION, approval_id, actor=stay.desk.head)
    assert (await stay.desk.balance("bad_debt"), await stay.desk.balance("receivable_patient")) == (36_000, 0)
    assert (await read_debt(context, ORGANIZATION, debt.id)).written_off == 36_000
    await assert_books_are_right(context.database)


async def test_write_off_needs_money_that_is_owed(stay: Stay) -> None:
    await stay.visit.pay(OWED)
    debt_id = await stay.owe()
    await stay.close()
    with pytest.raises(NothingOwed):
        await propose_write_off(
            stay.desk.context,
            ORGANIZATION,
            debt_id,
            reason="đã mất",
            actor=stay.desk.cashier,
        )
    await withdraw_debt(stay.desk.context, ORGANIZATION, debt_id, actor=stay.desk.cashier)


async def test_guarantees_and_exemptions_lower_what_the_patient_pays_not_the_insurer(stay: Stay) -> None:
    await stay.guarantee(60_000, limit=80_000)
    await stay.guarantee(30_000, reference="BL-2")
    await stay.exempt(100_000)
    await stay.visit.pay(20_000)

    final_bill = await stay.close()

    assert (final_bill.guaranteed, final_bill.exempted, final_bill.paid, final_bill.owed) == (90_000, 46_000, 0, 0)
    assert final_bill.released == 20_000
    assert final_bill.shares.insurer == 464_000
    assert await stay.desk.balance("receivable_guarantor") == 90_000
    assert await stay.desk.balance("exemption") == 46_000
    assert await stay.desk.balance("receivable_patient") == 0
    await assert_books_are_right(stay.desk.context.database)


async def test_guarantee_counts_only_when_confirmed_within_its_limit(stay: Stay) -> None:
    context, visit_id = stay.desk.context, stay.visit.open.visit_id
    new = NewGuarantee(payer="Bảo hiểm Tư", reference="BL-1", limit=Dong(50_000))
    guarantee_id = await request_guarantee(context, ORGANIZATION, visit_id, new, actor=stay.desk.cashier)
    with pytest.raises(GuaranteeExists):
        await request_guarantee(context, ORGANIZATION, visit_id, new, actor=stay.desk.cashier)
    assert (await find_final_bill(context, ORGANIZATION, visit_id)).amounts.to_collect == OWED
    await stay.visit.pay(OWED)
    with pytest.raises(DischargeBlocked):
        await stay.close()
    with pytest.raises(AmountAboveLimit):
        await confirm_guarantee(context, ORGANIZATION, guarantee_id, Dong(50_001), actor=stay.desk.cashier)
    await confirm_guarantee(context, ORGANIZATION, guarantee_id, Dong(40_000), actor=stay.desk.cashier)
    with pytest.raises(GuaranteeDecided):
        await end_guarantee(
            context, ORGANIZATION, guarantee_id, GuaranteeState.REJECTED, reason="từ chối", actor=stay.desk.cashier
        )
    final_bill = await stay.close()

    assert (final_bill.guaranteed, final_bill.paid, final_bill.released) == (40_000, 96_000, 40_000)
    await assert_books_are_right(context.database)


async def test_rejected_exemption_does_not_count(stay: Stay) -> None:
    context = stay.desk.context
    exemption_id = await propose_exemption(
        context,
        ORGANIZATION,
        stay.visit.open.visit_id,
        ProposedExemption(fund="hospital", amount=Dong(10_000), reason="hộ nghèo"),
        actor=stay.desk.cashier,
    )
    async with context.database.transaction(ORGANIZATION) as tx:
        approval = await find_approval_of(tx, ApprovalKind.EXEMPTION, exemption_id)
    await reject_proposal(context, ORGANIZATION, approval.id, actor=stay.desk.head)
    await stay.visit.pay(OWED)

    assert (await stay.close()).exempted == 0


async def test_of_two_final_bills_at_once_one_is_made_and_the_loser_learns_who_and_when(stay: Stay) -> None:
    await stay.visit.pay(OWED)

    results = await asyncio.gather(stay.close(), stay.close(), return_exceptions=True)

    refused = [each for each in results if isinstance(each, VisitClosed)]
    assert len(refused) == 1
    assert "Nguyễn Thị Thu" in refused[0].detail
    assert len(await stay.billed()) == 1
    await assert_books_are_right(stay.desk.context.database)


async def test_paper_that_comes_before_closing_returns_the_higher_share(stay: Stay) -> None:
    """Without the card the patient pays all, with it a part; the surplus of the deposit is returned."""
    cards = visit_document()["cards"]
    await stay.visit.charge(cards=[], MA_DOITUONG_KCB="9", is_provisional=True)
    provisional = (await find_final_bill(stay.desk.context, ORGANIZATION, stay.visit.open.visit_id)).amounts
    assert provisional.shares.patient > OWED
    await stay.visit.pay(provisional.shares.patient)
    await stay.visit.charge(cards=cards, MA_DOITUONG_KCB="1.1", is_provisional=False)

    final_bill = await stay.close()

    assert (final_bill.paid, final_bill.owed, final_bill.released) == (OWED, 0, provisional.shares.patient - OWED)
    await assert_books_are_right(stay.desk.context.database)
