"""What a person has co-paid, and since when they are insured five years: the facts the exemption is decided by.

Told by whoever asked the insurer (`ngayDu5Nam`, `tBNCCTMCCT`) or keeps the visits; never guessed. A visit without a
history is priced without the test. Source: rules B-025, B-027, B-029.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from billing.domain.errors import InvalidValue

ENTRIES_MAX = 1000


@dataclass(frozen=True, slots=True)
class CopayPaid:
    """A co-payment that counts (B-029), two decimals, by the day of discharge."""

    paid_on: date
    amount: Decimal

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or self.amount < 0:
            raise InvalidValue("a co-payment cannot be negative", field="copay_history")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopayHistory:
    """Earlier co-payments of one person; `five_years_on` is when five insured years are full, if known."""

    five_years_on: date | None = None
    paid: tuple[CopayPaid, ...] = ()

    def __post_init__(self) -> None:
        if len(self.paid) > ENTRIES_MAX:
            raise InvalidValue(f"a history has at most {ENTRIES_MAX} entries", field="copay_history")

    def with_paid(self, paid: tuple[CopayPaid, ...]) -> "CopayHistory":
        """The history after a further visit."""
        return replace(self, paid=(*self.paid, *paid))
