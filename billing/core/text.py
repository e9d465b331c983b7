"""Vietnamese text for banks: conversion to plain ASCII, and normalization of bank text for searching.

Handles letters only; `reference_code.py` defines the format of a reference code.
"""

import re
import unicodedata

_D_STROKE = str.maketrans(dict(zip("ĐÐƉđðɖ", "DDDddd", strict=True)))
"""The only Vietnamese letter that does not decompose, and the letters that look the same: U+00D0, U+0189 and small."""

_HOMOGRAPHS = str.maketrans(dict(zip("ÐƉðɖ", "ĐĐđđ", strict=True)))
LOOK_LIKE_LATIN = str.maketrans(
    dict(zip("АВЕЅІЈКМНОРСТУХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABESIJKMHOPCTYXaesijopcyxABEZHIKMNOPTYXo", strict=True))
)
_LATIN = ("LATIN", "FULLWIDTH LATIN")
_WRITTEN_LETTERS = (
    *_LATIN,
    "GREEK",
    "CYRILLIC",
    "MICRO",
    "OHM",
    "KELVIN",
    "ANGSTROM",
    "FEMININE",
    "MASCULINE",
    "MODIFIER",
)
_NAME_MARKS = frozenset(" '’.,-()/&")
_ASCII_KEPT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def remove_unseen(text: str) -> str:
    """A text of others without control characters and marks of direction: it moves no text next to it.

    Line breaks and tabs stay. Source: Unicode UAX #9, explicit directional formatting characters.
    """
    return _UNSEEN.sub("", text)


def transliterate(text: str) -> str:
    """Write a text in ASCII letters, digits and single spaces: `Viện phí: đợt 1/2` becomes `Vien phi dot 1 2`.

    Marks are dropped, then any other character becomes a space. May return the empty text. Source: NAPAS technical
    specification 1.5.2 (only letters, digits and space in the text fields of a code).
    """
    unmarked = _without_marks(unicodedata.normalize("NFKC", text).translate(_D_STROKE))
    return " ".join("".join(letter if letter in _ASCII_KEPT else " " for letter in unmarked).split())


def upper_without_marks(text: str) -> str:
    """Normalize a transfer text for searching: full-width forms, marks and case; everything else is unchanged.

    Punctuation, spaces and line breaks stay, so that the first search for a code uses the original text.
    """
    if text.isascii():
        return text.upper()
    composed = unicodedata.normalize("NFKC", text)
    return _without_marks(composed.translate(_D_STROKE)).upper()


def compose(text: str) -> str:
    """A Vietnamese text as stored: composed letters (NFC), `Đ` for similar letters, no hidden marks.

    Texts that look the same are then equal. Hidden marks have no width (byte-order mark, joiners).
    """
    if text.isascii():
        return text
    seen = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFC", seen).translate(_HOMOGRAPHS)


def normalize_heading(text: str) -> str:
    """A heading for look-up: small ASCII letters and digits, single spaces; letters that only look Latin included."""
    return transliterate(compose(text).translate(LOOK_LIKE_LATIN)).lower()


def is_garbled(text: str) -> bool:
    """Whether a text was read in another encoding than it was written in (mojibake): `Nguyá»…n`, `Nguy�n`.

    Signs are replacement marks, control characters and letters that no hospital writes (Greek is in use: `β-hCG`,
    `µg`), and a text that becomes UTF-8 when written in a Windows code page or in Latin-1. A Vietnamese text never
    does.
    """
    if text.isascii():
        return False
    composed = unicodedata.normalize("NFC", text)
    for letter in composed:
        if letter == "\ufffd" or unicodedata.category(letter) in {"Cc", "Co", "Cn", "Cs"}:
            return True
        if letter.isalpha() and not unicodedata.name(letter, "").startswith(_WRITTEN_LETTERS):
            return True
    return any(_is_utf8_read_as(code_page, text) for code_page in ("cp1252", "cp1258", "latin-1"))


def is_person_name(text: str) -> bool:
    """Whether a text can be the name of a person: letters, with marks between them, and not garbled."""
    composed = compose(text)
    return (
        any(letter.isalpha() for letter in composed)
        and all(_is_latin(letter) or letter in _NAME_MARKS or unicodedata.combining(letter) for letter in composed)
        and not is_garbled(text)
    )


def _is_latin(letter: str) -> bool:
    return letter.isalpha() and unicodedata.name(letter, "").startswith(_LATIN)


def _is_utf8_read_as(code_page: str, text: str) -> bool:
    """Whether the bytes of a text in a code page are UTF-8 of more than ASCII; other letters are kept."""
    written = bytearray()
    for letter in text:
        try:
            written += letter.encode(code_page)
        except UnicodeEncodeError:
            if ord(letter) > 0xFF:
                return False
            written.append(ord(letter))
    try:
        return not written.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def shorten_name(name: str) -> str:
    """A name for a screen that others may see: family and given name whole, the rest as initials: `Nguyễn V. An`."""
    words = unicodedata.normalize("NFC", name).split()
    return " ".join([*words[:1], *(f"{word[0].upper()}." for word in words[1:-1]), *words[1:][-1:]])


def _without_marks(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
