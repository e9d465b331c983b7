"""Bed days of a stay that are missing or doubled, found before its final bill.

Nothing is reported that may be lawful: a stay whose days cannot be assigned to its bed lines is compared in total.
Source: docs/reference/bhyt.md (B-063 … B-066).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.core.clock import business_date
from billing.coverage.domain.bed_days import INPATIENT_BED_GROUP, count_bed_days

_ONE = Decimal(1)
_DAY = timedelta(days=1)
_PAID_BY_PATIENT = "2"
"""PHAM_VI of a surcharge for a bed on demand, which is charged with the bed itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """A bed line: the day it is for (None: not stated), the number of days, MA_NHOM, PHAM_VI, and the service code."""

    line: str
    version: int
    department: str
    stt: int
    on: date | None
    quantity: Decimal
    group: str
    scope: str
    code: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """An inpatient stay from admission to discharge, or until now where the patient is still there."""

    admitted_at: datetime
    ends_at: datetime
    leave_days: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        assert self.admitted_at <= self.ends_at, "a stay ends after it begins"

    @property
    def days(self) -> list[date]:
        """The days of the stay that have a bed: those of leave and the day of discharge have none."""
        first, last = business_date(self.admitted_at), business_date(self.ends_at)
        days = [first + _DAY * number for number in range(max(1, (last - first).days))]
        return [day for day in days if day not in self.leave_days]

    def count(self, *, has_further_day: bool) -> int:
        """The bed days that are charged, those of leave not counted."""
        counted = count_bed_days(
            self.admitted_at, self.ends_at, has_further_day=has_further_day, four_hours_are_a_day=has_further_day
        )
        return max(0, counted - len(self.leave_days))


def find_missing_days(stay: Stay, beds: Sequence[Bed]) -> list[date]:
    """The days of a stay without a bed, where fewer bed days are charged than the stay has."""
    counted = [bed for bed in beds if bed.scope != _PAID_BY_PATIENT] or beds
    charged = sum((bed.quantity for bed in counted), Decimal(0))
    days = {bed.on for bed in counted if bed.on is not None and bed.quantity > 0}
    lacking = stay.count(has_further_day=False) - max(int(charged), len(days))
    if lacking <= 0:
        return []
    if any(bed.quantity > _ONE or bed.on is None for bed in counted):
        return stay.days[-lacking:]
    return [day for day in stay.days if day not in days][:lacking]


def find_beds_on_leave(stay: Stay, beds: Sequence[Bed]) -> list[Bed]:
    """Bed lines of a day of leave; a line of several days is compared with the stay in total."""
    return [bed for bed in beds if bed.on in stay.leave_days and 0 < bed.quantity <= _ONE]


def find_doubled_beds(stay: Stay | None, beds: Sequence[Bed]) -> Iterator[Bed]:
    """Bed lines beyond the first day's worth on one day; of lines of several days, those beyond the days of the stay.

    A day in two departments is two halves (B-064). Beds of different groups (day treatment, inpatient, observation) are
    not compared. A surcharge that the patient pays is doubled by its like only.
    """
    ordered = sorted(beds, key=lambda bed: (bed.recorded_at, bed.stt))
    if any(bed.quantity > _ONE or bed.on is None for bed in beds):
        yield from _beyond_stay(stay, ordered)
        return
    charged: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    for bed in ordered:
        key = (bed.on, bed.group, bed.code if bed.scope == _PAID_BY_PATIENT else None)
        charged[key] += bed.quantity
        if charged[key] > _ONE:
            yield bed


def _beyond_stay(stay: Stay | None, ordered: Sequence[Bed]) -> Iterator[Bed]:
    if stay is None:
        return
    days, charged = stay.count(has_further_day=True), Decimal(0)
    for bed in ordered:
        if bed.scope != _PAID_BY_PATIENT and bed.group == str(INPATIENT_BED_GROUP):
            charged += bed.quantity
            if charged > days:
                yield bed
