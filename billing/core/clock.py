"""The one time zone of the service and the business date of a timestamp. Vietnam has no daylight saving time."""

from datetime import date, datetime, time, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7), "+07")
"""Asia/Ho_Chi_Minh has had no other offset since 1975; fixed, so that no time-zone database is needed."""


def business_date(timestamp: datetime) -> date:
    """The date of a timestamp in Vietnam (UTC+7)."""
    return timestamp.astimezone(VIETNAM).date()


def noon_of(day: date) -> datetime:
    """12:00 in Vietnam: the time of an event of which only the day is known, such as a line of a bank statement."""
    return datetime.combine(day, time(12), tzinfo=VIETNAM)


def known_time(timestamp: datetime) -> datetime | None:
    """The time of an event; None where it is noon sharp, which `noon_of` gives to an event without a known time.

    An event of noon sharp, to the microsecond, is shown with its day alone.
    """
    return None if timestamp == noon_of(business_date(timestamp)) else timestamp
