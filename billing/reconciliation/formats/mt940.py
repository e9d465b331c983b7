"""A statement in MT940: its fields are parsed by the library mt-940, one field at a time, so that memory is bounded.

A statement may be paged (`:28C:` 12/1, 12/2 …): the pages are joined, each page opening with the balance that closed
the page before. The sign of an entry follows from its mark alone: RC, the reversal of a credit, lowers the balance. The
sum of the entries must lead from the opening to the closing balance.
Source: SWIFT, MT 940 Customer Statement Message; docs/reference/providers.md, section 10.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from mt940.models import Transactions
from mt940.tags import TAG_BY_ID

from billing.core.money import DONG_MAX, Dong
from billing.reconciliation.domain.statement import (
    TEXT_LENGTH_MAX,
    LineKind,
    Place,
    StatementLine,
    StatementUnreadable,
)
from billing.reconciliation.formats.cell_values import read_text
from billing.reconciliation.formats.mt940_fields import Field, Mt940Message, read_messages
from billing.reconciliation.formats.open_statement import (
    CURRENCY,
    OpenStatement,
    ReadOptions,
    StatementFile,
    StatementItem,
)
from billing.reconciliation.formats.references import read_reference, with_reference

PROFILE = "mt940"
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1}
_AMOUNT = re.compile(r"(\d{1,15}),(\d*)", re.ASCII)
_ACCOUNT = re.compile(r"(?:.*/)?(\d{5,34})(?:\s*(?:VND|[A-Z]{3}))?\s*", re.ASCII)

# The library logs every field that it cannot parse, with its content: its log is switched off (STYLE.md §7).
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class _Balance:
    amount: int
    day: date
    currency: str


def read_mt940(stream: BinaryIO, options: ReadOptions, file: StatementFile) -> Iterator[StatementItem]:
    """The statements of a file. Raises StatementUnreadable with the line of the file."""
    reader = _Reader(options, file)
    for message in read_messages(stream):
        yield from reader.read(message)
    reader.finish()


class _Reader:
    """Joins the pages of statements; knows the statement that is open and the number of its last page."""

    def __init__(self, options: ReadOptions, file: StatementFile) -> None:
        self._options = options
        self._file = file
        self._open: OpenStatement | None = None
        self._page = 0

    def read(self, message: Mt940Message) -> Iterator[StatementItem]:
        account = self._account(message)
        number, page = _number(message)
        opening_field = message.one("60F", "60M")
        opening = _balance(opening_field)
        if opening_field.tag == "60F":
            self.finish()
            current = self._begin(account, number, page, opening, opening_field)
            yield current.head
        else:
            current = self._continue(account, number, page, opening, opening_field)
        self._page = page
        for entry, details in message.entries():
            yield current.add(_line(entry, details))
        closing_field = message.one("62F", "62M")
        closing = _balance(closing_field)
        if closing.amount != current.balance or closing.currency != CURRENCY:
            raise StatementUnreadable(
                "the entries do not lead from the opening to this closing balance; the file is cut or was changed",
                _place(closing_field),
            )
        if closing_field.tag == "62F":
            self._open = None
            yield self._file.close(current, closing=closing.amount, days=[closing.day])

    def finish(self) -> None:
        """Refuse a statement whose last page is missing."""
        if self._open is not None:
            raise StatementUnreadable(
                "the statement has no last page with a final closing balance (:62F:); the file is cut"
            )

    def _account(self, message: Mt940Message) -> str:
        stated = message.one("25", "25P")
        found = _ACCOUNT.fullmatch(stated.value.split("\n")[0])
        if found is None:
            raise StatementUnreadable("is no account number", _place(stated))
        self._options.check_account(found[1], _place(stated))
        return found[1]

    def _begin(self, account: str, number: str | None, page: int, opening: _Balance, field: Field) -> OpenStatement:
        if opening.currency != CURRENCY:
            raise StatementUnreadable("only accounts in VND are read", _place(field))
        if page != 1:
            raise StatementUnreadable("the statement begins with a later page; the file is cut", _place(field))
        self._open = self._file.open(profile=PROFILE, account=account, sequence=number)
        self._open.open_with(opening.amount)
        return self._open

    def _continue(self, account: str, number: str | None, page: int, opening: _Balance, field: Field) -> OpenStatement:
        current = self._open
        if current is None or (current.head.bank_account_number, current.head.sequence) != (account, number):
            raise StatementUnreadable("this page has no first page before it; the file is cut", _place(field))
        if page != self._page + 1 or opening.amount != current.balance:
            raise StatementUnreadable(
                "this page does not continue the page before it; a page is missing", _place(field)
            )
        return current


def _number(message: Mt940Message) -> tuple[str | None, int]:
    """The number of the statement and of the page; a statement without pages is page 1."""
    stated = message.optional("28C", "28")
    if stated is None:
        return None, 1
    groups = _parse(stated, 28)
    return groups["statement_number"], int(groups.get("sequence_number") or 1) or 1


def _balance(stated: Field) -> _Balance:
    groups = _parse(stated, stated.tag if stated.tag in TAG_BY_ID else 60)
    day = _day(stated, groups["year"], groups["month"], groups["day"])
    amount = _dong(stated, stated.value[10:])
    return _Balance(amount if (groups["status"] or "").upper() == "C" else -amount, day, groups["currency"] or "")


def _line(entry: Field, details: Field | None) -> StatementLine:
    groups = _parse(entry, 61)
    value_on = _day(entry, groups["year"], groups["month"], groups["day"])
    booked_on = _entry_day(entry, value_on, groups["entry_month"], groups["entry_day"])
    amount = _dong(entry, groups["amount"] or "") * _SIGNS[(groups["status"] or "").upper()]
    if amount == 0:
        raise StatementUnreadable("the entry has the amount 0", _place(entry))
    details_text = read_text(None if details is None else details.value) or read_text(groups["extra_details"])
    text = with_reference(read_reference(groups["customer_reference"]), details_text)
    if len(text) > TEXT_LENGTH_MAX:
        raise StatementUnreadable(f"the details have more than {TEXT_LENGTH_MAX} characters", _place(entry))
    return StatementLine(
        row=entry.line,
        sheet=None,
        booked_on=booked_on,
        value_on=value_on,
        occurred_at=None,
        amount=Dong(amount),
        balance=None,
        text=text,
        bank_reference=read_reference(groups["bank_reference"]),
        counterparty=None,
        kind=LineKind.MOVEMENT,
    )


def _parse(stated: Field, tag: int | str) -> dict[str, str | None]:
    """The parts of a field by the library's pattern. Raises StatementUnreadable with the line."""
    try:
        groups: dict[str, str | None] = TAG_BY_ID[tag].parse(Transactions(), stated.value)
    except RuntimeError as error:
        raise StatementUnreadable(f"the field :{stated.tag}: cannot be read", _place(stated)) from error
    return groups


def _dong(stated: Field, written: str) -> int:
    found = _AMOUNT.fullmatch(written)
    if found is None or found[2].strip("0"):
        raise StatementUnreadable("the amount is no whole number of đồng with a comma", _place(stated))
    amount = int(found[1])
    if amount > DONG_MAX:
        raise StatementUnreadable(f"the amount is above {DONG_MAX} đồng", _place(stated))
    return amount


def _day(stated: Field, year: str | None, month: str | None, day: str | None) -> date:
    try:
        return date(2000 + int(year or ""), int(month or ""), int(day or ""))
    except ValueError as error:
        raise StatementUnreadable("the day does not exist", _place(stated)) from error


def _entry_day(entry: Field, value_on: date, month: str | None, day: str | None) -> date:
    """The entry day is written without its year: the year that is nearest to the value day."""
    if not (month or "").strip() or not (day or "").strip():
        return value_on
    days = []
    for year in (value_on.year - 1, value_on.year, value_on.year + 1):
        try:
            days.append(date(year, int(month or ""), int(day or "")))
        except ValueError:
            continue
    if not days:
        raise StatementUnreadable("the entry day does not exist", _place(entry))
    return min(days, key=lambda each: abs(each - value_on))


def _place(stated: Field) -> Place:
    return Place(stated.line, None, f":{stated.tag}:")
