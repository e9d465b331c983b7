"""The co-payments of a person and the day of five insured years: the facts that decide the exemption.

Supplied by a system that queried the insurer (`ngayDu5Nam`, `tBNCCTMCCT`) or stores the visits; never guessed. A visit
without a history is priced without the test. Source: docs/reference/bhyt.md, rules B-025, B-027, B-029.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from billing.core.errors import InvalidValue

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
class CumulativeCopay:
    """One row of the gateway's co-payment query, with the time of discharge as sortable text.

    `accumulated` [tBNCCTLuyKe] is the sum of the calendar year up to and including this row; `counted` [tBNCCTMCCT] is
    the part of the row that counts, None where it was not supplied.
    """

    discharged_on: date
    order: str
    accumulated: Decimal
    counted: Decimal | None = None


def difference(rows: Iterable[CumulativeCopay]) -> tuple[CopayPaid, ...]:
    """The co-payment that each row adds to its calendar year, in order of discharge: sums are differenced, never added.

    The first row of a year includes all earlier co-payments of the year. Raises InvalidValue for a sum that decreases
    inside a year, or that grows by less than the part of its row that counts.
    Source: letter 1839/CNTT-PM of 2026-08-18, TraCuuTienMCCT (B-029).
    """
    paid: list[CopayPaid] = []
    before: dict[int, Decimal] = {}
    for row in sorted(rows, key=lambda row: (row.discharged_on, row.order, row.accumulated)):
        earlier = before.get(row.discharged_on.year, Decimal(0))
        added = row.accumulated - earlier
        if added < 0 or added < (row.counted or 0):
            detail = (
                f"the sum of the row of {row.discharged_on.isoformat()} is {row.accumulated} after {earlier}: it is the"
                " sum of the year up to and including its row; query the gateway again"
            )
            raise InvalidValue(detail, field="copay_history")
        before[row.discharged_on.year] = row.accumulated
        paid.append(CopayPaid(row.discharged_on, added))
    return tuple(paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopayHistory:
    """Earlier co-payments of one person; `five_years_on` is the day on which five insured years end, if known."""

    five_years_on: date | None = None
    paid: tuple[CopayPaid, ...] = ()

    def __post_init__(self) -> None:
        if len(self.paid) > ENTRIES_MAX:
            raise InvalidValue(f"a history has at most {ENTRIES_MAX} entries", field="copay_history")

    def with_paid(self, paid: tuple[CopayPaid, ...]) -> "CopayHistory":
        """The history after a further visit."""
        return replace(self, paid=(*self.paid, *paid))
