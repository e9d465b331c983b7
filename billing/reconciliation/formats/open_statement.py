"""The statements of one file while they are read, in any format: their numbers, equal lines, days and balances.

The readers of tables, MT940 and camt.053 open each statement here, add its lines and close it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from billing.core.money import Dong
from billing.reconciliation.domain.statement import (
    OrdinalCounter,
    Place,
    Statement,
    StatementHead,
    StatementLine,
    StatementUnreadable,
)
from billing.reconciliation.formats.profile import Profile

CURRENCY = "VND"
"""The only currency of the accounts that are read."""

StatementItem = StatementHead | StatementLine | Statement
"""A reader yields for each statement its head, its lines, and the complete statement."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Values from outside of the file, each used only where the file does not state it.

    `opening` is the closing balance of the statement before the first of the file. `profile` is the named layout,
    otherwise the layout is recognised among `profiles`.
    """

    profiles: Sequence[Profile] = ()
    profile: Profile | None = None
    account: str | None = None
    opening: int | None = None

    def check_account(self, stated: str, place: Place) -> None:
        """Raises StatementUnreadable if the file states another account than the named one."""
        if self.account not in (None, stated):
            raise StatementUnreadable("the statement is of another account than the named one", place)


@dataclass(frozen=True, slots=True)
class _Closed:
    statement: Statement
    counter: OrdinalCounter


class OpenStatement:
    """One statement whose lines are read. `opening` is None until it is known; `days` are those of its lines."""

    def __init__(self, head: StatementHead, previous: _Closed | None) -> None:
        self.head = head
        self.opening: int | None = None
        self.line_count = 0
        self.days: tuple[date, date] | None = None
        self.counter = OrdinalCounter()
        self._previous = previous
        self._total = 0

    @property
    def balance(self) -> int:
        """The balance after the lines so far."""
        assert self.opening is not None
        return self.opening + self._total

    def open_with(self, opening: int) -> None:
        """Store the opening balance.

        A statement that continues the balance of the account's statement before continues its ordinals. A statement
        that does not continue it repeats days, and so its lines: they are counted from 1 again.
        """
        self.opening = opening
        if self._previous is not None and self._previous.statement.closing == opening:
            self.counter.continue_from(self._previous.counter)

    def add(self, line: StatementLine) -> StatementLine:
        """The next line, with its ordinal. Raises StatementUnreadable."""
        self.line_count += 1
        self._total += line.amount
        if self.days is None:
            self.days = line.booked_on, line.booked_on
        elif not self.days[0] <= line.booked_on <= self.days[1]:
            self.days = min(self.days[0], line.booked_on), max(self.days[1], line.booked_on)
        return self.counter.number(line)


class StatementFile:
    """The statements of one file: how many began, and the last complete one of each account."""

    def __init__(self) -> None:
        self.count = 0
        self._closed: dict[str, _Closed] = {}

    def open(
        self,
        *,
        profile: str,
        account: str,
        sequence: str | None = None,
        sheet: str | None = None,
        columns: Sequence[str] = (),
    ) -> OpenStatement:
        """Begin the next statement."""
        self.count += 1
        head = StatementHead(
            position=self.count,
            profile=profile,
            bank_account_number=account,
            currency=CURRENCY,
            sequence=sequence,
            sheet=sheet,
            columns=tuple(columns),
        )
        return OpenStatement(head, self._closed.get(account))

    def last_closing(self, account: str) -> int | None:
        """The closing balance of the account's last complete statement in this file; None if there is none."""
        closed = self._closed.get(account)
        return None if closed is None else closed.statement.closing

    def close(self, current: OpenStatement, *, closing: int, days: Iterable[date]) -> Statement:
        """The complete statement. `days` are those that the file states outside of its lines."""
        assert current.opening is not None
        assert current.balance == closing
        head = current.head
        found = [*days, *(current.days or ())]
        statement = Statement(
            position=head.position,
            profile=head.profile,
            bank_account_number=head.bank_account_number,
            currency=head.currency,
            from_day=min(found),
            to_day=max(found),
            opening=Dong(current.opening),
            closing=Dong(closing),
            line_count=current.line_count,
            sequence=head.sequence,
            sheet=head.sheet,
        )
        self._closed[head.bank_account_number] = _Closed(statement, current.counter)
        return statement
