"""The validity of a referral paper and the due date of a claim, in working days (B-047, B-101)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

REFERRAL_WORKING_DAYS = 10
CLAIM_WORKING_DAYS = 7
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class ReferralValidity:
    """Whether a referral paper was valid on a day, and its last valid day; `is_for_year` under annex III."""

    is_valid: bool
    last_day: date
    is_for_year: bool


def referral_validity(
    signed_on: date, *, on: date, is_for_year: bool, holidays: Collection[date] = ()
) -> ReferralValidity:
    """Whether a referral paper is valid on the day a visit begins.

    10 working days from signing, the day of signing not counted (our interpretation); 1 year for diseases of annex
    III. A paper that expires inside a treatment remains valid to its end, so only the first day is checked.
    Source: Circular 01/2025/TT-BYT Art. 9, 12 (B-047).
    """
    last = _a_year_after(signed_on) if is_for_year else working_day_after(signed_on, REFERRAL_WORKING_DAYS, holidays)
    return ReferralValidity(signed_on <= on <= last, last, is_for_year)


def claim_due_on(discharged_on: date, holidays: Collection[date] = ()) -> date:
    """The last day to correct, sign and claim: 7 working days after the visit ends.

    Source: Circular 48/2017/TT-BYT Art. 6, 7 (B-101).
    """
    return working_day_after(discharged_on, CLAIM_WORKING_DAYS, holidays)


def working_day_after(start: date, count: int, holidays: Collection[date] = ()) -> date:
    """The `count`-th working day (Monday to Friday, no holiday) after a day."""
    day = start
    while count:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY and day not in holidays:
            count -= 1
    return day


def _a_year_after(day: date) -> date:
    """The same day of the next year; 28 February after a 29th."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)
