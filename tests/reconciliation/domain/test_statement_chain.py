"""Each statement of an account opens with the balance that closed the one before it; gaps and overlaps are named."""

from datetime import date

from billing.core.money import Dong
from billing.reconciliation.domain.statement import Statement
from billing.reconciliation.domain.statement_chain import BreakKind, check_chain, days_between


def statement(
    first: int, last: int, opening: int, closing: int, *, account: str = "17", sequence: str | None = None
) -> Statement:
    return Statement(
        position=1,
        profile="generic",
        bank_account_number=account,
        currency="VND",
        from_day=date(2026, 1, first),
        to_day=date(2026, 1, last),
        opening=Dong(opening),
        closing=Dong(closing),
        line_count=1,
        sequence=sequence,
    )


def test_statements_that_follow_each_other_have_no_break() -> None:
    assert check_chain([statement(2, 2, 150, 120), statement(1, 1, 100, 150), statement(5, 6, 120, 130)]) == []


def test_other_balance_is_a_gap_with_its_difference() -> None:
    first, second = statement(1, 1, 100, 150), statement(4, 4, 170, 180)

    [found] = check_chain([first, second])

    assert (found.kind, found.before, found.after, found.difference) == (BreakKind.GAP, first, second, 20)
    assert days_between(found) == 2


def test_shared_days_are_an_overlap() -> None:
    first, second = statement(1, 3, 100, 150), statement(3, 4, 140, 180)

    [found] = check_chain([first, second])

    assert (found.kind, found.before, found.after) == (BreakKind.OVERLAP, first, second)
    assert days_between(found) == 0


def test_every_day_within_a_month_that_was_imported_is_an_overlap() -> None:
    month = statement(1, 30, 0, 90)

    found = check_chain([month, statement(1, 1, 0, 10), statement(2, 2, 10, 30), statement(31, 31, 90, 95)])

    assert [each.kind for each in found] == [BreakKind.OVERLAP, BreakKind.OVERLAP]


def test_statements_of_one_day_are_ordered_by_their_balances() -> None:
    morning, noon, evening = (statement(1, 1, low, low + 10) for low in (0, 10, 20))

    assert check_chain([evening, morning, noon, statement(2, 2, 30, 40)]) == []


def test_same_statement_again_is_an_overlap() -> None:
    assert [each.kind for each in check_chain([statement(1, 1, 0, 10)] * 2)] == [BreakKind.OVERLAP]


def test_numbers_order_statements_of_one_day() -> None:
    found = check_chain([statement(1, 1, 5, 6, sequence="10"), statement(1, 1, 0, 1, sequence="9")])

    assert [(each.before.sequence, each.after.sequence) for each in found] == [("9", "10")]


def test_accounts_have_chains_of_their_own() -> None:
    assert check_chain([statement(1, 1, 0, 10), statement(1, 1, 500, 600, account="18")]) == []
