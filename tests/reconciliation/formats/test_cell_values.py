"""Amounts, days and texts as banks write them."""

import unicodedata
from datetime import date, datetime

import pytest

from billing.core.clock import VIETNAM
from billing.reconciliation.formats.cell_values import (
    Cell,
    ValueUnreadable,
    days_in,
    read_day,
    read_dong,
    read_name,
    read_text,
    split_day,
)
from billing.spreadsheets.cells import CellError


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        (None, None),
        ("", None),
        ("-", None),
        ("0", 0),
        (350_000, 350_000),
        (-5, -5),
        ("350000", 350_000),
        ("350,000", 350_000),
        ("350.000", 350_000),
        ("350 000", 350_000),
        ("350\u00a0000", 350_000),
        ("1,234.00", 1_234),
        ("1.234,00", 1_234),
        ("1234.0", 1_234),
        ("-1,234", -1_234),
        ("−1,234", -1_234),
        ("(150,000)", -150_000),
        ("+ 5,000", 5_000),
        ("- 5,000", -5_000),
        ("3,359,662,231 VND", 3_359_662_231),
        ("1.234 đ", 1_234),
    ],
)
def test_amount_is_read(cell: Cell, amount: int | None) -> None:
    assert read_dong(cell) == amount


@pytest.mark.parametrize(
    "cell",
    ["1,5", "1,234.50", "1.23", "1,23,456", "1,2345", "12a", "1e5", "9.7E+12", "٣", "1" * 17,
     "1" * 5_000, "--5", "(5", "#REF!",
     "1.234,567,890", 10**15 + 1, date(2026, 1, 2), CellError("is broken")],
)  # fmt: skip
def test_text_that_is_no_amount_is_refused(cell: Cell) -> None:
    with pytest.raises(ValueUnreadable):
        read_dong(cell)


@pytest.mark.parametrize(
    ("cell", "day", "time"),
    [
        ("02/01/2026", date(2026, 1, 2), None),
        ("2-1-2026", date(2026, 1, 2), None),
        ("02.01.2026", date(2026, 1, 2), None),
        ("2026-01-02", date(2026, 1, 2), None),
        ("02/01/2026 09:15", date(2026, 1, 2), (9, 15, 0)),
        ("02/01/2026   09:15:30", date(2026, 1, 2), (9, 15, 30)),
        ("2026-01-02T09:15:30", date(2026, 1, 2), (9, 15, 30)),
        (date(2026, 1, 2), date(2026, 1, 2), None),
        (datetime(2026, 1, 2), date(2026, 1, 2), None),
        (datetime(2026, 1, 2, 9, 15), date(2026, 1, 2), (9, 15, 0)),
    ],
)
def test_day_is_read_day_first(cell: Cell, day: date, time: tuple[int, int, int] | None) -> None:
    occurred_at = None if time is None else datetime(2026, 1, 2, *time, tzinfo=VIETNAM)

    assert read_day(cell) == (day, occurred_at)


@pytest.mark.parametrize(
    "cell", ["31/02/2026", "02/13/2026", "02/01/26", "02/01/20261", "today", "02/01/2026 25:00", 45_000]
)
def test_text_that_is_no_day_is_refused(cell: Cell) -> None:
    with pytest.raises(ValueUnreadable):
        read_day(cell)


def test_day_at_the_beginning_of_a_text_is_split_from_the_rest() -> None:
    assert split_day("02/01/2026          5078.12345") == (date(2026, 1, 2), "5078.12345")
    assert split_day("5078.12345") == (None, "5078.12345")
    assert days_in("Từ 02/01/2026 đến 31/01/2026, 32/01/2026") == [date(2026, 1, 2), date(2026, 1, 31)]


def test_text_is_composed_with_single_spaces() -> None:
    decomposed = unicodedata.normalize("NFD", "Viện\n phí  đợt 1")

    assert read_text(decomposed) == "Viện phí đợt 1"
    assert (read_text(None), read_text(12), read_text(date(2026, 1, 2))) == ("", "12", "02/01/2026")


def test_shortened_number_is_no_reference() -> None:
    assert (read_name("FT1E5"), read_name(" "), read_name("1E5")) == ("FT1E5", None, "1E5")
    with pytest.raises(ValueUnreadable):
        read_name("9.7E+12")
