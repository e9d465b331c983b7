"""Placeholders: texts that a bank or provider sends in place of a reference, and that identify no transfer.

`NONREF` is MT940's, `NOTPROVIDED` is ISO 20022's; the others are common texts of programs for an empty value.
Source: SWIFT MT940 field 61; ISO 20022 payments, EndToEndIdentification; docs/design.md §5, Strong and weak names.
"""

import re
import unicodedata

_NOT_A_LETTER = re.compile(r"[^0-9A-Z]+")
_WORDS = frozenset(
    {
        "NONREF", "NOREF", "NOREFERENCE", "NOTPROVIDED", "NOTAVAILABLE", "NOTAPPLICABLE", "NULL", "NONE", "NIL", "NA",
        "NAN", "UNDEFINED", "UNKNOWN", "EMPTY", "BLANK", "FALSE", "TRUE", "KHONG", "KHONGCO",
    }
)  # fmt: skip
_A_DIGIT = re.compile(r"[1-9]")
_REPEATED = re.compile(r"0*|X+")


def is_placeholder(text: str) -> bool:
    """Whether a text is no reference: blank, signs only, zeros only, `X` only, or a word for none in any case."""
    if _A_DIGIT.search(text):  # nearly every reference has such a character
        return False
    normalized = unicodedata.normalize("NFKD", text).upper().replace("Đ", "D")
    letters = _NOT_A_LETTER.sub("", normalized)
    return _REPEATED.fullmatch(letters) is not None or letters in _WORDS


def without_placeholder(text: str) -> str:
    """The text without leading and trailing blanks; empty if it is a placeholder."""
    return "" if is_placeholder(text) else text.strip()
