"""A provider's daily report as CSV; each account describes its columns, since no layout is public.

The whole file is checked before a line is accepted. Amounts are whole đồng; a number that a spreadsheet has changed
(`9.7E+12`) is refused with its line number, never repaired.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from providers.contract import Movement, SettlementLine, SettlementUnreadable
from providers.notices import VIETNAM
from providers.references import without_placeholder

REPORT_SIZE_MAX = 64 * 1024 * 1024
LINES_MAX = 500_000
_SPOILT = re.compile(r"[0-9](?:\.[0-9]+)?[Ee]\+?[0-9]+")
_IDENTIFIER = re.compile(r"[!-~]{1,100}")


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


def read_report(content: bytes, columns: ReportColumns) -> Sequence[SettlementLine]:
    """The movements of a report, in its order. Raises SettlementUnreadable, naming the line."""
    if len(content) > REPORT_SIZE_MAX:
        raise SettlementUnreadable(f"larger than {REPORT_SIZE_MAX} bytes")
    try:
        text = content.decode(columns.encoding)
    except UnicodeDecodeError as error:
        raise SettlementUnreadable(f"not in {columns.encoding}") from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=columns.delimiter, strict=True)
    header: dict[str, int] = {}
    lines: list[SettlementLine] = []
    try:
        for number, row in enumerate(rows, start=1):
            if number < columns.header_line or not any(cell.strip() for cell in row):
                continue
            if number == columns.header_line:
                header = _header(row, columns, number)
                continue
            line = _line(row, header, columns, number)
            if line is not None:
                lines.append(line)
            if len(lines) > LINES_MAX:
                raise SettlementUnreadable(f"more than {LINES_MAX} lines")
    except csv.Error as error:
        raise SettlementUnreadable("no CSV", rows.line_num) from error
    if not header:
        raise SettlementUnreadable("the header line is missing")
    return lines


def _header(row: Sequence[str], columns: ReportColumns, number: int) -> dict[str, int]:
    names = [cell.strip() for cell in row]
    wanted = {
        columns.transaction,
        columns.amount,
        columns.reference,
        columns.fee,
        columns.status,
        columns.bank_reference,
        columns.occurred_at,
        columns.paid_out_on,
    }
    for name in sorted(wanted - {""}):
        if names.count(name) != 1:
            raise SettlementUnreadable(f"column {name!r} stands {names.count(name)} times", number)
    return {name: position for position, name in enumerate(names)}


def _line(row: Sequence[str], header: Mapping[str, int], columns: ReportColumns, number: int) -> SettlementLine | None:
    if len(row) != len(header):
        raise SettlementUnreadable(f"{len(row)} cells instead of {len(header)}", number)

    def cell(name: str) -> str:
        return row[header[name]].strip() if name else ""

    status = cell(columns.status)
    movement = _movement(status, columns)
    if movement is None:
        return None
    transaction = cell(columns.transaction)
    if not _IDENTIFIER.fullmatch(transaction) or _SPOILT.fullmatch(transaction):
        raise SettlementUnreadable("no transaction number, or one that a spreadsheet has spoilt", number)
    return SettlementLine(
        number=number,
        transaction=transaction,
        reference=cell(columns.reference) or None,
        amount=_dong(cell(columns.amount), columns, number),
        movement=movement,
        occurred_at=_parse_timestamp(cell(columns.occurred_at), columns, number),
        paid_out_on=_parse_day(cell(columns.paid_out_on), columns, number),
        fee=_dong(cell(columns.fee) or "0", columns, number),
        bank_reference=without_placeholder(cell(columns.bank_reference)),
        provider_status=status,
    )


def _movement(status: str, columns: ReportColumns) -> Movement | None:
    """The movement of a line; None for a line that moved no money."""
    if status in columns.refunded_statuses:
        return Movement.REFUNDED
    if status in columns.reversed_statuses:
        return Movement.REVERSED
    return Movement.RECEIVED if not columns.status or status in columns.paid_statuses else None


def _dong(text: str, columns: ReportColumns, number: int) -> int:
    digits = text.replace(columns.thousands, "") if columns.thousands else text
    if not re.fullmatch(r"[0-9]{1,15}(?:[.,][0-9]{1,2})?", digits):
        raise SettlementUnreadable("an amount that is no number", number)
    try:
        amount = Decimal(digits.replace(",", ".")) / columns.amount_scale
    except InvalidOperation as error:
        raise SettlementUnreadable("an amount that is no number", number) from error
    if amount != int(amount):
        raise SettlementUnreadable("an amount that is not whole đồng", number)
    return int(amount)


def _parse_timestamp(text: str, columns: ReportColumns, number: int) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, columns.timestamp_format).replace(tzinfo=VIETNAM)
    except ValueError as error:
        raise SettlementUnreadable("a timestamp that is not written as agreed", number) from error


def _parse_day(text: str, columns: ReportColumns, number: int) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, columns.day_format).replace(tzinfo=VIETNAM).date()
    except ValueError as error:
        raise SettlementUnreadable("a day that is not written as agreed", number) from error
