"""Timestamps and days of the claim data standard: digits to Vietnam time.

Read: 12 digits (yyyymmddHHMM; unknown time is 0000), 14 (seconds dropped), 8 (the day alone). Digits in another order
(ddmmyyyy) fall outside the accepted years and are never reordered. Source: Decision 130/QĐ-BYT, field conventions.
"""

import re
from datetime import date, datetime

from billing.core.clock import VIETNAM

YEAR_MIN, YEAR_MAX = 1900, 2100

_SHAPE = re.compile(r"[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?")
_UNKNOWN_DAY = re.compile(r"[0-9]{4}(?:0000(?:[0-9]{4}(?:[0-9]{2})?)?)?")


def parse_timestamp(text: str) -> datetime | None:
    """The timestamp in Vietnam time, midnight where only the day is stated; None if it cannot be read."""
    if not _SHAPE.fullmatch(text):
        return None
    hour, minute = (int(text[8:10]), int(text[10:12])) if len(text) > 8 else (0, 0)
    try:
        timestamp = datetime(int(text[:4]), int(text[4:6]), int(text[6:8]), hour, minute, tzinfo=VIETNAM)
    except ValueError:
        return None
    return timestamp if YEAR_MIN <= timestamp.year <= YEAR_MAX else None


def read_day(text: str) -> date | None:
    """The day of a timestamp; None if it cannot be read."""
    timestamp = parse_timestamp(text)
    return None if timestamp is None else timestamp.date()


def is_birth(text: str) -> bool:
    """Whether a birth can be read: a timestamp, or a year whose month and day are unknown (0000 or absent)."""
    if _UNKNOWN_DAY.fullmatch(text):
        return YEAR_MIN <= int(text[:4]) <= YEAR_MAX
    return parse_timestamp(text) is not None
