"""What a rerun and a reversal may not reverse: charges of the bank, and the reports of providers."""

import pytest

from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service.decide_matches import ManualMatch, match_by_hand, revert_match
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.match_lines import run_matching
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import SYSTEM, MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, ExceptionDesk, open_exception_desk


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _paid(own: MatchingFlow, transaction: str, ma_lk: str = "LK0001") -> None:
    started = await own.flow.start_intent(ma_lk)
    await own.flow.deliver(own.flow.notice(transaction, f"{started.code} VIEN PHI"))


async def test_rerun_of_a_period_leaves_booked_charges(own: MatchingFlow, desk: ExceptionDesk) -> None:
    """A charge is a decision: superseding its match would move its money to 113 and leave the fee."""
    await _paid(own, "T1")
    await own.statement(own.line(OWED, reference="FT-T1"), own.line(-11_000, "PHI DICH VU", "FEE1"))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [row] = await own.fetch("SELECT id FROM exception_case WHERE reason = 'bank_charge'")
    await desk.decide(row["id"], DecisionAction.BOOK_CHARGE)

    run = await run_matching(own.flow.context, ORGANIZATION, actor=SYSTEM, rematched=(own.today, own.today))

    assert (run.superseded, run.matches) == (1, 1)
    assert await own.balances("bank", "clearing", "payment_fees") == [OWED - 11_000, 0, 11_000]
    assert [state for rule, state, _ in await own.matches() if rule == "bank_charge"] == ["live"]
    await assert_books_are_right(own.flow.context.database)


async def test_report_is_matched_again_after_the_line_of_its_payment_was_reverted(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    """The person states that the line is another movement, not that the report is wrong."""
    await _paid(own, "T1")
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.report(own.report_row("T1", OWED))
    await own.match()
    [match] = await own.fetch("SELECT id FROM match")

    await revert_match(own.flow.context, ORGANIZATION, match["id"], reason="không phải", actor=desk.first)
    await own.match()

    assert [(rule, state) for rule, state, _ in await own.matches()] == [
        ("bank_reference", "reverted"),
        ("!transaction", "live"),
    ]
    assert await own.balances("bank", "clearing") == [0, OWED]


async def test_report_that_a_person_reverted_is_not_matched_again(own: MatchingFlow, desk: ExceptionDesk) -> None:
    await _paid(own, "T1")
    await own.report(own.report_row("T1", OWED))
    await own.match()
    [match] = await own.fetch("SELECT id FROM match")

    await revert_match(own.flow.context, ORGANIZATION, match["id"], reason="báo cáo sai", actor=desk.first)
    await own.match()

    assert [state for _, state, _ in await own.matches()] == ["reverted"]


@pytest.mark.parametrize("count", [1, 2])
async def test_person_matches_payments_that_reports_already_confirm(
    own: MatchingFlow, desk: ExceptionDesk, count: int
) -> None:
    """The bank's text is unreadable, or one credit pays for both: the reports stay matched with their payments."""
    for number in range(count):
        await _paid(own, f"T{number}", f"LK{number}")
    await own.report(*(own.report_row(f"T{number}", OWED) for number in range(count)))
    await own.statement(own.line(count * OWED, "#####"))
    await own.match()
    [line], payments = await own.fetch("SELECT id FROM statement_line"), await own.fetch("SELECT id FROM payment")
    items = [(ItemKind.PAYMENT, row["id"]) for row in payments]

    new = ManualMatch(line_id=line["id"], items=items, reason="sao kê giấy")
    match_id = await match_by_hand(own.flow.context, ORGANIZATION, new, actor=desk.first)

    [live] = [items for _, state, items in await own.matches() if state == "live"]
    assert live == (
        *[f"payment {OWED}"] * count,
        *[f"settlement_line {OWED}"] * count,
        f"statement_line {count * OWED}",
    )
    assert await own.balances("bank", "clearing") == [count * OWED, 0]
    await revert_match(own.flow.context, ORGANIZATION, match_id, reason="nhầm", actor=desk.first)
    await own.match()
    assert [rule for rule, state, _ in await own.matches() if state == "live"] == ["!transaction"] * count
    assert await own.balances("bank", "clearing") == [0, count * OWED]
    await assert_books_are_right(own.flow.context.database)
