"""Detect cells that a spreadsheet changed when it saved them: codes as numbers or days, errors as text, text marks.

A workbook states whether a cell is a number, a text or an error; a CSV file has texts only, so the same changes are
detected by their form there. An ambiguous value is not repaired: the row is refused with the action.
Source: data standard, MA_DICH_VU (`02.1896`, `18.0149.0040`: two digits, then groups of four).
"""

import re
import unicodedata

from billing.core.text import LOOK_LIKE_LATIN

TEXT_COLUMN = "enter the code again with all its zeros and format the column as text"

_PROTECTED = re.compile(r'="((?:[^"]|"")*)"')
_APOSTROPHES = ("'", "‘", "’")  # a program that corrects quotation marks writes the curved ones
_ERROR = re.compile(r"#(?:N/[A-Z]+|\S*[!?])|#{2,}", re.IGNORECASE)  # `#¡REF!` and `#N/V` in other languages
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+E[+-]?|E[+-])\d+", re.IGNORECASE | re.ASCII)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|thg ?\\d{1,2}"
_DAY = re.compile(
    rf"\d{{1,2}}[/-]\d{{1,2}}[/-]\d{{2,4}}|\d{{4}}[/-]\d{{1,2}}[/-]\d{{1,2}}(?:[ T][\d:.]+)?"
    rf"|\d{{1,2}}[ -](?:{_MONTHS})[a-z]*(?:[ -]\d{{2,4}})?|(?:{_MONTHS})[a-z]*[ -]\d{{1,4}}",
    re.IGNORECASE | re.ASCII,
)
_SHORT_CHAPTER = re.compile(r"\d\.\d{4}(?:\.\d{4})?", re.ASCII)
_NUMBER = re.compile(r"[1-9]\d*[.,]\d+|0[.,]\d+", re.ASCII)
_OFFICIAL = re.compile(r"\d{2}\.\d{4}(?:\.\d{4})?", re.ASCII)
_NEARLY_OFFICIAL = re.compile(r"[\dOIl]{2}[.,][\dOIl]{4}(?:[.,][\dOIl]{4})?", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"[1-9]\d*|0", re.ASCII)
_YES_OR_NO = frozenset({"true", "false"})


def unprotect(text: str) -> str:
    """The text of a cell that was marked as text: `="02.1896"`, `'02.1896` and `’02.1896` are 02.1896."""
    if found := _PROTECTED.fullmatch(text):
        return found[1].replace('""', '"').strip()
    return text[1:].strip() if text.startswith(_APOSTROPHES) and not text.endswith(_APOSTROPHES) else text


def error_in(text: str) -> str:
    """The reason why a text is a spreadsheet error and no value; empty where it is a value."""
    if _ERROR.fullmatch(text):
        return "this cell shows an error; correct it in the sheet and save again"
    return ""


def code_changed(text: str, *, is_marked_text: bool) -> str:
    """The reason why a code differs from the typed one, with the action; empty where there is no sign of a change.

    `is_marked_text`: the sheet marks the cell as text, so that it was not converted to a number.
    """
    if _EXPONENT.fullmatch(text):
        return f"the spreadsheet shortened this code to a number; {TEXT_COLUMN}"
    if _DAY.fullmatch(text):
        return f"the spreadsheet made a day of this code; {TEXT_COLUMN}"
    if text.startswith("=") or text.casefold() in _YES_OR_NO:
        return "a formula, or a yes or no, stands in place of a code; enter the code as text"
    if unicodedata.normalize("NFKC", text).translate(LOOK_LIKE_LATIN) != text:
        return "signs of this code only look like Latin letters and digits; enter the code again"
    if any(mark in text for mark in _APOSTROPHES):
        return "an apostrophe is no part of a code; enter the code again without it"
    return _zeros_lost(text, is_marked_text=is_marked_text)


def _zeros_lost(text: str, *, is_marked_text: bool) -> str:
    if _SHORT_CHAPTER.fullmatch(text):
        return f"this code lost the zero in front (0{text}); {TEXT_COLUMN}"
    if not is_marked_text and _NUMBER.fullmatch(text) and not _OFFICIAL.fullmatch(text):
        return f"this code is a number, so zeros may be lost; {TEXT_COLUMN}"
    if _NEARLY_OFFICIAL.fullmatch(text) and not _OFFICIAL.fullmatch(text):
        return "this code has a comma or a letter in place of a point or a digit; enter the code again"
    return ""


def is_official(code: str) -> bool:
    """Whether a code has the form of the Ministry's list."""
    return _OFFICIAL.fullmatch(code) is not None


def is_bare_number(code: str) -> bool:
    """Whether a code consists of digits only, without a leading zero."""
    return _DIGITS.fullmatch(code) is not None
