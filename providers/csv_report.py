"""A provider's daily report as CSV; each account describes its columns, since no layout is public.

A file is read one line at a time, whatever its size. Amounts are whole đồng; a number that a spreadsheet has changed
(`9.7E+12`) is refused with its line number, never repaired.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from providers.contract import Movement, SettlementLine, SettlementUnreadable
from providers.notices import VIETNAM
from providers.references import without_placeholder

LINE_LENGTH_MAX = 64 * 1024
_SPOILT = re.compile(r"[0-9](?:\.[0-9]+)?[Ee]\+?[0-9]+")
_IDENTIFIER = re.compile(r"[!-~]{1,100}")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:[.,][0-9]{1,2})?")


class ReportColumns(BaseModel):
    """The column of each value, by its heading.

    `paid_statuses` are the values of the column `status` for money in, `refunded_statuses` those for refunds that we
    sent, `reversed_statuses` those for money that the provider took back; lines with another value are left out.
    `paid_out_on` is the day on which the provider pays the line to our bank account. `amount_scale` divides the amounts
    (VNPAY writes đồng times 100).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transaction: str
    amount: str
    reference: str = ""
    fee: str = ""
    status: str = ""
    paid_statuses: frozenset[str] = frozenset()
    refunded_statuses: frozenset[str] = frozenset()
    reversed_statuses: frozenset[str] = frozenset()
    bank_reference: str = ""
    paid_out_on: str = ""
    day_format: str = "%d/%m/%Y"
    occurred_at: str = ""
    timestamp_format: str = "%d/%m/%Y %H:%M:%S"
    delimiter: Literal[",", ";", "|", "\t"] = ","
    thousands: Literal["", ",", "."] = ""
    amount_scale: Literal[1, 100] = 1
    encoding: Literal["utf-8-sig", "utf-16", "windows-1258"] = "utf-8-sig"
    header_line: int = Field(default=1, ge=1, le=50)


def read_report(file: BinaryIO, columns: ReportColumns) -> Iterator[SettlementLine]:
    """The movements of a report, in its order; the whole report is right only if the iteration ends.

    Raises SettlementUnreadable, naming the line, while it is read.
    """
    text = io.TextIOWrapper(file, columns.encoding, newline="")
    try:
        yield from _read_rows(text, columns)
    except UnicodeDecodeError as error:
        raise SettlementUnreadable(f"not in {columns.encoding}") from error
    finally:
        if not file.closed:  # a refusal may leave this iteration open longer than its file
            text.detach()


def _read_rows(text: io.TextIOWrapper, columns: ReportColumns) -> Iterator[SettlementLine]:
    rows = csv.reader(_lines(text), delimiter=columns.delimiter, strict=True)
    reader: _RowReader | None = None
    try:
        for number, row in enumerate(rows, start=1):
            if number < columns.header_line or not any(map(str.strip, row)):
                continue
            if number == columns.header_line:
                reader = _RowReader(row, columns, number)
            elif reader is not None:
                line = reader.read(row, number)
                if line is not None:
                    yield line
    except csv.Error as error:
        raise SettlementUnreadable("no CSV", rows.line_num) from error
    if reader is None:
        raise SettlementUnreadable("the header line is missing")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LINE_LENGTH_MAX):
        if len(line) == LINE_LENGTH_MAX:
            raise SettlementUnreadable(f"a line has more than {LINE_LENGTH_MAX} characters")
        yield line


class _RowReader:
    """Reads the rows below one header line. A column that the settings do not name has the index of an empty cell."""

    def __init__(self, header: Sequence[str], columns: ReportColumns, number: int) -> None:
        names = [cell.strip() for cell in header]

        def place(name: str) -> int:
            if name and names.count(name) != 1:
                raise SettlementUnreadable(f"column {name!r} stands {names.count(name)} times", number)
            return names.index(name) if name else len(names)

        self._columns = columns
        self._width = len(names)
        self._transaction, self._amount = place(columns.transaction), place(columns.amount)
        self._reference, self._fee, self._status = place(columns.reference), place(columns.fee), place(columns.status)
        self._bank_reference = place(columns.bank_reference)
        self._occurred_at, self._paid_out_on = place(columns.occurred_at), place(columns.paid_out_on)
        self._movements = {
            **dict.fromkeys(columns.paid_statuses, Movement.RECEIVED),
            **dict.fromkeys(columns.reversed_statuses, Movement.REVERSED),
            **dict.fromkeys(columns.refunded_statuses, Movement.REFUNDED),
        }
        self._parse_timestamp = _timestamp_parser(columns.timestamp_format)
        self._parse_day = _day_parser(columns.day_format)

    def read(self, row: Sequence[str], number: int) -> SettlementLine | None:
        """The line in a row; None where it moved no money. Raises SettlementUnreadable."""
        if len(row) != self._width:
            raise SettlementUnreadable(f"{len(row)} cells instead of {self._width}", number)
        cells = [cell.strip() for cell in row]
        cells.append("")
        status = cells[self._status]
        # Without a column of states every line is money in, unless the settings name the empty state.
        movement = self._movements.get(status, None if self._columns.status else Movement.RECEIVED)
        if movement is None:
            return None
        transaction = cells[self._transaction]
        if not _IDENTIFIER.fullmatch(transaction) or _SPOILT.fullmatch(transaction):
            raise SettlementUnreadable("no transaction number, or one that a spreadsheet has spoilt", number)
        return SettlementLine(
            number=number,
            transaction=transaction,
            reference=cells[self._reference] or None,
            amount=self._dong(cells[self._amount], number),
            movement=movement,
            occurred_at=self._timestamp(cells[self._occurred_at], number),
            paid_out_on=self._day(cells[self._paid_out_on], number),
            fee=self._dong(cells[self._fee] or "0", number),
            bank_reference=without_placeholder(cells[self._bank_reference]),
            provider_status=status,
        )

    def _dong(self, text: str, number: int) -> int:
        digits = text.replace(self._columns.thousands, "") if self._columns.thousands else text
        if not _AMOUNT.fullmatch(digits):
            raise SettlementUnreadable("an amount that is no number", number)
        if digits.isdecimal() and self._columns.amount_scale == 1:
            return int(digits)
        try:
            amount = Decimal(digits.replace(",", ".")) / self._columns.amount_scale
        except InvalidOperation as error:
            raise SettlementUnreadable("an amount that is no number", number) from error
        if amount != int(amount):
            raise SettlementUnreadable("an amount that is not whole đồng", number)
        return int(amount)

    def _timestamp(self, text: str, number: int) -> datetime | None:
        if not text:
            return None
        try:
            return self._parse_timestamp(text)
        except ValueError as error:
            raise SettlementUnreadable("a timestamp that is not written as agreed", number) from error

    def _day(self, text: str, number: int) -> date | None:
        if not text:
            return None
        try:
            return self._parse_day(text)
        except ValueError as error:
            raise SettlementUnreadable("a day that is not written as agreed", number) from error


_PARTS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2}
"""Digits of the parts of a timestamp that are read by their place."""


def _timestamp_parser(form: str) -> Callable[[str], datetime]:
    """Reads timestamps of a form in Vietnamese time: by the places of its digits where they are fixed, else `strptime`.

    `strptime` takes half of the time of a whole line.
    """

    def parse(text: str) -> datetime:
        return datetime.strptime(text, form).replace(tzinfo=VIETNAM)

    parts = re.findall(r"%.", form)
    if sorted(parts) != sorted(_PARTS):
        return parse
    pattern = re.escape(form)
    for part, digits in _PARTS.items():
        pattern = pattern.replace(re.escape(part), f"(?P<{part[1]}>[0-9]{{{digits}}})")
    find = re.compile(pattern).fullmatch
    year, month, day, hour, minute, second = (parts.index(part) + 1 for part in _PARTS)

    def parse_by_place(text: str) -> datetime:
        found = find(text)
        if found is None:
            return parse(text)
        return datetime(
            int(found[year]), int(found[month]), int(found[day]), int(found[hour]), int(found[minute]),
            int(found[second]), tzinfo=VIETNAM,
        )  # fmt: skip

    return parse_by_place


def _day_parser(form: str) -> Callable[[str], date]:
    """Reads days of a form; a report has few of them."""

    @lru_cache(maxsize=64)
    def parse(text: str) -> date:
        return datetime.strptime(text, form).replace(tzinfo=VIETNAM).date()

    return parse
