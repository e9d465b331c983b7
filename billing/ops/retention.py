"""How long personal data is kept, and the time from which it is erased.

Accounting documents stay at least ten years after the year they belong to (Decree 174/2016/ND-CP, as rule M-011 cites
it); everything else leaves as soon as nobody needs it for the work it was given for. Source: docs/design.md §4,
Personal data.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from billing.core.clock import VIETNAM, business_date
from billing.core.errors import InvalidValue
from billing.core.ids import uuid7

DOCUMENT_YEARS_MIN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days after which data is erased; documents of visits in whole years after the end of their own.

    `delivered_days`: messages that an endpoint took. `idempotency_days`: keys of creating requests. `session_days`:
    ended sessions on the screens. `body_days`: raw messages of providers. `payer_days`: name, account and text of the
    payer of a payment. `document_years`: documents and persons of visits, claim files.
    """

    delivered_days: int = 30
    idempotency_days: int = 30
    session_days: int = 90
    body_days: int = 400
    payer_days: int = 400
    document_years: int = DOCUMENT_YEARS_MIN

    def __post_init__(self) -> None:
        days = (self.delivered_days, self.idempotency_days, self.session_days, self.body_days, self.payer_days)
        if min(days) < 1:
            raise InvalidValue("a retention is a day at least")
        if self.document_years < DOCUMENT_YEARS_MIN:
            raise InvalidValue(f"accounting documents are kept {DOCUMENT_YEARS_MIN} years at least")

    def documents_before(self, now: datetime) -> datetime:
        """The start of the oldest year whose documents are kept."""
        return datetime.combine(date(business_date(now).year - self.document_years, 1, 1), time(), VIETNAM)


def days_before(now: datetime, days: int) -> datetime:
    """The time so many days ago; older data is erased."""
    return now - timedelta(days=days)


def first_id_of(at: datetime) -> UUID:
    """The smallest id that can have been made at a time: ids contain their time."""
    return uuid7(max(0, int(at.timestamp() * 1000)), 0)
