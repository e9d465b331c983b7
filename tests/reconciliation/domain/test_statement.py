"""A line is recognised by all of its values; equal lines of a day are numbered."""

from dataclasses import replace
from datetime import date

import pytest

from billing.core.errors import InvalidValue
from billing.core.money import Dong
from billing.reconciliation.domain.statement import (
    LineKind,
    OrdinalCounter,
    Place,
    StatementLine,
    StatementUnreadable,
    line_key,
)

LINE = StatementLine(
    row=7,
    sheet=None,
    booked_on=date(2026, 1, 2),
    value_on=None,
    occurred_at=None,
    amount=Dong(350_000),
    balance=Dong(10_350_000),
    text="Viện phí HPB7K2 QF9XA",
    bank_reference="FT26002000001",
    counterparty=None,
    kind=LineKind.MOVEMENT,
)


@pytest.mark.parametrize(
    "other",
    [
        replace(LINE, row=99, sheet="S", balance=None),
        replace(LINE, text="VIEN PHI HPB7K2QF9XA"),
        replace(LINE, value_on=date(2026, 1, 3)),
    ],
)
def test_another_edition_of_a_line_has_its_key(other: StatementLine) -> None:
    assert line_key("17", other) == line_key("17", LINE)


@pytest.mark.parametrize(
    "other",
    [
        replace(LINE, amount=Dong(-350_000)),
        replace(LINE, booked_on=date(2026, 1, 3)),
        replace(LINE, text="Viện phí HPB7K2QF9XB"),
        replace(LINE, bank_reference=None),
        replace(LINE, kind=LineKind.FEE),
        replace(LINE, ordinal=2),
    ],
)
def test_another_line_has_another_key(other: StatementLine) -> None:
    assert line_key("17", other) != line_key("17", LINE)


def test_line_of_another_account_has_another_key() -> None:
    assert line_key("17", LINE) != line_key("18", LINE)


def test_equal_lines_of_a_day_are_numbered() -> None:
    counter = OrdinalCounter()
    tomorrow = replace(LINE, booked_on=date(2026, 1, 3))

    numbered = [counter.number(each) for each in (LINE, replace(LINE, amount=Dong(1)), LINE, tomorrow, LINE)]

    assert [each.ordinal for each in numbered] == [1, 1, 2, 1, 3]
    assert len({line_key("17", each) for each in numbered}) == 5


def test_days_that_are_over_are_counted_on() -> None:
    counter = OrdinalCounter()
    lines = [replace(LINE, amount=Dong(amount)) for amount in range(1, 1_500)]
    for each in (*lines, lines[7]):
        counter.number(each)
    ordinals = []
    for day in (3, 4):
        counter.number(replace(LINE, booked_on=date(2026, 1, day)))
        again = [*lines[5:9], replace(LINE, amount=Dong(9_000))]
        ordinals.append([counter.number(each).ordinal for each in again])
        for each in lines[100:1_200]:
            counter.number(each)
    last = [counter.number(lines[number]).ordinal for number in (0, 5, 7, 100, 1_300)]

    assert ordinals == [[2, 2, 3, 2, 1], [3, 3, 4, 3, 2]]
    assert last == [2, 4, 5, 4, 2]


def test_amounts_of_one_and_two_dong_out_are_no_equal_lines() -> None:
    counter = OrdinalCounter()

    assert [counter.number(replace(LINE, amount=Dong(amount))).ordinal for amount in (-1, -2)] == [1, 1]


def test_counter_drops_old_days_and_refuses_to_go_back_to_them() -> None:
    counter = OrdinalCounter(keys_max=1)
    for day in (2, 3, 4):
        counter.number(replace(LINE, booked_on=date(2026, 1, day)))
        counter.number(replace(LINE, booked_on=date(2026, 1, day), amount=Dong(5)))

    with pytest.raises(StatementUnreadable, match="row 7: this line goes back"):
        counter.number(LINE)


def test_line_without_amount_is_no_line() -> None:
    with pytest.raises(InvalidValue):
        replace(LINE, amount=Dong(0))


def test_refusal_names_the_place() -> None:
    refusal = StatementUnreadable("is no amount", Place(4, "Sheet1", "Ghi có"))

    assert refusal.detail == "sheet “Sheet1”, row 4, column “Ghi có”: is no amount"
    assert refusal.code == "statement_unreadable"
