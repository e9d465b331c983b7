"""Lines that are equal in all that a file states: each has its own key, and a line that is read again has its key."""

from dataclasses import replace

import pytest

from billing.reconciliation.domain.statement import line_key
from tests.reconciliation.formats.bank_samples import ACCOUNT, MOVEMENTS, generic
from tests.reconciliation.formats.reading import read
from tests.reconciliation.formats.statement_files import Rows, Sheet, as_csv, as_xlsx


def sheet(name: str, *, opening: int, is_newest_first: bool = False) -> Sheet:
    """One payment and two equal fees, without a stated opening balance."""
    rows: Rows = [
        ["02/01/2026", "", "", "350,000", f"{opening + 350_000:,}", "Viện phí"],
        ["02/01/2026", "", "11,000", "", f"{opening + 339_000:,}", "Phí dịch vụ"],
        ["02/01/2026", "", "11,000", "", f"{opening + 328_000:,}", "Phí dịch vụ"],
    ]
    return Sheet([*generic().rows[:2], *(rows[::-1] if is_newest_first else rows)], name)


def test_equal_lines_of_a_day_are_all_read() -> None:
    more: Rows = [
        ["03/01/2026", "", "", "120,000", f"{10_540_000 + count * 120_000:,}", "Viện phí"] for count in (1, 2, 3)
    ]

    lines = read(as_csv(Sheet([*generic().rows, *more])))[0].lines

    assert [line.ordinal for line in lines[-3:]] == [1, 2, 3]
    assert len({line_key(ACCOUNT, line) for line in lines}) == len(MOVEMENTS) + 3


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_sheet_that_continues_the_balance_continues_the_ordinals(is_newest_first: bool) -> None:
    sheets = [
        sheet("Sheet1", opening=100_000, is_newest_first=is_newest_first),
        sheet("Sheet2", opening=428_000, is_newest_first=is_newest_first),
    ]

    first, second = read(as_xlsx(*sheets))

    assert [line.ordinal for line in first.lines] == [1, 1, 2]
    assert [line.ordinal for line in second.lines] == [2, 3, 4]
    assert len({line_key(ACCOUNT, line) for line in [*first.lines, *second.lines]}) == 6


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_sheet_that_repeats_the_rows_counts_them_again(is_newest_first: bool) -> None:
    once = sheet("Sheet1", opening=100_000, is_newest_first=is_newest_first)

    first, second = read(as_xlsx(once, replace(once, name="Sheet2")))

    assert [line_key(ACCOUNT, line) for line in first.lines] == [line_key(ACCOUNT, line) for line in second.lines]
