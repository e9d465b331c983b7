"""Vietnamese text as banks carry it: plain ASCII out, and bank text read back for searching.

Knows letters only; what a reference code looks like is in `reference.py`.
"""

import unicodedata

_D_STROKE = str.maketrans({"Đ": "D", "đ": "d"})  # the only Vietnamese letters that do not decompose
_ASCII_KEPT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def transliterate(text: str) -> str:
    """Write a text in ASCII letters, digits and single spaces: `Viện phí: đợt 1/2` becomes `Vien phi dot 1 2`.

    Marks are dropped, then whatever else is left becomes a space. May return the empty text.
    Source: NAPAS technical specification 1.5.2 (only letters, digits and space in the text fields of a code).
    """
    unmarked = _without_marks(text.translate(_D_STROKE))
    return " ".join("".join(letter if letter in _ASCII_KEPT else " " for letter in unmarked).split())


def upper_without_marks(text: str) -> str:
    """Fold a transfer text for searching: full-width forms, marks and case undone, everything else left in place.

    Punctuation, spaces and line breaks stay, so that a code is first looked for as it stands.
    """
    if text.isascii():
        return text.upper()
    composed = unicodedata.normalize("NFKC", text)
    return _without_marks(composed.translate(_D_STROKE)).upper()


def shorten_name(name: str) -> str:
    """A name for a screen that others may see: family and given name whole, the rest as initials: `Nguyễn V. An`."""
    words = unicodedata.normalize("NFC", name).split()
    return " ".join([*words[:1], *(f"{word[0].upper()}." for word in words[1:-1]), *words[1:][-1:]])


def _without_marks(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
