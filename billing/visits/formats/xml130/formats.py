"""The notation of values in a claim file: numbers with a point and no exponent, timestamps of 12 digits, days of 8.

Source: Decision 130/QĐ-BYT as amended, field conventions (quantities and unit prices 3 decimals, amounts 2); width of
MUC_HUONG: Decision 1931/QĐ-BYT of 2026-06-29, from 2026-07-01 (partly verified).
"""

import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from billing.core.clock import VIETNAM
from billing.core.money import round_2dp

PRICE_DECIMALS = 3
AMOUNT_DECIMALS = 2

_LEVEL_WIDTH, _EARLIER_LEVEL_WIDTH = 4, 3
_WIDER_LEVEL_FROM = date(2026, 7, 1)

_TIMESTAMP_DIGITS, _DAY_DIGITS, _YEAR_DIGITS, _WITH_SECONDS_DIGITS = 12, 8, 4, 14
_DIGITS = re.compile(r"[0-9]+")
_NOT_OF_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_amount(amount: Decimal) -> str:
    """An amount of a line or a sum: two decimals."""
    return format(round_2dp(amount), "f")


def write_number(number: Decimal, *, decimals: int) -> str:
    """A quantity or price with its decimals.

    A number with more decimals, as after a change of units, keeps them: the amounts of the line were computed with
    them. Source: docs/reference/xml130.md, section "Variants seen in the wild".
    """
    whole, _, fraction = format(number, "f").partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(decimals, '0')}"


def write_percent(ratio: Decimal) -> str:
    """A ratio: whole percent."""
    return str(int(ratio))


def write_level(level: Decimal, *, on: date) -> str:
    """MUC_HUONG in its shortest form, rounded half-up where it exceeds the width of the field on that day."""
    width = _LEVEL_WIDTH if on >= _WIDER_LEVEL_FROM else _EARLIER_LEVEL_WIDTH
    text = _shortest(level)
    if len(text) <= width:
        return text
    decimals = max(0, width - len(text.partition(".")[0]) - 1)
    return _shortest(level.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def write_timestamp(timestamp: datetime | None) -> str:
    """A timestamp in Vietnam time, empty where there is none."""
    return "" if timestamp is None else timestamp.astimezone(VIETNAM).strftime("%Y%m%d%H%M")


def write_day(day: date | None) -> str:
    """A day, empty where there is none."""
    return "" if day is None else day.strftime("%Y%m%d")


def as_timestamp(text: str) -> str:
    """A supplied timestamp in 12 digits: an unknown time is 0000, an unknown month and day too, no seconds."""
    if not _DIGITS.fullmatch(text) or len(text) not in {_YEAR_DIGITS, _DAY_DIGITS, _WITH_SECONDS_DIGITS}:
        return text
    return text[:_TIMESTAMP_DIGITS].ljust(_TIMESTAMP_DIGITS, "0")


def as_day(text: str) -> str:
    """A supplied day, without the time of day."""
    is_longer = _DIGITS.fullmatch(text) and len(text) in {_TIMESTAMP_DIGITS, _WITH_SECONDS_DIGITS}
    return text[:_DAY_DIGITS] if is_longer else text


def write_text(text: str) -> str:
    """A text as character data of an element; characters that XML 1.0 forbids are omitted."""
    kept = _NOT_OF_XML.sub("", text)
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _shortest(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
