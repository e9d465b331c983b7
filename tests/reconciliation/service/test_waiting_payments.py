"""A payment that waits for its line is not booked again from a line with another amount."""

import pytest

from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def payments(own: MatchingFlow) -> list[int]:
    return [row["amount"] for row in await own.fetch("SELECT amount FROM payment ORDER BY id")]


@pytest.mark.parametrize("difference", [-10_000, 10_000])
@pytest.mark.parametrize("reference", ["FT-T1", "FT-OTHER"])
async def test_line_of_another_amount_under_the_code_is_not_a_second_payment(
    own: MatchingFlow, difference: int, reference: str
) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED + difference, f"{started.code} VIEN PHI", reference))

    run = await own.match()

    assert (run.matches, run.booked) == (0, 0)
    assert await payments(own) == [OWED]
    assert await own.balances("bank", "clearing") == [0, OWED]


async def test_second_transfer_is_booked_once_the_first_has_its_line(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED - 1, f"{started.code} VIEN PHI", "FT-T2"))
    assert (await own.match()).booked == 0

    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))
    run = await own.match()

    assert (run.matches, run.booked) == (2, 1)
    assert await payments(own) == [OWED, OWED - 1]
    assert await own.balances("bank", "clearing") == [2 * OWED - 1, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_report_of_a_payment_that_was_booked_from_its_line_joins_the_match(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.report(own.report_row("T1", OWED))
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))

    run = await own.match()

    assert (run.matches, run.booked) == (2, 1)
    assert await own.matches() == [
        ("bank_confirmed", "live", (f"payment {OWED}", f"settlement_line {OWED}", f"statement_line {OWED}"))
    ]
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize(("transaction", "amount"), [("T2", OWED), ("T1", OWED - 1)], ids=["reference", "amount"])
async def test_report_of_another_movement_does_not_join(own: MatchingFlow, transaction: str, amount: int) -> None:
    started = await own.flow.start_intent()
    await own.report(own.report_row(transaction, amount))
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))

    await own.match()

    assert await own.matches() == [("bank_confirmed", "live", (f"payment {OWED}", f"statement_line {OWED}"))]
