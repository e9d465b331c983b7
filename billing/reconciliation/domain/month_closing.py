"""The closing of a month: the conditions, and the content of its certificate.

Source: docs/reconciliation.md, Closing of a month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.reconciliation.domain.day_certificate import CertifiedBalance


class MonthAlreadyClosed(Refused):
    """The month was closed before; a closed month is never opened again."""

    code = "month_already_closed"


class EarlierMonthOpen(Refused):
    """Months close in order: an earlier one is still open."""

    code = "earlier_month_open"


class MonthIncomplete(Refused):
    """The statements of the month are incomplete; `reasons` names each missing part."""

    code = "month_incomplete"

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("the month is not complete: " + "; ".join(reasons), field="month")
        self.reasons = tuple(reasons)


class MonthNotSealed(Refused):
    """The closing of the month is not sealed yet; the worker seals it within seconds."""

    code = "month_not_sealed"


def read_month(text: str) -> date:
    """The first day of a month, from YYYY-MM. Raises InvalidValue."""
    try:
        if len(text) != len("YYYY-MM"):
            raise ValueError
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise InvalidValue("a month is YYYY-MM", field="month") from error


def last_day_of(first_day: date) -> date:
    """The last day of the month of a first day."""
    return (first_day + timedelta(days=31)).replace(day=1) - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedDay:
    """A closed day of the month. `content_sha256` is that of its certificate, None before there were certificates."""

    day: date
    entries: int
    amount: int
    content_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedAccount:
    """A bank account in the month: the stated balances at its beginning and at its end, in đồng."""

    bank_account_id: UUID
    opening: Dong
    closing: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthContent:
    """Everything that the certificate of one month states. `balances` are those of the month."""

    organization_id: OrganizationId
    month: date
    days: Sequence[CertifiedDay]
    balances: Sequence[CertifiedBalance]
    bank_accounts: Sequence[CertifiedAccount]

    @property
    def entries(self) -> int:
        """The entries of all days."""
        return sum(day.entries for day in self.days)

    @property
    def amount(self) -> int:
        """The sum of all postings, in đồng."""
        return sum(day.amount for day in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthClosing:
    """A closed month with its totals; `closed_by` is the person, None for the command of the server."""

    month: date
    closed_at: datetime
    closed_by: UUID | None
    days: int
    entries: int
    amount: int
