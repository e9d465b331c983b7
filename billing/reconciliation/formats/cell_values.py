"""Amounts, days and texts of a statement's cells, as banks write them. The caller names the place of a refusal.

Amounts are whole đồng: `1,234`, `1.234`, `1,234.00`, `-500`, `(150,000)`, `+ 5,000` and `3,359,662,231 VND` are read.
An amount with decimals other than zero is refused. Source: docs/reference/statements.md, sections 1 and 2.
"""

import re
from datetime import date, datetime
from functools import lru_cache

from billing.core.clock import VIETNAM
from billing.core.money import DONG_MAX
from billing.core.text import compose
from billing.spreadsheets.cells import CellError

YEAR_MIN, YEAR_MAX = 1990, 2100
"""Years in which a movement of a statement can be."""

EXACT_MAX = 2**53
"""From this number on, a spreadsheet's binary number may differ from the number that was written into the cell."""


Cell = str | int | date | CellError | None
"""A cell of any table: a text, a whole number, a day or a time (`datetime`), or nothing.

A `CellError` is refused where the cell is needed.
"""


class ValueUnreadable(ValueError):
    """A cell that does not hold the value that its column needs; the message states the reason and the action."""


_DIGITS_SURE = 12
"""A number of so many digits is within `DONG_MAX`."""
_PLAIN = re.compile(r"\d{1,3}(?:,\d{3}){1,6}|\d{1,18}", re.ASCII)
_AMOUNT = re.compile(
    r"(?P<whole>\d{1,18}|\d{1,3}(?:,\d{3}){1,6}|\d{1,3}(?:\.\d{3}){1,6}|\d{1,3}(?: \d{3}){1,6})"
    r"(?:[.,](?P<decimals>\d{1,2}))?",
    re.ASCII,
)
_CURRENCY = re.compile(r"(?:VND|VNĐ|đồng|đ)\.?$", re.IGNORECASE)
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?E[+-]?\d+", re.ASCII | re.IGNORECASE)
_NUMBERS = re.compile(r"[^\d]", re.ASCII)
_MINUS = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u202f": " "})
_DAY = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})|(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d{1,6})?", re.ASCII)


def read_dong(cell: Cell) -> int | None:
    """A signed amount in đồng; None for an empty cell or a dash. Raises ValueUnreadable."""
    if cell is None:
        return None
    if isinstance(cell, str):
        if len(cell) <= _DIGITS_SURE and cell.isascii() and cell.isdecimal():
            return int(cell)
        if _PLAIN.fullmatch(cell):
            return _bounded(int(cell.replace(",", "")))
        return _dong_of_text(cell)
    if isinstance(cell, int):
        return _bounded(cell)
    if isinstance(cell, CellError):
        raise ValueUnreadable(cell.why)
    raise ValueUnreadable("is a day, and an amount is needed; format the column as a number")


def _dong_of_text(text: str) -> int | None:
    written = text.translate(_MINUS).strip()
    written = _CURRENCY.sub("", written).strip()
    if written in ("", "-", "--"):
        return None
    sign = 1
    if written.startswith("(") and written.endswith(")"):
        sign, written = -1, written[1:-1].strip()
    elif written[0] in "+-":
        sign, written = (-1 if written[0] == "-" else 1), written[1:].strip()
    found = _AMOUNT.fullmatch(written)
    if found is None:
        if _EXPONENT.fullmatch(written):
            raise ValueUnreadable("was shortened by a spreadsheet; export the statement again and do not edit it")
        raise ValueUnreadable("is no amount; whole đồng such as 350,000 or 350.000 are read")
    if (found["decimals"] or "").strip("0"):
        raise ValueUnreadable("has decimals, and đồng have none")
    return _bounded(sign * int(_NUMBERS.sub("", found["whole"])))


def _bounded(amount: int) -> int:
    if not -DONG_MAX <= amount <= DONG_MAX:
        raise ValueUnreadable(f"is above {DONG_MAX} đồng")
    return amount


def read_day(cell: Cell) -> tuple[date, datetime | None] | None:
    """A day and, where the cell states it, the time in Vietnam; None for an empty cell. Raises ValueUnreadable."""
    if cell is None:
        return None
    if isinstance(cell, str):
        found = _day_of_text(cell)
        if found is None:
            raise ValueUnreadable("is no day; days such as 02/01/2026 are read")
        return found
    if isinstance(cell, date) and not YEAR_MIN <= cell.year <= YEAR_MAX:
        raise ValueUnreadable(f"is a day before {YEAR_MIN} or after {YEAR_MAX}")
    if isinstance(cell, datetime):
        has_time = (cell.hour, cell.minute, cell.second) != (0, 0, 0)
        return cell.date(), cell.replace(tzinfo=VIETNAM, microsecond=0) if has_time else None
    if isinstance(cell, date):
        return cell, None
    raise ValueUnreadable(cell.why if isinstance(cell, CellError) else "is a number, and a day is needed")


def is_day(cell: Cell) -> bool:
    """Whether a cell holds a day."""
    return isinstance(cell, date) or (isinstance(cell, str) and _day_of_text(cell) is not None)


@lru_cache(maxsize=8192)
def _day_of_text(text: str) -> tuple[date, datetime | None] | None:
    day, rest = split_day(text)
    if day is None:
        return None
    if not rest:
        return day, None
    found = _TIME.fullmatch(rest)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return day, datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=VIETNAM)


def split_day(text: str) -> tuple[date | None, str]:
    """The day with which a text begins, and the rest; (None, text) where it begins with none."""
    written = text.strip()
    found = _DAY.match(written)
    if found is None:
        return None, written
    rest = written[found.end() :]
    if rest[:1].isalnum() and not rest.startswith("T"):
        return None, written
    year, month, day = (found[4], found[3], found[1]) if found[4] else (found[5], found[6], found[7])
    if not YEAR_MIN <= int(year) <= YEAR_MAX:
        return None, written
    try:
        return date(int(year), int(month), int(day)), rest.removeprefix("T").strip()
    except ValueError:
        return None, written


def days_in(text: str) -> list[date]:
    """Every day in a text, in order."""
    found = []
    for each in _DAY.finditer(text):
        day, _ = split_day(each[0])
        if day is not None:
            found.append(day)
    return found


def read_text(cell: Cell) -> str:
    """A text in NFC with single spaces; empty for an empty cell. Raises ValueUnreadable."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        if cell.isascii() and cell.isprintable() and "  " not in cell:
            return cell.strip(" ")
        return " ".join(compose(cell).split())
    if isinstance(cell, CellError):
        raise ValueUnreadable(cell.why)
    return f"{cell:%d/%m/%Y}" if isinstance(cell, date) else str(cell)


def read_name(cell: Cell) -> str | None:
    """A reference, number or name: as a text, None for an empty cell. Raises ValueUnreadable.

    A long number that a spreadsheet shortened (`9.7E+12`) is refused: its digits are lost.
    """
    text = read_text(cell)
    if "+" in text and _EXPONENT.fullmatch(text):
        raise ValueUnreadable("was shortened by a spreadsheet; export the statement again and do not edit it")
    return text or None
