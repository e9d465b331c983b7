"""The three totals of a day: what providers reported, what the bank stated, and what the ledger moved.

`day_result.py` explains the balances at the end of a day. Source: docs/ux.md, Finance; docs/reconciliation.md.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.money import Dong
from billing.ledger.domain.accounts import DayState
from billing.reconciliation.domain.work_list import ReasonCount


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccountName:
    """A bank account of the organization; `names` are the provider accounts that use it."""

    id: UUID
    number: str
    names: tuple[str, ...]

    @property
    def ending(self) -> str:
        """The last digits of the number."""
        return self.number[-3:]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTotal:
    """Payments that providers reported for a day, in đồng; `last_at` is the newest known time of them."""

    count: int
    amount: Dong
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTotal:
    """Statement lines of a day, in đồng; `undecided` are those without a match and with an open or no exception.

    `unsorted` of the undecided lines have no exception yet: the next round of the worker opens it.
    """

    count: int
    received: Dong
    sent: Dong
    matched: int
    by_persons: int
    undecided: int
    undecided_amount: int
    unsorted: int

    @property
    def net(self) -> int:
        """Money in less money out."""
        return self.received - self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class LastImport:
    """The newest statement of a day: when it was imported, and by whom; None for a command or a key of a system."""

    file_name: str
    imported_at: datetime
    person: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLine:
    """The items of one kind in the bridge from ledger to bank: how many, and their sum in đồng."""

    kind: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBridge:
    """The bridge from ledger to bank at the end of a day.

    `residual` is the part that no item explains, in đồng; None where a statement is missing.
    """

    lines: tuple[BridgeLine, ...]
    residual: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOverview:
    """A day of reconciliation. `ledger` is the movement of the bank accounts in the books, in đồng.

    `state` is None for a day without an entry.
    """

    day: date
    state: DayState | None
    provider: ProviderTotal
    bank: BankTotal
    last_import: LastImport | None
    ledger: int
    reasons: tuple[ReasonCount, ...]
    decided_count: int

    @property
    def difference(self) -> int:
        """What the bank moved beyond the ledger."""
        return self.bank.net - self.ledger

    @property
    def is_clean(self) -> bool:
        """Whether money of the bank is all matched, and nothing of the day waits for a person."""
        return self.bank.count > 0 and not (self.bank.undecided or self.reasons or self.difference)
