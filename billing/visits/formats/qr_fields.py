"""Common parsing of the QR codes of citizen and insurance cards: fields separated by "|", days that begin with the day.

A scanner sends bytes or text, often with an end of line.
Source: docs/reference/hospital-money.md, section 1.
"""

import re
from datetime import date

from billing.core.errors import InvalidValue
from billing.core.text import compose

LENGTH_MAX = 4096
"""Above the capacity of any QR code (2,953 bytes in binary mode, ISO/IEC 18004)."""

YEAR_MIN, YEAR_MAX = 1900, 2100
NO_VALUE = "-"
_SCANNER_BLANKS = " \t\r\n"

_DAY = re.compile(r"([0-9]{2})/?([0-9]{2})/?([0-9]{4})")
_YEAR = re.compile(r"[0-9]{4}")
_NOT_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class CardUnreadable(InvalidValue):
    """The scanned content is no text of a card: too long, not UTF-8, or with characters that no card has."""

    code = "card_unreadable"


def read_fields(scanned: bytes | str) -> list[str]:
    """The fields of a scanned code, composed (NFC) and stripped; "-" is no value. Raises CardUnreadable."""
    return [read_field(field) for field in split_fields(scanned)]


def read_field(field: str) -> str:
    """One field, composed (NFC) and stripped; "-" is no value."""
    return "" if field.strip() == NO_VALUE else compose(field.strip())


def split_fields(scanned: bytes | str) -> list[str]:
    """The fields of a scanned code as they are written. Raises CardUnreadable.

    Whether a field was read in another encoding is decided on this text: of the bytes of `à` and `í` one becomes a
    no-break space and one a soft hyphen, which `read_field` drops.
    """
    if len(scanned) > LENGTH_MAX:
        raise CardUnreadable(f"a card has at most {LENGTH_MAX} characters")
    try:
        text = scanned.decode("utf-8-sig") if isinstance(scanned, bytes) else scanned.removeprefix("\ufeff")
    except UnicodeDecodeError as cause:
        raise CardUnreadable(f"byte {cause.start} is not UTF-8") from cause
    text = text.strip(_SCANNER_BLANKS)
    if _NOT_TEXT.search(text):
        raise CardUnreadable("a control character stands in the code")
    return text.split("|")


def read_day(text: str) -> date | None:
    """A day written ddMMyyyy or dd/MM/yyyy; None, unknown, for anything else."""
    found = _DAY.fullmatch(text)
    if found is None:
        return None
    day, month, year = (int(part) for part in found.groups())
    try:
        return date(year, month, day) if YEAR_MIN <= year <= YEAR_MAX else None
    except ValueError:
        return None


def read_birth(text: str) -> str:
    """A birth in the form of NGAY_SINH: yyyymmdd, yyyy where only the year is known, empty where it cannot be read."""
    if _YEAR.fullmatch(text) and YEAR_MIN <= int(text) <= YEAR_MAX:
        return text
    day = read_day(text)
    return "" if day is None else day.strftime("%Y%m%d")
