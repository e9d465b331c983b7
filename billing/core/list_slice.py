"""The slice of a list: ids contain the timestamp of their creation, so days and cursors are both bounds of ids."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from billing.core.clock import VIETNAM

_DAY_FIRST, _DAY_LAST = date(1970, 1, 2), date(9000, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSlice:
    """Rows whose id is below `before` and not below `first`, at most `limit`, the newest first; None bounds nothing."""

    before: UUID | None = None
    first: UUID | None = None
    limit: int


def day_begins(day: date) -> datetime:
    """The start of a day in Vietnam; days out of range become the nearest valid day."""
    return datetime.combine(min(max(day, _DAY_FIRST), _DAY_LAST), time(), tzinfo=VIETNAM)


def day_ends(day: date) -> datetime:
    """The start of the next day in Vietnam."""
    return day_begins(min(day, _DAY_LAST) + timedelta(days=1))


def first_id_of_day(day: date) -> UUID:
    """The smallest UUIDv7 that a row created on a day in Vietnam can have. Source: RFC 9562 §5.7 (48 bits of ms)."""
    return UUID(int=round(day_begins(day).timestamp() * 1000) << 80)


def first_id_after_day(day: date) -> UUID:
    """The smallest UUIDv7 of the day after `day` in Vietnam."""
    return first_id_of_day(min(day, _DAY_LAST) + timedelta(days=1))
