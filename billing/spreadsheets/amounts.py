"""Read prices and days that are written as text; refuse ambiguous texts by name.

`1.234` is 1234 to a Vietnamese reader and 1.234 to a program; `1.234,5` and `1,234.5` follow opposite conventions.
Unless the file's decimal mark is known, such a text is refused: a wrong guess changes a price by a factor of 1,000.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from billing.core.errors import InvalidValue

_PLAIN = re.compile(r"\d{1,15}", re.ASCII)
_FEW_DECIMALS = re.compile(r"(\d{1,15})[.,](\d{1,2})", re.ASCII)
_MANY_GROUPS = re.compile(r"\d{1,3}(?:(?:\.\d{3}){2,}|(?:,\d{3}){2,})", re.ASCII)
_MARKED = {
    ",": re.compile(r"(\d{1,3}(?:\.\d{3})+|\d{1,15})(?:,(\d{1,3}))?", re.ASCII),
    ".": re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.(\d{1,3}))?", re.ASCII),
}
_AMBIGUOUS = re.compile(r"\d[\d.,]*", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?E[+-]?\d+", re.ASCII | re.IGNORECASE)
_HOW = "enter đồng in digits, as 50600"
_DAYS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
_DIGITS_MAX = 15
_DIGITS_OF_A_PRICE_MAX = 12


class DecimalMark(StrEnum):
    """The decimal mark of a file: `comma` reads 1.234,5 and `point` reads 1,234.5."""

    COMMA = "comma"
    POINT = "point"


class NumberAmbiguous(InvalidValue):
    """A text that has two possible values."""

    code = "number_ambiguous"


def read_amount(text: str, mark: DecimalMark | None) -> Decimal:
    """A price from its text. Raises NumberAmbiguous, or InvalidValue for a text that is no price."""
    if len(text) > 1 and text[0] == "0" and text[1].isdecimal():
        raise InvalidValue(f"a price does not begin with 0; {_HOW}")
    if _EXPONENT.fullmatch(text):
        raise InvalidValue("the spreadsheet shortened this number; format the column as number and save again")
    if mark is not None:
        return _read_marked(text, "," if mark is DecimalMark.COMMA else ".", mark)
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    if found := _FEW_DECIMALS.fullmatch(text):
        return Decimal(f"{found[1]}.{found[2]}")
    if _MANY_GROUPS.fullmatch(text):
        return Decimal(re.sub(r"[.,]", "", text))
    if _AMBIGUOUS.fullmatch(text) and ("." in text or "," in text):
        raise NumberAmbiguous(
            "this number can be read in two ways; write it without separators or name the decimal mark"
        )
    raise InvalidValue(f"this is not a price; {_HOW}")


def _read_marked(text: str, mark: str, named: DecimalMark) -> Decimal:
    found = _MARKED[mark].fullmatch(text)
    if found is None:
        raise InvalidValue(f"this is not a price with {named} as its decimal mark; {_HOW}")
    whole = re.sub(r"[.,]", "", found[1])
    return Decimal(f"{whole}.{found[2]}" if found[2] else whole)


def exact_number(number: float, *, is_computed: bool = False) -> Decimal:
    """A spreadsheet's binary number as the typed decimal: its shortest text. Raises InvalidValue above 15 digits.

    Above 15 digits two typed numbers can share one binary number, so the value is refused. The result of a formula
    (`is_computed`) is rounded to 15 digits, as the spreadsheet shows it: 50600 × 1.1 is 55660, not
    55660.00000000001. So is a pasted result, which nobody types: its last digits are far behind the others.
    """
    shortest = Decimal(repr(number))
    if not shortest.is_finite():
        raise InvalidValue("this is no number; enter the price in digits")
    exact = shortest.normalize()
    if len(exact.as_tuple().digits) > _DIGITS_MAX:
        shown = Decimal(f"{number:.{_DIGITS_MAX}g}").normalize()
        is_noise = exact != exact.to_integral_value() and len(shown.as_tuple().digits) <= _DIGITS_OF_A_PRICE_MAX
        if not is_computed and not is_noise:
            raise InvalidValue(
                "a number of more than 15 digits is not kept exactly by a spreadsheet; format the cell as text"
            )
        exact = shown
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or not -_DIGITS_MAX <= exponent <= _DIGITS_MAX:
        raise InvalidValue("a number this large or this small is no price; correct it in the sheet")
    whole = exact.quantize(Decimal(1)) if exponent > 0 else exact
    return whole + 0 if whole.is_zero() else whole  # no sign on a zero


def read_day_text(text: str) -> date:
    """A day as 2026-07-01 or, as Vietnam writes it, 01/07/2026. Raises InvalidValue."""
    for form in _DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise InvalidValue("a day is written as 2026-07-01 or 01/07/2026")
