"""The rows of one table as statement lines: stored until the balances fix order and direction, then released.

Memory is bounded: a file that begins with the oldest row is released row by row; a file that begins with the newest
row is released day by day, each day in the order in which it happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.money import Dong
from billing.reconciliation.domain.running_balance import Amounts, DirectionFinder, Signs, is_known
from billing.reconciliation.domain.statement import Counterparty, LineKind, Place, StatementLine, StatementUnreadable
from billing.reconciliation.formats.open_statement import OpenStatement

ROWS_STORED_MAX = 250_000
"""Rows stored until order and directions are known, and rows of one day of a file that begins with the newest row."""


@dataclass(slots=True, kw_only=True)
class ParsedRow:
    """One row of a table with the amounts that it states, before their direction is known."""

    row: int
    booked_on: date
    value_on: date | None
    occurred_at: datetime | None
    amounts: Amounts
    balance: int | None
    text: str
    reference: str | None
    counterparty: Counterparty | None


class LineCollector:
    """Collects the rows of one statement and releases its lines as their direction is known."""

    def __init__(self, statement: OpenStatement, *, closing: int | None) -> None:
        self._statement = statement
        self._sheet = statement.head.sheet
        self._finder = DirectionFinder(sheet=self._sheet, opening=statement.opening, closing=closing)
        self._waiting: list[ParsedRow] = []
        self._day: list[StatementLine] = []
        self._first: tuple[date, datetime | None] | None = None
        self._last: tuple[date, datetime | None] | None = None

    def add(self, row: ParsedRow) -> Sequence[StatementLine]:
        """Compare a row with the balances; returns lines whose direction is now known. Raises StatementUnreadable."""
        self._finder.add(row.amounts, row.balance, row.row)
        self._last = row.booked_on, row.occurred_at
        self._first = self._first or self._last
        decided = self._decide()
        if decided is not None and not self._waiting and is_known(row.amounts, decided[1]):
            return self._release(row, *decided)
        self._waiting.append(row)
        released = [] if decided is None else self._release_waiting(*decided)
        if len(self._waiting) > ROWS_STORED_MAX:
            raise StatementUnreadable(
                f"{ROWS_STORED_MAX:,} rows do not prove which column is money in; export an edition with a balance in"
                " every row",
                Place(row.row, self._sheet),
            )
        return released

    def finish(
        self, *, opening: int | None, closing: int | None, known_opening: int | None
    ) -> tuple[list[StatementLine], Dong]:
        """The lines that were not released yet, and the closing balance. Raises StatementUnreadable.

        `known_opening`, the closing balance of the statement before, is used only where the file states too little.
        """
        by_time = self._is_newest_first_by_time()
        try:
            directions = self._finder.finish(opening=opening, closing=closing, is_newest_first_by_time=by_time)
        except StatementUnreadable:
            if known_opening is None or opening is not None:
                raise
            directions = self._finder.finish(opening=known_opening, closing=closing, is_newest_first_by_time=by_time)
        if self._statement.opening is None:
            self._statement.open_with(directions.opening)
        lines = self._release_waiting(directions.is_newest_first, directions.signs)
        lines += self._close_day()
        return lines, directions.closing

    def _decide(self) -> tuple[bool, Signs] | None:
        """Order and signs as soon as lines may be released: the oldest line is numbered after the balance before it.

        Under the other order the oldest day is released by `finish`, when the opening balance is known.
        """
        decided = self._finder.decided
        if decided is None or decided[0] or self._statement.opening is not None:
            return decided
        opening = self._finder.opening
        if opening is None:
            return None
        self._statement.open_with(opening)
        return decided

    def _is_newest_first_by_time(self) -> bool | None:
        if self._first is None or self._last is None:
            return None
        if self._first[0] != self._last[0]:
            return self._first[0] > self._last[0]
        if self._first[1] is None or self._last[1] is None or self._first[1] == self._last[1]:
            return None
        return self._first[1] > self._last[1]

    def _release_waiting(self, is_newest_first: bool, signs: Signs) -> list[StatementLine]:
        done = 0
        for row in self._waiting:
            if not is_known(row.amounts, signs):
                break
            done += 1
        ready, self._waiting = self._waiting[:done], self._waiting[done:]
        return [line for row in ready for line in self._release(row, is_newest_first, signs)]

    def _release(self, row: ParsedRow, is_newest_first: bool, signs: Signs) -> list[StatementLine]:
        lines = lines_of_row(row, signs, self._sheet)
        if not is_newest_first:
            return [self._statement.add(line) for line in lines]
        is_day_over = self._day and self._day[0].booked_on != row.booked_on
        closed = self._close_day() if is_day_over else []
        if len(self._day) >= ROWS_STORED_MAX:
            raise StatementUnreadable(
                f"the file begins with the newest row and has more than {ROWS_STORED_MAX:,} rows in a day; sort it by"
                " day, the oldest first",
                Place(row.row, self._sheet),
            )
        self._day += reversed(lines)
        return closed

    def _close_day(self) -> list[StatementLine]:
        lines, self._day = [self._statement.add(line) for line in reversed(self._day)], []
        return lines


def lines_of_row(row: ParsedRow, signs: Signs, sheet: str | None) -> list[StatementLine]:
    """The movement of a row, then its fee and its tax: one row is up to three lines, in the order of their balances.

    Interest in the column of fees is money in and is a movement. Source: docs/reference/statements.md, Techcombank.
    """
    debit, credit, fee, tax = row.amounts
    movement = debit * signs[0] + credit * signs[1]
    if not fee and not tax:
        return [_line(row, movement, LineKind.MOVEMENT, row.balance, sheet)]
    fee, tax = fee * signs[2], tax * signs[3]
    kinds = (
        (movement, LineKind.MOVEMENT, fee + tax),
        (fee, LineKind.FEE if fee < 0 else LineKind.MOVEMENT, tax),
        (tax, LineKind.TAX, 0),
    )
    return [
        _line(row, amount, kind, None if row.balance is None else row.balance - later, sheet)
        for amount, kind, later in kinds
        if amount
    ]


def _line(row: ParsedRow, amount: int, kind: LineKind, balance: int | None, sheet: str | None) -> StatementLine:
    return StatementLine(
        row=row.row,
        sheet=sheet,
        booked_on=row.booked_on,
        value_on=row.value_on,
        occurred_at=row.occurred_at,
        amount=Dong(amount),
        balance=None if balance is None else Dong(balance),
        text=row.text,
        bank_reference=row.reference,
        counterparty=row.counterparty,
        kind=kind,
    )
