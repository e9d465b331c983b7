"""Two statements of the same days in different forms: no money is booked twice.

The very same statement in another form is refused: test_import_statement.py. Here the second one is longer by a day.
"""

from datetime import timedelta

import pytest

from billing.reconciliation.service.import_statement import import_statement
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import SYSTEM, MatchingFlow
from tests.reconciliation.statement_file import Line, statement_csv, statement_file


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def _state_again(own: MatchingFlow, *lines: Line) -> None:
    """Import the first day again, as another export of the bank states it."""
    content = statement_csv(*lines, account=own.flow.hospital.settings.account_number)
    await import_statement(own.flow.context, own.flow.hospital.organization_id, statement_file(content), actor=SYSTEM)


async def test_line_that_another_export_states_differently_is_not_a_second_payment(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))
    await own.match()

    other = own.line(OWED, f"CT DEN: {started.code} VIEN PHI", "000T1")
    await _state_again(own, other, own.line(7_000, "CHUYEN TIEN", "FT-Y", days=1))
    run = await own.match()

    assert run.booked == 0
    assert [row["amount"] for row in await own.fetch("SELECT amount FROM payment")] == [OWED]
    assert await own.balances("bank", "clearing", "patient_credit") == [OWED, 0, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_line_of_the_following_statement_of_the_day_is_booked(own: MatchingFlow) -> None:
    """The second statement continues the first one: both are complete, and its line is further money."""
    started = await own.flow.start_intent()
    await own.statement(own.line(5_000, "CHUYEN TIEN", "FT-X"))
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))

    run = await own.match()

    assert run.booked == 1


async def test_line_that_a_longer_statement_repeats_is_booked(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    paid = own.line(OWED, f"{started.code} VIEN PHI", "FT-T1")
    await own.statement(paid)
    await _state_again(own, paid, own.line(7_000, "CHUYEN TIEN", "FT-Y", days=1))

    assert (await own.match()).booked == 1


async def test_credit_that_another_export_states_differently_is_not_a_second_payout(own: MatchingFlow) -> None:
    """Two payouts of one amount: the second export of the first credit is not the second payout."""
    for number in range(2):
        started = await own.flow.start_intent(f"LK{number}")
        await own.flow.deliver(own.flow.notice(f"T{number}", f"{started.code} VIEN PHI", bank_reference=""))
    credit = own.line(OWED, "THANH TOAN NGAY 1", "PO1")
    await own.report(own.report_row("T0", OWED, paid_out_on=own.today))
    await own.statement(credit)
    await own.match()

    await own.report(own.report_row("T1", OWED, paid_out_on=own.today - timedelta(days=1)))
    await _state_again(own, own.line(OWED, "TT 1", "000PO1"), own.line(7_000, "CHUYEN TIEN", "FT-Y", days=1))
    await own.match()

    assert [rule for rule, _, _ in await own.matches() if rule == "payout"] == ["payout"]
    assert await own.balances("bank", "clearing") == [OWED, OWED]
    await assert_books_are_right(own.flow.context.database)
