"""Tables that people and banks changed: read right, or refused with sheet, row and column."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from billing.reconciliation.domain.statement import StatementLine, StatementUnreadable, line_key
from billing.reconciliation.formats.cell_values import is_day
from billing.reconciliation.formats.profile import shipped_profiles
from billing.reconciliation.formats.table_head import find_columns
from tests.reconciliation.formats.bank_samples import (
    ACCOUNT,
    MOVEMENTS,
    OPENING,
    SAMPLES,
    SECOND_ACCOUNT,
    generic,
    vib,
    vietcombank_cashup,
)
from tests.reconciliation.formats.reading import read
from tests.reconciliation.formats.statement_files import (
    Rows,
    Sheet,
    Value,
    as_csv,
    as_html,
    as_xls,
    as_xlsx,
)

EVERY_BYTE = ("vib", "generic")
UNMARKED = "generic"
"""The only layout without a mark of its end."""


def moved(sheet: Sheet) -> list[int]:
    """The numbers of the rows with movements, counted from 0."""
    texts = {move.text for move in MOVEMENTS}
    return [at for at, row in enumerate(sheet.rows) if any(text in str(cell) for cell in row for text in texts)]


def filled_down(sheet: Sheet) -> Sheet:
    """The sheet with the days of merged and blank cells written into every row."""
    rows = [list(row) for row in sheet.rows]
    for before, at in zip(moved(sheet), moved(sheet)[1:], strict=False):
        for column in (0, 1):
            if not rows[at][column] and is_day(rows[before][column]):
                rows[at][column] = rows[before][column]
    return replace(sheet, rows=rows, merged=())


def with_rows(sheet: Sheet, numbers: list[int]) -> Sheet:
    """The sheet with other rows, by their numbers, in place of its movements."""
    first, last = moved(sheet)[0], moved(sheet)[-1]
    rows = [*sheet.rows[:first], *[sheet.rows[at] for at in numbers], *sheet.rows[last + 1 :]]
    return replace(sheet, rows=rows, merged=())


def keys(lines: list[StatementLine]) -> set[object]:
    return {line_key(ACCOUNT, line) for line in lines}


def with_cell(sheet: Sheet, row: int, column: int, value: Value) -> Sheet:
    rows = [list(each) for each in sheet.rows]
    rows[row][column] = value
    return replace(sheet, rows=rows)


@pytest.mark.parametrize("profile", SAMPLES)
def test_rows_in_reversed_order_are_the_same_statement(profile: str) -> None:
    sheet = filled_down(SAMPLES[profile]())
    expected = read(as_xlsx(sheet))[0]

    found = read(as_xlsx(with_rows(sheet, moved(sheet)[::-1])))[0]

    assert (found.whole.opening, found.whole.closing) == (expected.whole.opening, expected.whole.closing)
    assert keys(found.lines) == keys(expected.lines)


@pytest.mark.parametrize(
    "profile", [name for name, profile in shipped_profiles().items() if "debit" in profile.columns]
)
def test_swapped_headings_of_debit_and_credit_change_no_amount(profile: str) -> None:
    sheet = SAMPLES[profile]()
    head, columns = next(
        (at, found)
        for at, row in enumerate(sheet.rows)
        if (found := find_columns(shipped_profiles()[profile], (at, row), None)) is not None
    )
    debit, credit = columns.index["debit"], columns.index["credit"]
    swapped = with_cell(with_cell(sheet, head, debit, sheet.rows[head][credit]), head, credit, sheet.rows[head][debit])
    expected = read(as_xlsx(sheet))[0]

    found = read(as_xlsx(swapped))[0]

    assert found.amounts == expected.amounts
    assert found.whole.closing == expected.whole.closing


@pytest.mark.parametrize("gone", range(len(MOVEMENTS)))
@pytest.mark.parametrize("profile", SAMPLES)
def test_missing_row_is_refused(profile: str, gone: int) -> None:
    sheet = filled_down(SAMPLES[profile]())
    rows = moved(sheet)
    content = as_xlsx(with_rows(sheet, [at for number, at in enumerate(rows) if number != gone]))
    if profile == UNMARKED and gone in (0, len(MOVEMENTS) - 1):
        [found] = read(content)
        assert len(found.lines) == len(MOVEMENTS) - 1
        return

    with pytest.raises(StatementUnreadable):
        read(content)


@pytest.mark.parametrize("profile", SAMPLES)
def test_doubled_row_is_refused(profile: str) -> None:
    sheet = filled_down(SAMPLES[profile]())
    rows = moved(sheet)

    with pytest.raises(StatementUnreadable):
        read(as_xlsx(with_rows(sheet, [*rows[:2], *rows[1:]])))


@pytest.mark.parametrize("profile", SAMPLES)
def test_changed_amount_is_refused_with_its_sheet(profile: str) -> None:
    sheet = SAMPLES[profile]()
    row = next(at for at in moved(sheet) if any(MOVEMENTS[2].text in str(cell) for cell in sheet.rows[at]))
    column = next(at for at, cell in enumerate(sheet.rows[row]) if str(cell).removeprefix("+ ").startswith("120"))

    with pytest.raises(StatementUnreadable) as refused:
        read(as_xlsx(with_cell(sheet, row, column, "120,001")))

    assert refused.value.place.row is not None
    assert refused.value.place.sheet == sheet.name


@pytest.mark.parametrize("profile", SAMPLES)
def test_table_cut_at_any_row_is_refused_or_whole(profile: str) -> None:
    sheet = SAMPLES[profile]()
    whole = read(as_csv(sheet))[0]

    for length in range(len(sheet.rows)):
        try:
            found = read(as_csv(replace(sheet, rows=sheet.rows[:length])))[0]
        except StatementUnreadable:
            continue
        if profile == UNMARKED:
            assert found.lines == whole.lines[: len(found.lines)]
        else:
            assert found.lines == whole.lines


@pytest.mark.parametrize("profile", SAMPLES)
def test_csv_cut_at_any_byte_is_refused_or_whole(profile: str) -> None:
    content = as_csv(SAMPLES[profile](), "utf-8")
    whole = read(content)[0]
    cuts = range(len(content)) if profile in EVERY_BYTE else range(len(content) - 60, len(content))

    for length in cuts:
        try:
            found = read(content[:length])[0]
        except StatementUnreadable:
            continue
        if profile == UNMARKED:
            assert content[:length].endswith((b"\r", b"\n"))
            assert found.lines == whole.lines[: len(found.lines)]
        else:
            assert found.lines == whole.lines


def test_html_cut_at_any_byte_is_refused_or_whole() -> None:
    content = as_html(SAMPLES["agribank"](), "utf-8")
    whole = read(content)[0]

    for length in range(0, len(content), 3):
        try:
            found = read(content[:length])[0]
        except StatementUnreadable:
            continue
        assert found.lines == whole.lines


@pytest.mark.parametrize("writer", [as_xls, as_xlsx])
def test_workbook_cut_anywhere_is_refused(writer: Callable[[Sheet], bytes]) -> None:
    content = writer(vib())

    for length in range(0, len(content), 61):
        with pytest.raises(StatementUnreadable):
            read(content[:length])


def test_hidden_sheet_is_read() -> None:
    notes = Sheet([["Ghi chú"], ["In ngày", "02/01/2026"]], "Notes")
    hidden = replace(vib(), is_hidden=True)

    for content in (as_xlsx(notes, hidden), as_xls(notes, hidden)):
        [found] = read(content)
        assert (found.whole.sheet, len(found.lines)) == (hidden.name, len(MOVEMENTS))


def test_each_sheet_is_a_statement_of_its_account() -> None:
    other = Sheet([[str(cell).replace(ACCOUNT, SECOND_ACCOUNT) for cell in row] for row in vib().rows], "Sheet2")

    first, second = read(as_xls(vib(), other))

    assert [first.whole.bank_account_number, second.whole.bank_account_number] == [ACCOUNT, SECOND_ACCOUNT]
    assert [second.whole.position, second.whole.sheet] == [2, "Sheet2"]


def test_sheet_with_movements_and_unknown_headings_refuses_the_file() -> None:
    other = with_cell(replace(vib(), name="Other"), 3, 6, "Còn lại")

    with pytest.raises(StatementUnreadable, match="sheet “Other”, row 4: as headings of profile"):
        read(as_xls(vib(), other))


def test_second_account_without_headings_refuses_the_file() -> None:
    rows = vietcombank_cashup().rows
    headings = next(at for at, row in enumerate(rows) if row[0] == "STT")
    again = [*rows[:headings], *rows[headings + 1 :]]

    with pytest.raises(StatementUnreadable, match="no headings above it"):
        read(as_xls(Sheet([*rows, *again], "VCBACCOUNTDETAIL")))


@pytest.mark.parametrize(("value", "is_exact"), [(2**53 - 1, True), (2**53, False), (2.0**60, False)])
def test_numeric_cell_that_is_not_exact_is_refused(value: float, is_exact: bool) -> None:
    sheet = with_cell(generic(), 3, 1, value)

    for content in (as_xlsx(sheet), as_xls(sheet)):
        if is_exact:
            assert read(content)[0].lines[1].bank_reference == str(value)
            continue
        with pytest.raises(StatementUnreadable, match="row 4, column “Số tham chiếu”: is a number of 2⁵³"):
            read(content)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        (0, "31/02/2026", "column “Ngày giao dịch”: is no day"),
        (1, "9.7E+12", "column “Số tham chiếu”: was shortened"),
        (2, "12.5", "column “Ghi nợ”: has decimals"),
        (2, "12,34,5", "column “Ghi nợ”: is no amount"),
        (2, "#REF!", "column “Ghi nợ”: is no amount"),
        (2, date(2026, 1, 1), "column “Ghi nợ”: is a day"),
        (4, "9.7E+12", "column “Số dư”: was shortened"),
        (4, "10.000.000.000.000.000", "column “Số dư”: is above"),
        (5, "x" * 4_500, "column “Mô tả”: has more than 4000"),
    ],
)
def test_value_that_its_column_does_not_allow_is_refused(column: int, value: Value, reason: str) -> None:
    with pytest.raises(StatementUnreadable, match=f"row 4.*({reason})"):
        read(as_xlsx(with_cell(generic(), 3, column, value)))


def test_text_of_the_total_in_a_narrative_does_not_end_the_rows() -> None:
    sheet = with_cell(generic(), 3, 5, "Tổng cộng tiền viện phí đợt 1")

    assert len(read(as_csv(sheet))[0].lines) == len(MOVEMENTS)


def test_movement_below_the_total_is_refused() -> None:
    sheet = generic()
    rows = [*sheet.rows[:-1], ["", "Tổng", "50,000", "470,000", "", ""], sheet.rows[-1]]

    with pytest.raises(StatementUnreadable, match="row 7: a movement follows the total"):
        read(as_csv(Sheet(rows)))


def test_repeated_headings_of_a_further_page_are_skipped() -> None:
    sheet = generic()

    found = read(as_csv(Sheet([*sheet.rows[:4], sheet.rows[1], *sheet.rows[4:]])))[0]

    assert len(found.lines) == len(MOVEMENTS)


def test_account_that_the_file_does_not_state_is_supplied() -> None:
    content = as_csv(Sheet(generic().rows[1:]))

    assert read(content, account="123456789")[0].whole.bank_account_number == "123456789"
    with pytest.raises(StatementUnreadable, match="row 1: no line above the headings states the number"):
        read(content)
    with pytest.raises(StatementUnreadable, match="another account"):
        read(as_csv(generic()), account="123456789")


def test_opening_balance_that_the_file_does_not_state_is_supplied() -> None:
    content = as_csv(Sheet(generic().rows[:3]))

    assert read(content, opening=OPENING)[0].amounts == [350_000]
    with pytest.raises(StatementUnreadable, match="do not prove"):
        read(content)


def test_supplied_opening_balance_is_that_of_the_first_statement_alone() -> None:
    account, *rows = generic().rows[:3]
    content = as_csv(Sheet([account, *rows, [account[0], SECOND_ACCOUNT], *rows]))

    with pytest.raises(StatementUnreadable, match="row 6: the balances do not prove"):
        read(content, opening=OPENING)


def test_statement_in_another_currency_is_refused() -> None:
    rows: Rows = [["Loại tiền", "USD"], *generic().rows]

    with pytest.raises(StatementUnreadable, match="the account is in USD"):
        read(as_csv(Sheet(rows)))
    with pytest.raises(StatementUnreadable, match="column “Loại tiền”: is not VND"):
        read(as_csv(with_cell(vib(), 4, 5, "USD")))


def test_total_that_is_not_the_sum_of_the_rows_is_refused() -> None:
    sheet = SAMPLES["mb"]()

    with pytest.raises(StatementUnreadable, match=f"row {len(sheet.rows)}: the total is not the sum"):
        read(as_xlsx(with_cell(sheet, -1, 3, "590,001.00")))


def test_text_in_cp1258_is_composed() -> None:
    for line in read(as_csv(generic(), "cp1258"))[0].lines:
        assert unicodedata.is_normalized("NFC", line.text)
        assert line.text in {move.text for move in MOVEMENTS}


def test_file_in_an_unknown_encoding_is_refused() -> None:
    broken = as_csv(generic(), "utf-8").replace("Hoàn".encode(), "Hoàn".encode("latin-1"))

    with pytest.raises(StatementUnreadable, match="neither in UTF-8"):
        read(broken)


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x00\x00", b"PK\x03\x04 no archive", b"\x00\x01\x02\x03" * 9])
def test_file_that_is_no_statement_is_refused(content: bytes) -> None:
    with pytest.raises(StatementUnreadable):
        read(content)


def test_file_of_several_profiles_is_read_by_the_named_one() -> None:
    content = as_csv(Sheet(SAMPLES["vietinbank_efast"]().rows[1:]))

    with pytest.raises(StatementUnreadable):
        read(content)
    assert read(content, profile=shipped_profiles()["vietinbank_efast"])[0].whole.profile == "vietinbank_efast"
