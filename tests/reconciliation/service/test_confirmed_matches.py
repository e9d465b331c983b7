"""Tentative matches whose item has changed when the complete statement comes: they end, and nothing stops the run."""

from datetime import date, timedelta

import pytest

from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def _pay(own: MatchingFlow, transaction: str, ma_lk: str = "LK0001") -> str:
    started = await own.flow.start_intent(ma_lk)
    await own.flow.deliver(own.flow.notice(transaction, f"{started.code} VIEN PHI"))
    return started.code


async def _superseded(own: MatchingFlow) -> list[int]:
    return [row["superseded"] for row in await own.fetch("SELECT superseded FROM match_run ORDER BY id")]


async def test_tentative_match_by_code_ends_if_the_payment_is_paid_out_in_a_batch_since(own: MatchingFlow) -> None:
    """The payout is expected at the bank instead; the report is matched again by the same run."""
    line = own.line(OWED, f"NOP {await _pay(own, 'T1')}")
    await own.match(await own.statement(line, is_intraday=True))
    await own.match(await own.report(own.report_row("T1", OWED)))
    await own.report(own.report_row("T2", OWED, paid_out_on=own.today))

    await own.match(await own.statement(line))

    ours = (f"payment {OWED}", f"settlement_line {OWED}")
    assert await own.matches() == [
        ("!reference_code", "superseded", (*ours, f"statement_line {OWED}")),
        ("!transaction", "live", ours),
    ]
    assert await _superseded(own) == [0, 0, 1]
    assert await own.balances("bank", "clearing") == [0, OWED]
    await assert_books_are_right(own.flow.context.database)


async def test_tentative_match_by_reference_is_decided_again_and_posted(own: MatchingFlow) -> None:
    """The bank shows the payment itself under its reference, whatever the channel pays out."""
    await _pay(own, "T1")
    line = own.line(OWED, reference="FT-T1")
    await own.match(await own.statement(line, is_intraday=True))
    await own.report(own.report_row("T2", OWED, paid_out_on=own.today))

    await own.match(await own.statement(line))

    items = (f"payment {OWED}", f"statement_line {OWED}")
    assert await own.matches() == [("!bank_reference", "superseded", items), ("bank_reference", "live", items)]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_tentative_match_of_a_payout_that_a_report_has_enlarged_ends(own: MatchingFlow) -> None:
    day: date = own.today - timedelta(days=1)
    for number in range(2):
        await _pay(own, f"T{number}", f"LK{number}")
    await own.report(own.report_row("T0", OWED, paid_out_on=day))
    line = own.line(OWED, "THANH TOAN", "PO1")
    await own.match(await own.statement(line, is_intraday=True))
    await own.report(own.report_row("T1", OWED, paid_out_on=day))

    await own.match(await own.statement(line))

    assert [(rule, state) for rule, state, _ in await own.matches() if "payout" in rule] == [("!payout", "superseded")]
    assert await own.balances("bank", "tolerance_difference", "clearing") == [0, 0, 2 * OWED]
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("by_import", [True, False])
async def test_tentative_match_of_a_line_that_the_complete_statement_states_otherwise_ends(
    own: MatchingFlow, by_import: bool
) -> None:
    """The complete statement has the movement with another text: its line is matched, and the report too."""
    code = await _pay(own, "T1")
    await own.match(await own.statement(own.line(OWED, f"TAM {code}", reference="FT-T1"), is_intraday=True))
    await own.match(await own.report(own.report_row("T1", OWED)))

    complete = await own.statement(own.line(OWED, f"{code} CHINH THUC", reference="FT-T1"))
    await own.match(complete if by_import else None)

    items = (f"payment {OWED}", f"settlement_line {OWED}", f"statement_line {OWED}")
    assert await own.matches() == [("!bank_reference", "superseded", items), ("bank_reference", "live", items)]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_payment_of_a_tentative_line_that_the_complete_statement_lacks_is_open_again(own: MatchingFlow) -> None:
    code = await _pay(own, "T1")
    await own.match(await own.statement(own.line(OWED, f"TAM {code}"), is_intraday=True))

    await own.match(await own.statement(own.line(1_000, "TIEN KHAC")))
    await own.match()

    assert await own.matches() == [("!reference_code", "superseded", (f"payment {OWED}", f"statement_line {OWED}"))]
    assert await own.balances("bank", "clearing") == [0, OWED]
    await assert_books_are_right(own.flow.context.database)
