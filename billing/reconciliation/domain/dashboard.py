"""The numbers of the dashboard of finance: a day next to the same weekday, and what waits.

Source: docs/ux.md, Finance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.ids import ProviderAccountId
from billing.core.money import Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodHour:
    """Payments of one method that were recorded in one hour of a day; `hour` is 0 to 23 in Vietnam."""

    hour: int
    method: str
    count: int
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackLag:
    """Seconds from a payment at the provider to its record here; None without a payment. `slow`: above a minute."""

    p95_s: float | None
    slow: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Open exceptions of all days: how many, their amount in đồng, and when the oldest was opened."""

    count: int
    amount: Dong
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OldDeposits:
    """Deposits that hold money and were opened long ago: how many, and what they hold in đồng."""

    count: int
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedDay:
    """The statement lines without a match at the end of a closed day: their amount in đồng, without sign."""

    day: date
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMoney:
    """The payments of one day."""

    day: date
    rows: Sequence[MethodHour]

    @property
    def amount(self) -> int:
        """All payments, in đồng."""
        return sum(each.amount for each in self.rows)

    @property
    def count(self) -> int:
        """How many payments."""
        return sum(each.count for each in self.rows)

    def of_hour(self, hour: int) -> int:
        """The payments of an hour, in đồng."""
        return sum(each.amount for each in self.rows if each.hour == hour)

    def of_method(self, method: str) -> int:
        """The payments of a method, in đồng."""
        return sum(each.amount for each in self.rows if each.method == method)

    def count_of_method(self, method: str) -> int:
        """How many payments of a method."""
        return sum(each.count for each in self.rows if each.method == method)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """The dashboard of a day, as at `read_at`. `former` is the same weekday of the week before.

    `differences` counts the price differences with the hospital's system that were recorded on the day.
    """

    today: DayMoney
    former: DayMoney
    waiting: Waiting
    lag: CallbackLag
    old_deposits: OldDeposits
    differences: int
    unmatched: Sequence[UnmatchedDay]
    provider_account_ids: frozenset[ProviderAccountId]
    read_at: datetime

    @property
    def change_permille(self) -> int | None:
        """The day against the former one, in tenths of a percent, rounded down; None without a former one."""
        former = self.former.amount
        return None if former == 0 else (self.today.amount - former) * 1000 // former

    @property
    def hours(self) -> Sequence[int]:
        """The hours with a payment on one of the days, and those between."""
        with_money = [each.hour for each in (*self.today.rows, *self.former.rows)]
        return range(min(with_money), max(with_money) + 1) if with_money else ()

    @property
    def methods(self) -> Sequence[str]:
        """The methods of one of the days."""
        return sorted({each.method for each in (*self.today.rows, *self.former.rows)})
