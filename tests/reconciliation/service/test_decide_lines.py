"""Decisions on open statement lines: charges, money without a callback, and lines whose code nobody can read."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.approvals import SecondPersonRequired
from billing.core.errors import BillingError
from billing.ledger.domain.accounts import DayState
from billing.ops.approval_kinds import approve_subject
from billing.organizations.service.approvals import AlreadyDecided, ApprovalKind, ProposalWaiting
from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.exception_case import (
    ActionNotPossible,
    DecisionAction,
    DecisionFinal,
    ExceptionChanged,
)
from billing.reconciliation.domain.match_rules import MatchOfDecision
from billing.reconciliation.service.close_day import find_results
from billing.reconciliation.service.decide_matches import revert_match
from billing.reconciliation.service.find_exceptions import FoundExceptions, find_exceptions_once
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import (
    ORGANIZATION,
    ExceptionDesk,
    add_second_channel,
    open_exception_desk,
)


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _found(own: MatchingFlow, reason: str) -> UUID:
    """Match, detect, and return the only exception of a reason."""
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [row] = await own.fetch("SELECT id FROM exception_case WHERE reason = $1 AND state = 'open'", reason)
    exception_id: UUID = row["id"]
    return exception_id


async def _items_of_bank(own: MatchingFlow) -> list[tuple[str, int]]:
    """The items and the residual of the bank account today."""
    state, results = await find_results(own.flow.context, ORGANIZATION, own.today)
    assert state is DayState.OPEN
    [bank] = [each for each in results.accounts if each.statement_closing is not None]
    return [(item.kind.value, item.amount) for item in bank.items] + [("residual", bank.residual)]


async def test_bank_charge_is_booked_and_taken_back(own: MatchingFlow, desk: ExceptionDesk) -> None:
    await own.flow.start_intent()
    await own.statement(own.line(100_000, reference="FT-X"), own.line(-11_000, "PHI DICH VU", reference="FEE1"))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [row] = await own.fetch("SELECT id FROM exception_case WHERE amount = 11000 AND reason = 'bank_charge'")
    before = await _items_of_bank(own)

    await desk.decide(row["id"], DecisionAction.BOOK_CHARGE)

    assert await own.balances("payment_fees", "bank") == [11_000, -11_000]
    assert ("line_unmatched", -11_000) in before
    after = await _items_of_bank(own)
    assert ("line_unmatched", -11_000) not in after
    assert ("residual", 0) in after
    await assert_books_are_right(own.flow.context.database)
    [match] = await own.fetch("SELECT id FROM match WHERE rule = 'bank_charge'")
    with pytest.raises(MatchOfDecision):
        await revert_match(own.flow.context, ORGANIZATION, match["id"], reason="nhầm", actor=desk.first)
    await desk.revert(row["id"], version=2)
    assert await own.balances("payment_fees", "bank") == [0, 0]
    assert (await desk.find(row["id"])).exception.state is ExceptionState.OPEN
    await desk.decide(row["id"], DecisionAction.BOOK_CHARGE, version=3)
    assert await own.balances("payment_fees", "bank") == [11_000, -11_000]
    await assert_books_are_right(own.flow.context.database)


async def test_money_that_only_the_bank_has_becomes_unallocated(own: MatchingFlow, desk: ExceptionDesk) -> None:
    await own.statement(own.line(77_000, "CHUYEN TIEN", reference="FT-X"))
    exception_id = await _found(own, "bank_only")

    await desk.decide(exception_id, DecisionAction.BOOK_PAYMENT)

    assert await own.matches() == [("manual", "live", ("payment 77000", "statement_line 77000"))]
    assert await own.balances("bank", "clearing", "unallocated") == [77_000, 0, -77_000]
    [row] = await own.fetch("SELECT reason FROM exception_case WHERE state = 'open'")
    assert row["reason"] == "no_reference"
    with pytest.raises(DecisionFinal):
        await desk.revert(exception_id, version=2)
    assert await find_exceptions_once(own.flow.context, ORGANIZATION) == FoundExceptions(0, 0)
    await assert_books_are_right(own.flow.context.database)


async def test_line_without_reference_is_booked_too(own: MatchingFlow, desk: ExceptionDesk) -> None:
    await own.statement(own.line(77_000, "CHUYEN TIEN"))

    await desk.decide(await _found(own, "bank_only"), DecisionAction.BOOK_PAYMENT)

    assert await own.balances("bank", "clearing", "unallocated") == [77_000, 0, -77_000]
    await assert_books_are_right(own.flow.context.database)


async def test_unreadable_line_is_matched_with_its_payment(own: MatchingFlow, desk: ExceptionDesk) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED, "#####"))
    exception_id = await _found(own, "text_unreadable")
    with pytest.raises(ActionNotPossible):
        await desk.decide(exception_id, DecisionAction.BOOK_PAYMENT)

    await desk.decide(exception_id, DecisionAction.MATCH)

    assert await own.matches() == [("manual", "live", (f"payment {OWED}", f"statement_line {OWED}"))]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)
    await desk.revert(exception_id, version=2)
    assert await own.balances("bank", "clearing") == [0, OWED]
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("action", [DecisionAction.MATCH, DecisionAction.ACCEPT_FEE, DecisionAction.BOOK_CHARGE])
async def test_action_that_does_not_fit_its_line_changes_nothing(
    own: MatchingFlow, desk: ExceptionDesk, action: DecisionAction
) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED - 1_000, reference="FT-T1"))
    exception_id = await _found(own, "amount_low")

    with pytest.raises(ActionNotPossible):
        await desk.decide(exception_id, action)

    assert await own.matches() == []
    assert (await desk.find(exception_id)).exception.version == 1


async def test_fee_that_a_payout_lacks_goes_to_the_fees(own: MatchingFlow, desk: ExceptionDesk) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.report(own.report_row("T1", OWED, fee=1_000, paid_out_on=own.today))
    await own.statement(own.line(OWED - 3_000, "PAYOUT", reference="PO1"))
    exception_id = await _found(own, "fee_withheld")

    await desk.decide(exception_id, DecisionAction.ACCEPT_FEE)

    assert await own.balances("bank", "payment_fees", "clearing") == [OWED - 3_000, 3_000, 0]
    await assert_books_are_right(own.flow.context.database)
    await desk.revert(exception_id, version=2)
    assert await own.balances("bank", "payment_fees", "clearing") == [0, 0, OWED]


@pytest.mark.parametrize("larger", [1_000_000, 640_000])
async def test_fee_is_accepted_for_the_payout_that_is_nearest_to_its_line(
    own: MatchingFlow, desk: ExceptionDesk, database: DatabaseAddress, larger: int
) -> None:
    await add_second_channel(own.flow, database)
    await own.report(own.report_row("A1", larger, paid_out_on=own.today))
    await own.report(own.report_row("B1", 600_000, paid_out_on=own.today), account="second")
    await own.statement(own.line(590_000, "PAYOUT", reference="PO1"))
    exception_id = await _found(own, "fee_withheld")

    await desk.decide(exception_id, DecisionAction.ACCEPT_FEE)

    assert await own.matches() == [("manual", "live", ("payout 590000", "statement_line 590000"))]
    assert await own.balances("bank", "payment_fees") == [590_000, 10_000]
    await assert_books_are_right(own.flow.context.database)


async def test_line_under_a_code_is_booked_as_the_first_event_of_a_day(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    now = own.flow.context.clock()
    own.flow.context.clock = lambda: now + timedelta(days=1)
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", reference="FT-X"))

    assert (await own.match()).booked == 1

    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def _low(own: MatchingFlow) -> UUID:
    """The exception of a line that is 1 000 đồng less than its payment."""
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED - 1_000, reference="FT-T1"))
    return await _found(own, "amount_low")


async def _approve(own: MatchingFlow, exception_id: UUID, actor: Actor) -> None:
    kind = ApprovalKind.EXCEPTION_DIFFERENCE
    await approve_subject(own.flow.context, ORGANIZATION, kind, exception_id, actor=actor)


async def test_difference_above_the_tolerance_is_accepted_by_two_persons(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    exception_id = await _low(own)

    await desk.decide(exception_id, DecisionAction.ACCEPT_DIFFERENCE)

    assert await own.matches() == []
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN
    with pytest.raises(ProposalWaiting):
        await desk.decide(exception_id, DecisionAction.ACCEPT_DIFFERENCE, version=2)
    with pytest.raises(SecondPersonRequired):
        await _approve(own, exception_id, desk.first)
    await _approve(own, exception_id, desk.second)
    assert await own.balances("bank", "tolerance_difference", "clearing") == [OWED - 1_000, 1_000, 0]
    found = await desk.find(exception_id)
    assert (found.exception.state, [each.person for each in found.decisions]) == (
        ExceptionState.CLOSED,
        ["Vũ Thị Đối", "Đỗ Văn Soát"],
    )
    await assert_books_are_right(own.flow.context.database)
    await desk.revert(exception_id, version=3)
    assert await own.balances("bank", "tolerance_difference", "clearing") == [0, 0, OWED]
    await assert_books_are_right(own.flow.context.database)


async def test_withdrawn_difference_cannot_be_approved(own: MatchingFlow, desk: ExceptionDesk) -> None:
    exception_id = await _low(own)
    await desk.decide(exception_id, DecisionAction.ACCEPT_DIFFERENCE)

    await desk.revert(exception_id, version=2)

    with pytest.raises(AlreadyDecided):
        await _approve(own, exception_id, desk.second)
    await desk.decide(exception_id, DecisionAction.NO_ACTION, version=3)
    assert await own.matches() == []


async def test_difference_of_an_exception_closed_meanwhile_is_not_accepted(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    exception_id = await _low(own)
    await desk.decide(exception_id, DecisionAction.ACCEPT_DIFFERENCE)
    await desk.decide(exception_id, DecisionAction.NO_ACTION, version=2)

    with pytest.raises(ExceptionChanged):
        await _approve(own, exception_id, desk.second)

    assert await own.matches() == []


async def test_two_persons_book_one_line_once(own: MatchingFlow, desk: ExceptionDesk) -> None:
    await own.statement(own.line(77_000, "CHUYEN TIEN", reference="FT-X"))
    exception_id = await _found(own, "bank_only")

    async def book(actor: Any) -> str:
        try:
            await desk.decide(exception_id, DecisionAction.BOOK_PAYMENT, actor=actor)
        except BillingError as refusal:
            return refusal.code
        return "booked"

    assert sorted(await asyncio.gather(book(desk.first), book(desk.second))) == ["booked", "exception_changed"]
    assert await own.balances("bank", "unallocated") == [77_000, -77_000]
