"""Amounts in Vietnamese words, as receipts and statements print them. Formats only; `money.py` has the amounts.

The reading of each group of three digits: `linh` for an empty place of tens, `mốt` and `lăm` after tens, `không trăm`
where a group follows a higher one, and `bốn` also after tens. Source: docs/ux.md, General rules.
"""

from billing.core.money import DONG_MAX, Dong

_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_BILLION = 1_000_000_000
_GROUPS = ((1_000_000, "triệu"), (1_000, "nghìn"), (1, ""))


def write_in_words(amount: Dong) -> str:
    """An amount from 0 to 10^15 đồng as a sentence: `Một trăm hai mươi bốn nghìn sáu trăm hai mươi đồng`."""
    assert 0 <= amount <= DONG_MAX, "an amount of money is validated where it enters"
    words = _write_number(amount) or [_DIGITS[0]]
    return f"{' '.join(words).capitalize()} đồng"


def _write_number(number: int) -> list[str]:
    """The words of a number; from a billion on, the number of billions is read like any other: `một nghìn tỷ`."""
    billions, rest = divmod(number, _BILLION)
    words = [*_write_number(billions), "tỷ"] if billions else []
    for unit, name in _GROUPS:
        group, rest = divmod(rest, unit)
        if group:
            words += [*_write_group(group, is_first=not words), *([name] if name else [])]
    return words


def _write_group(group: int, *, is_first: bool) -> list[str]:
    """The words of 1 to 999; the hundreds of a group that is not the first are read also where they are 0."""
    hundreds, rest = divmod(group, 100)
    tens, units = divmod(rest, 10)
    words = [] if is_first and not hundreds else [_DIGITS[hundreds], "trăm"]
    if tens > 1:
        words += [_DIGITS[tens], "mươi"]
    elif tens == 1:
        words.append("mười")
    elif units and words:
        words.append("linh")
    if units:
        words.append(_unit_word(units, tens=tens))
    return words


def _unit_word(units: int, *, tens: int) -> str:
    if units == 1 and tens > 1:
        return "mốt"
    if units == 5 and tens:
        return "lăm"
    return _DIGITS[units]
