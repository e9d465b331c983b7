"""Order and direction follow from the balances, whatever the headings state; a contradiction names its row."""

import pytest

from billing.reconciliation.domain.running_balance import Amounts, DirectionFinder, Directions
from billing.reconciliation.domain.statement import StatementUnreadable

Row = tuple[Amounts, int | None]
DAY: list[Row] = [
    ((0, 350, 0, 0), 10_350),
    ((50, 0, 0, 0), 10_300),
    ((0, 20, 0, 0), 10_320),
]


def find(
    rows: list[Row],
    *,
    opening: int | None = None,
    closing: int | None = None,
    by_time: bool | None = None,
) -> Directions:
    finder = DirectionFinder(sheet="Sheet1")
    for number, (amounts, balance) in enumerate(rows, start=5):
        finder.add(amounts, balance, number)
    return finder.finish(opening=opening, closing=closing, is_newest_first_by_time=by_time)


def swapped(rows: list[Row]) -> list[Row]:
    return [((credit, debit, fee, tax), balance) for (debit, credit, fee, tax), balance in rows]


def test_oldest_row_first() -> None:
    assert find(DAY) == Directions(False, (-1, 1, 0, 0), 10_000, 10_320)


def test_newest_row_first() -> None:
    assert find(DAY[::-1]) == Directions(True, (-1, 1, 0, 0), 10_000, 10_320)


def test_swapped_headings_change_the_signs() -> None:
    assert find(swapped(DAY)) == Directions(False, (1, -1, 0, 0), 10_000, 10_320)


def test_swapped_headings_and_newest_row_first() -> None:
    assert find(swapped(DAY)[::-1]) == Directions(True, (1, -1, 0, 0), 10_000, 10_320)


def test_negative_debits_keep_their_sign() -> None:
    rows: list[Row] = [((-amounts[0], *amounts[1:]), balance) for amounts, balance in DAY]

    assert find(rows).signs == (1, 1, 0, 0)


def test_fee_and_tax_of_a_row_are_part_of_its_balance() -> None:
    rows: list[Row] = [((0, 0, 0, 0), 1_000), ((500, 0, 20, 2), 478), ((0, 100, 0, 0), 578)]

    assert find(rows).signs == (-1, 1, -1, -1)


def test_first_row_gets_its_sign_from_the_other_column() -> None:
    rows: list[Row] = [((70, 0, 0, 0), 930), ((0, 100, 0, 0), 1_030), ((0, 50, 0, 0), 1_080)]

    assert find(rows) == Directions(False, (-1, 1, 0, 0), 1_000, 1_080)


def test_single_row_has_its_sign_from_the_opening_balance() -> None:
    assert find([((0, 100, 0, 0), 900)], opening=1_000).signs == (0, -1, 0, 0)


def test_single_row_without_opening_balance_is_refused() -> None:
    with pytest.raises(StatementUnreadable, match="row 5: the balances do not prove"):
        find([((0, 100, 0, 0), 900)])


def test_rows_without_balances_have_their_signs_from_the_ends() -> None:
    rows: list[Row] = [((0, 350, 0, 0), None), ((50, 0, 0, 0), None)]

    assert find(rows, opening=1_000, closing=1_300) == Directions(False, (-1, 1, 0, 0), 1_000, 1_300)
    assert find(rows, opening=1_300, closing=1_000) == Directions(False, (1, -1, 0, 0), 1_300, 1_000)


def test_rows_without_any_balance_are_refused() -> None:
    with pytest.raises(StatementUnreadable):
        find([((0, 350, 0, 0), None)], opening=1_000)


def test_balance_of_the_last_row_of_a_day_confirms_the_rows_before_it() -> None:
    rows: list[Row] = [((0, 10, 0, 0), 110), ((0, 20, 0, 0), None), ((5, 0, 0, 0), 125), ((0, 1, 0, 0), 126)]

    assert find(rows) == Directions(False, (-1, 1, 0, 0), 100, 126)


def test_missing_row_is_refused_with_the_row_after_it() -> None:
    with pytest.raises(StatementUnreadable, match="sheet “Sheet1”, row 8: the balance of this row"):
        find([*DAY, ((0, 20, 0, 0), 10_350)])


@pytest.mark.parametrize(("opening", "closing"), [(10_001, None), (None, 10_321), (10_000, 10_300)])
def test_ends_that_contradict_the_rows_are_refused(opening: int | None, closing: int | None) -> None:
    with pytest.raises(StatementUnreadable, match="do not lead from the stated opening balance"):
        find(DAY, opening=opening, closing=closing)


def test_order_that_the_balances_leave_open_follows_the_days() -> None:
    rows: list[Row] = [((0, 100, 0, 0), 100), ((100, 0, 0, 0), 0)]

    assert find(rows, by_time=False) == Directions(False, (-1, 1, 0, 0), 0, 0)
    assert find(rows, by_time=True) == Directions(True, (-1, 1, 0, 0), 100, 100)
    with pytest.raises(StatementUnreadable, match="do not prove"):
        find(rows)


def test_finder_decides_as_soon_as_one_answer_is_left() -> None:
    finder = DirectionFinder()

    finder.add((0, 350, 0, 0), 10_350, 1)
    assert finder.decided is None
    finder.add((50, 0, 0, 0), 10_300, 2)
    assert finder.decided == (False, (-1, 0, 0, 0))


def test_statement_without_rows_opens_and_closes_with_one_balance() -> None:
    assert find([], closing=5) == Directions(False, (0, 0, 0, 0), 5, 5)
    with pytest.raises(StatementUnreadable):
        find([], opening=5, closing=6)
    with pytest.raises(StatementUnreadable):
        find([])
