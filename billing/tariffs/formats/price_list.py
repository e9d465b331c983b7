"""Read a price list from a sheet: find the headings by common names, then read one price per row; report all faults.

Nothing is guessed: a repeated heading, an ambiguous number and a code that lost its zeros are faults with their row.
Rows without code and without price are headings between the rows; they are skipped and counted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import islice

from billing.core.errors import InvalidValue
from billing.core.text import compose, is_garbled, normalize_heading
from billing.spreadsheets.amounts import DecimalMark, read_amount, read_day_text
from billing.spreadsheets.cells import Cell, CellError, SheetRow, SheetUnreadable
from billing.spreadsheets.csv_rows import decode_csv, read_csv
from billing.spreadsheets.guards import TEXT_COLUMN, code_changed, error_in, is_bare_number, is_official, unprotect
from billing.spreadsheets.xlsx_rows import open_xlsx, read_xlsx
from billing.tariffs.domain.tariff import ITEMS_MAX, ListedPrice

_ARCHIVE = b"PK\x03\x04"
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_HEADING_ROWS_MAX = 30
_PRICES = ("insured", "fee", "on_demand")
_HEADINGS: Mapping[str, str] = {
    **dict.fromkeys(
        ("ma dich vu", "ma dv", "ma dvkt", "ma dich vu ky thuat", "ma tuong duong", "ma", "service code", "code"),
        "code",
    ),
    **dict.fromkeys(
        ("ten dich vu", "ten", "ten dv", "ten dvkt", "ten dich vu ky thuat", "service name", "name"), "name"
    ),
    **dict.fromkeys(("don vi", "don vi tinh", "dvt", "unit"), "unit"),
    **dict.fromkeys(
        ("gia bhyt", "gia bao hiem", "gia bao hiem y te", "don gia bhyt", "don gia bh", "insured price"), "insured"
    ),
    **dict.fromkeys(("gia vien phi", "don gia vien phi", "gia thu phi", "gia khong bhyt", "fee price"), "fee"),
    **dict.fromkeys(
        ("gia yeu cau", "gia theo yeu cau", "gia dich vu theo yeu cau", "don gia yeu cau", "on demand price"),
        "on_demand",
    ),
    **dict.fromkeys(
        ("hieu luc tu", "hieu luc tu ngay", "ngay hieu luc", "ngay ap dung", "ap dung tu", "ap dung tu ngay",
         "valid from"), "valid_from"
    ),
}  # fmt: skip
_WORDS: Mapping[str, str] = {
    "code": "mã dịch vụ",
    "name": "tên",
    "unit": "đơn vị",
    "insured": "giá BHYT",
    "fee": "giá viện phí",
    "on_demand": "giá yêu cầu",
    "valid_from": "hiệu lực từ",
}


class SheetFormat(StrEnum):
    """A file format of price lists."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class RowError:
    """One fault of one row: its number in the sheet, our name of the column, and the found value."""

    row: int
    column: str
    why: str
    found: str = ""

    def __str__(self) -> str:
        shown = f" ({self.found})" if self.found else ""
        return f"row {self.row}, {self.column}: {self.why}{shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPriceList:
    """The content of a sheet: prices in order, all faults, the number of heading rows, and the columns not read."""

    prices: tuple[ListedPrice, ...]
    errors: tuple[RowError, ...]
    heading_rows: int
    columns_not_read: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Head:
    row: int
    columns: Mapping[str, int]
    not_read: tuple[str, ...]


def sheet_format(content: bytes) -> SheetFormat:
    """The format of a file by its first bytes; its name is ignored. Raises SheetUnreadable for another format."""
    if content.startswith(_OLD_OFFICE):
        raise SheetUnreadable("this is an old or a protected workbook; save it as XLSX without a password")
    return SheetFormat.XLSX if content.startswith(_ARCHIVE) else SheetFormat.CSV


def read_price_list(
    content: bytes,
    *,
    format: SheetFormat,
    valid_from: date,
    mark: DecimalMark | None = None,
    sheet: str | None = None,
) -> ReadPriceList:
    """Read a whole price list that begins on `valid_from`. Raises SheetUnreadable where no row can be read."""
    if format is SheetFormat.XLSX:
        opened = open_xlsx(content, sheet_name=sheet)
        rows = read_xlsx(opened)
        head = _find_head(rows)
        if head is None:
            raise _no_head()
        if head.row in opened.merged_rows:
            raise SheetUnreadable(
                f"the headings in row {head.row} stand in merged cells; give each column one of its own"
            )
        return _read_rows(rows, head, valid_from, mark, is_csv=False)
    if sheet is not None:
        raise SheetUnreadable("a CSV file has no sheets to name", field="sheet")
    return _read_csv_list(decode_csv(content), valid_from, mark)


def _read_csv_list(text: str, valid_from: date, mark: DecimalMark | None) -> ReadPriceList:
    """Read a CSV list with the separator that finds the headings: a comma or a semicolon."""
    found: list[tuple[str, _Head]] = []
    refusals: list[SheetUnreadable] = []
    for delimiter in ",;":
        try:
            head = _find_head(read_csv(text, delimiter=delimiter))
        except SheetUnreadable as refusal:  # under the wrong separator a text may not even be CSV
            refusals.append(refusal)
        else:
            found += [] if head is None else [(delimiter, head)]
    if len(found) != 1:
        raise refusals[0] if refusals else _no_head()
    [(delimiter, head)] = found
    rows = read_csv(text, delimiter=delimiter)
    return _read_rows(islice(rows, head.row, None), head, valid_from, mark, is_csv=True)


def _no_head() -> SheetUnreadable:
    prices = ", ".join(_WORDS[price] for price in _PRICES)
    return SheetUnreadable(
        f"none of the first {_HEADING_ROWS_MAX} rows has the headings {_WORDS['code']} and one of {prices} in cells of"
        " their own (headings over two rows or in merged cells are not read)"
    )


def _find_head(rows: Iterator[SheetRow]) -> _Head | None:
    """The first row with the headings of a price list; `rows` continues below it."""
    return next((head for row in islice(rows, _HEADING_ROWS_MAX) if (head := _head_of(row)) is not None), None)


def _head_of(row: SheetRow) -> _Head | None:
    columns: dict[str, int] = {}
    not_read: list[str] = []
    twice: str | None = None
    for place, cell in enumerate(row.cells):
        if not isinstance(cell, str):
            continue
        column = _HEADINGS.get(_plain(cell))
        if column is None:
            not_read.append(cell[:60])
        elif column in columns:
            twice = column
        else:
            columns[column] = place
    if "code" not in columns or not any(price in columns for price in _PRICES):
        return None
    if twice is not None:
        raise SheetUnreadable(f"two columns of row {row.number} are headed {_WORDS[twice]}; leave one")
    return _Head(row.number, columns, tuple(not_read))


def _plain(heading: str) -> str:
    """A heading without diacritics, case, brackets and double spaces: `Mã dịch vụ (DVKT)` is `ma dich vu`."""
    return normalize_heading(re.sub(r"\([^)]*\)", " ", heading))


def _read_rows(
    rows: Iterable[SheetRow], head: _Head, valid_from: date, mark: DecimalMark | None, *, is_csv: bool
) -> ReadPriceList:
    prices: list[ListedPrice] = []
    errors: list[RowError] = []
    first_rows: dict[str, int] = {}
    bare: dict[str, int] = {}
    heading_rows = 0
    for row in rows:
        cells = {column: row.cells[place] if place < len(row.cells) else None for column, place in head.columns.items()}
        if all(cells.get(column) is None for column in ("code", *_PRICES)):
            heading_rows += any(cell is not None for cell in row.cells)
            continue
        reader = _RowReader(row.number, cells, valid_from, mark, errors, is_csv=is_csv)
        price = reader.read()
        if price is None:
            continue
        if price.code in first_rows:
            why = f"this code stands in row {first_rows[price.code]} already; leave one of the rows"
            errors.append(RowError(row.number, _WORDS["code"], why, price.code))
            continue
        first_rows[price.code] = row.number
        if not reader.is_marked_text and is_bare_number(price.code):
            bare[price.code] = row.number
        prices.append(price)
        if len(prices) > ITEMS_MAX:
            raise SheetUnreadable(f"a price list has at most {ITEMS_MAX:,} rows")
    prices = _refuse_bare_numbers(prices, bare, errors)
    if not prices and not errors:
        raise SheetUnreadable("there is no row below the headings")
    return ReadPriceList(
        prices=tuple(prices), errors=tuple(errors), heading_rows=heading_rows, columns_not_read=head.not_read
    )


def _refuse_bare_numbers(
    prices: list[ListedPrice], bare: Mapping[str, int], errors: list[RowError]
) -> list[ListedPrice]:
    """Exclude prices of codes of digits only among codes such as 02.1896: they may have been changed to numbers.

    `bare` are the codes of digits only with their rows.
    """
    if not any(is_official(price.code) for price in prices):
        return prices
    why = f"this code is a number among codes with points, so zeros may be lost; {TEXT_COLUMN}"
    errors += [RowError(row, _WORDS["code"], why, code) for code, row in bare.items()]
    errors.sort(key=lambda fault: fault.row)
    return [price for price in prices if price.code not in bare]


class _RowReader:
    """Reads one row and collects all its faults, not only the first."""

    def __init__(
        self,
        number: int,
        cells: Mapping[str, Cell],
        valid_from: date,
        mark: DecimalMark | None,
        errors: list[RowError],
        *,
        is_csv: bool,
    ) -> None:
        self._number = number
        code = cells.get("code")
        self.is_marked_text = not is_csv or (isinstance(code, str) and unprotect(code) != code)
        self._cells = cells
        self._valid_from = valid_from
        self._mark = mark
        self._faults = errors

    def read(self) -> ListedPrice | None:
        before = len(self._faults)
        code = self._code()
        name, unit = self._text("name"), self._text("unit")
        amounts = [self._amount(column) for column in _PRICES]
        self._check_day()
        if len(self._faults) > before:
            return None
        try:
            insured, fee, on_demand = amounts
            return ListedPrice(code=code, name=name, unit=unit, insured=insured, fee=fee, on_demand=on_demand)
        except InvalidValue as refusal:
            column = refusal.field or ""
            how = "; enter đồng with at most 3 decimals" if column in _PRICES else ""
            self._note(column, f"{refusal.detail}{how}", self._shown(column))
            return None

    def _code(self) -> str:
        cell = self._cells.get("code")
        if isinstance(cell, Decimal):
            self._note("code", "the code is a number, so zeros may be lost; format the column as text", str(cell))
            return ""
        if isinstance(cell, date):
            self._note("code", f"the spreadsheet made a day of this code; {TEXT_COLUMN}", cell.isoformat())
            return ""
        code = self._text("code")
        if why := code_changed(code, is_marked_text=self.is_marked_text):
            self._note("code", why, code)
        return code

    def _text(self, column: str) -> str:
        cell = self._cells.get(column)
        if isinstance(cell, CellError):
            self._note(column, cell.why, cell.found)
        elif isinstance(cell, (Decimal, date)):
            return str(cell)
        elif cell is not None:
            text = compose(" ".join(unprotect(cell).split()))
            if why := error_in(text):
                self._note(column, why, text)
            elif is_garbled(cell):
                self._note(column, "this text was saved in another encoding; save the file as “CSV UTF-8”", text)
            return text
        return ""

    def _amount(self, column: str) -> Decimal | None:
        cell = self._cells.get(column)
        if cell is None or isinstance(cell, Decimal):
            if cell is not None and cell < 0:
                self._note(column, "a price is not below 0; enter what one unit costs", str(cell))
            return cell
        if isinstance(cell, CellError):
            self._note(column, cell.why, cell.found)
        elif isinstance(cell, str):
            text = unprotect(cell)
            if why := error_in(text):
                self._note(column, why, text)
                return None
            try:
                return read_amount(text, self._mark)
            except InvalidValue as refusal:
                self._note(column, refusal.detail, cell)
        else:
            self._note(column, "a day is no price; format the column as number and enter it again", cell.isoformat())
        return None

    def _check_day(self) -> None:
        """Check the first day of a row's price, if stated; a later day than the list's belongs in a later list."""
        cell = self._cells.get("valid_from")
        if cell is None:
            return
        if isinstance(cell, CellError):
            self._note("valid_from", cell.why, cell.found)
            return
        try:
            day = cell if isinstance(cell, date) else read_day_text(unprotect(cell)) if isinstance(cell, str) else None
        except InvalidValue as refusal:
            self._note("valid_from", refusal.detail, str(cell))
            return
        if day is None:
            self._note("valid_from", "this is no day; enter it as 01/07/2026", str(cell))
        elif day > self._valid_from:
            why = f"this price begins after the list ({self._valid_from.isoformat()}): import it in a later list"
            self._note("valid_from", why, day.isoformat())

    def _shown(self, column: str) -> str:
        cell = self._cells.get(column)
        return "" if cell is None or isinstance(cell, CellError) else str(cell)

    def _note(self, column: str, why: str, found: str = "") -> None:
        self._faults.append(RowError(self._number, _WORDS.get(column, "row"), why, found[:80]))
