"""One row of a table's movements: day, amounts, balance, texts, at the columns of a profile."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NoReturn

from billing.reconciliation.domain.running_balance import Amounts
from billing.reconciliation.domain.statement import TEXT_LENGTH_MAX, Counterparty, Place, StatementUnreadable
from billing.reconciliation.formats.cell_values import (
    Cell,
    ValueUnreadable,
    is_day,
    read_day,
    read_dong,
    read_name,
    read_text,
    split_day,
)
from billing.reconciliation.formats.line_collector import ParsedRow
from billing.reconciliation.formats.profile import Profile, Role
from billing.reconciliation.formats.table_head import Columns

_NAME_LENGTH_MAX = 200
_DIGITS = re.compile(r"\d+", re.ASCII)
_CURRENCIES = frozenset({"", "VND", "VNĐ", "704"})


@dataclass(frozen=True, slots=True)
class UndatedAmounts:
    """A row with amounts and without a day, which is no movement under the profile: the total, or a fault.

    `problem` is the reason why the cell of the day is no day; None if it is empty.
    """

    problem: StatementUnreadable | None = None


class RowParser:
    """Parses the rows of one table. Absent columns have the index -1."""

    def __init__(self, profile: Profile, columns: Columns, sheet: str | None) -> None:
        self._rules = profile.rows
        self._columns = columns
        self._sheet = sheet
        self._at = {role: columns.index.get(role, -1) for role in _ROLES}
        self._width = max(columns.index.values()) + 1
        self._reference_in_text = re.compile(profile.rows.reference_in_text) if profile.rows.reference_in_text else None
        self._has_charges = self._at["fee"] >= 0 or self._at["tax"] >= 0
        self._has_parties = any(self._at[role] >= 0 for role in _PARTIES)
        self._day: tuple[date, datetime | None] | None = None
        self.debit_total = 0
        self.credit_total = 0

    def parse(self, number: int, cells: Sequence[Cell]) -> ParsedRow | UndatedAmounts | None:
        """The movement in a row, the amounts of a row without a day, or None for a row of neither.

        Raises StatementUnreadable with the row and the column.
        """
        if len(cells) < self._width:
            cells = [*cells, *[None] * (self._width - len(cells))]
        if self._rules.numbered and not _is_number(cells[self._at["line_number"]]):
            return None
        try:
            dated, reference = self._read_day(cells[self._at["booked_on"]])
        except ValueUnreadable as error:
            problem = StatementUnreadable(str(error), self._place(number, "booked_on"))
            return UndatedAmounts(problem) if self._has_amounts(cells) else None
        amounts = self._amounts(number, cells)
        debit, credit, fee, tax = amounts
        if dated is None and self._rules.undated != "fill_down":
            return UndatedAmounts() if debit or credit else None
        if not (debit or credit or fee or tax):
            return None
        dated = dated or self._day
        if dated is None:
            raise StatementUnreadable("the first row states no day", self._place(number, "booked_on"))
        self._day = dated[0], None
        self.debit_total += abs(debit)
        self.credit_total += abs(credit)
        text = self._text(number, cells, "text", TEXT_LENGTH_MAX)
        value_on = self._value_day(number, cells)
        if self._at["currency"] >= 0 and self._text(number, cells, "currency", 20).upper() not in _CURRENCIES:
            self._refuse(number, "currency", "is not VND; only accounts in đồng are read")
        return ParsedRow(
            row=number,
            booked_on=dated[0],
            value_on=value_on,
            occurred_at=dated[1],
            amounts=amounts,
            balance=self._dong(number, cells, "balance"),
            text=text,
            reference=reference or self._name(number, cells, "reference") or self._find_reference(text),
            counterparty=self._counterparty(number, cells) if self._has_parties else None,
        )

    def is_empty_movement(self, cells: Sequence[Cell]) -> bool:
        """Whether a row has a day, and its columns of amounts are all empty: an amount is missing."""
        padded = [*cells, *[None] * (self._width - len(cells))]
        if not is_day(padded[self._at["booked_on"]]):
            return False
        return all(padded[self._at[role]] is None for role in _AMOUNTS if self._at[role] >= 0)

    def _has_amounts(self, cells: Sequence[Cell]) -> bool:
        """Whether a column of amounts holds one that is not 0."""
        for role in _AMOUNTS:
            try:
                if self._at[role] >= 0 and read_dong(cells[self._at[role]]):
                    return True
            except ValueUnreadable:
                continue
        return False

    def totals(self, cells: Sequence[Cell]) -> tuple[int | None, int | None]:
        """The amounts in the columns debit and credit of a total row; None for one that cannot be read."""
        found: list[int | None] = []
        for role in _TOTALS:
            at = self._at[role]
            try:
                amount = read_dong(cells[at]) if 0 <= at < len(cells) else None
            except ValueUnreadable:
                amount = None
            found.append(None if amount is None else abs(amount))
        return found[0], found[1]

    def _read_day(self, cell: Cell) -> tuple[tuple[date, datetime | None] | None, str | None]:
        if self._rules.reference_after_day and isinstance(cell, str):
            day, rest = split_day(cell)
            if day is None:
                raise ValueUnreadable("begins with no day")
            return (day, None), read_text(rest) or None
        return read_day(cell), None

    def _amounts(self, number: int, cells: Sequence[Cell]) -> Amounts:
        if self._at["amount"] >= 0:
            debit, credit = self._by_mark(number, self._dong(number, cells, "amount") or 0, cells)
        else:
            debit = self._dong(number, cells, "debit") or 0
            credit = self._dong(number, cells, "credit") or 0
        if not self._has_charges:
            return debit, credit, 0, 0
        return debit, credit, self._dong(number, cells, "fee") or 0, self._dong(number, cells, "tax") or 0

    def _by_mark(self, number: int, amount: int, cells: Sequence[Cell]) -> tuple[int, int]:
        """The amount as a debit or a credit, by the column of marks; without that column, as the signed credit."""
        if self._at["mark"] < 0 or not amount:
            return 0, amount
        mark = self._text(number, cells, "mark", 40).upper()
        if mark.startswith(self._rules.debit_marks):
            return amount, 0
        if not mark.startswith(self._rules.credit_marks):
            self._refuse(number, "mark", "is no mark of a debit or a credit that the profile knows")
        return 0, amount

    def _dong(self, number: int, cells: Sequence[Cell], role: Role) -> int | None:
        at = self._at[role]
        if at < 0 or cells[at] is None:
            return None
        try:
            return read_dong(cells[at])
        except ValueUnreadable as error:
            self._refuse(number, role, str(error))

    def _text(self, number: int, cells: Sequence[Cell], role: Role, length_max: int) -> str:
        try:
            text = read_text(cells[self._at[role]])
        except ValueUnreadable as error:
            self._refuse(number, role, str(error))
        if len(text) > length_max:
            self._refuse(number, role, f"has more than {length_max} characters")
        return text

    def _name(self, number: int, cells: Sequence[Cell], role: Role) -> str | None:
        at = self._at[role]
        if at < 0 or cells[at] is None:
            return None
        try:
            name = read_name(cells[at])
        except ValueUnreadable as error:
            self._refuse(number, role, str(error))
        if name is not None and len(name) > _NAME_LENGTH_MAX:
            self._refuse(number, role, f"has more than {_NAME_LENGTH_MAX} characters")
        return name

    def _value_day(self, number: int, cells: Sequence[Cell]) -> date | None:
        at = self._at["value_on"]
        if at < 0:
            return None
        try:
            found = read_day(cells[at])
        except ValueUnreadable as error:
            self._refuse(number, "value_on", str(error))
        return None if found is None else found[0]

    def _find_reference(self, text: str) -> str | None:
        if self._reference_in_text is None:
            return None
        found = self._reference_in_text.search(text)
        return None if found is None else found[found.lastindex or 0]

    def _counterparty(self, number: int, cells: Sequence[Cell]) -> Counterparty | None:
        name = self._name(number, cells, "counterparty_name")
        account = self._name(number, cells, "counterparty_account")
        bank = self._name(number, cells, "counterparty_bank")
        if name is None and account is None and bank is None:
            return None
        return Counterparty(name=name, account=account, bank=bank)

    def _place(self, number: int, role: Role) -> Place:
        return Place(number, self._sheet, self._columns.headings.get(role, role))

    def _refuse(self, number: int, role: Role, problem: str) -> NoReturn:
        raise StatementUnreadable(problem, self._place(number, role))


_PARTIES: tuple[Role, Role, Role] = ("counterparty_name", "counterparty_account", "counterparty_bank")
_TOTALS: tuple[Role, Role] = ("debit", "credit")
_AMOUNTS: tuple[Role, ...] = (*_TOTALS, "amount", "fee", "tax")
_ROLES: tuple[Role, ...] = (
    "line_number", "booked_on", "value_on", "reference", "text", "debit", "credit", "amount", "mark", "fee", "tax",
    "balance", "currency", *_PARTIES,
)  # fmt: skip


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int) or (isinstance(cell, str) and _DIGITS.fullmatch(cell.strip()) is not None)
