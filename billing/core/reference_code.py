"""The reference code in a transfer text: its format, and the search for it.

Nine characters of 31 that are not easily confused: two of the organization, six random, one check character. The check
is Σ i·value(cᵢ) ≡ 0 (mod 31), i = 1 … 9. As 31 is prime and greater than 9, one wrong character changes the sum by i·(a
− b) and two exchanged characters by (i − j)·(a − b); neither can be 0, so both are always detected. The caller decides
whether a code was ever issued, and the result of none or two. Source: docs/design.md §8.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from operator import mul
from typing import NewType

from billing.core.errors import InvalidValue, Refused
from billing.core.text import transliterate, upper_without_marks

ReferenceCode = NewType("ReferenceCode", str)

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
PREFIX_LENGTH = 2
RANDOM_LENGTH = 6
CODE_LENGTH = PREFIX_LENGTH + RANDOM_LENGTH + 1
RANDOM_NUMBERS = len(ALPHABET) ** RANDOM_LENGTH
"""The number of codes of one prefix: a random number is 0 … RANDOM_NUMBERS − 1."""
PREFIXES = len(ALPHABET) ** PREFIX_LENGTH
PURPOSE_LENGTH_MAX = 25
"""Longest transfer text that every bank transmits whole (NAPAS field 62-08)."""
TRANSFER_TEXT_LENGTH_MAX = 2_000
"""Longer than any bank's narrative; a longer text is not searched."""

_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_LETTERS = frozenset(ALPHABET)
_REMOVED_WHEN_REJOINED = re.compile(r"[^A-Z0-9]+")


class PrefixesExhausted(Refused):
    """All 961 prefixes are assigned, and none is ever assigned to a second organization."""

    code = "reference_prefixes_exhausted"


def prefix_of(number: int) -> str:
    """The two characters of the n-th prefix, counted from 0: `ZZ`, `ZY` … `23`, `22`.

    Letters are assigned first, since a prefix of two digits sometimes occurs inside account numbers. Raises
    PrefixesExhausted from 961 on, InvalidValue below 0.
    """
    if number < 0:
        raise InvalidValue("a prefix is counted from 0", field="prefix")
    if number >= PREFIXES:
        raise PrefixesExhausted(f"all {PREFIXES} prefixes of reference codes are given out", field="prefix")
    return _in_base_31(PREFIXES - 1 - number, PREFIX_LENGTH)


def reference_code(prefix: str, random_number: int) -> ReferenceCode:
    """Build the code of one prefix and one random number, `K7ABCDEFR` for `K7` and the number written `ABCDEF`.

    `random_number` is 0 … RANDOM_NUMBERS − 1; the database decides whether the code is still free.
    """
    if len(prefix) != PREFIX_LENGTH or not _is_of_alphabet(prefix):
        raise InvalidValue(f"a prefix has {PREFIX_LENGTH} characters of {ALPHABET}", field="prefix")
    if not 0 <= random_number < RANDOM_NUMBERS:
        raise InvalidValue(f"a random number is from 0 to {RANDOM_NUMBERS - 1}", field="random_number")
    body = prefix + _in_base_31(random_number, RANDOM_LENGTH)
    return ReferenceCode(body + check_character(body))


def check_character(body: str) -> str:
    """The ninth character that makes the weighted sum of the first eight a multiple of 31."""
    if len(body) != CODE_LENGTH - 1 or not _is_of_alphabet(body):
        raise InvalidValue(f"{CODE_LENGTH - 1} characters of {ALPHABET} are needed", field="reference")
    inverse = pow(CODE_LENGTH, -1, len(ALPHABET))
    return ALPHABET[-_weighted_sum(body) * inverse % len(ALPHABET)]


def is_reference_code(text: str) -> bool:
    """Whether a text has the format of a code and a valid check character, issued or not."""
    return len(text) == CODE_LENGTH and _is_of_alphabet(text) and _weighted_sum(text) % len(ALPHABET) == 0


def purpose_text(code: ReferenceCode, words: str = "VIEN PHI") -> str:
    """The transfer text of a payment: the code first, then plain text, at most 25 ASCII characters.

    The code is first because banks cut at the end.
    """
    return f"{code} {transliterate(words).upper()}"[:PURPOSE_LENGTH_MAX].rstrip()


@dataclass(frozen=True, slots=True)
class Grammar:
    """The format of codes: one of the prefixes, then `body_length` characters of `alphabet`.

    `holds` checks a whole code if the grammar has a check character.
    """

    prefixes: frozenset[str]
    body_length: int
    alphabet: frozenset[str]
    holds: Callable[[str], bool] | None = None
    _shapes: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.prefixes or "" in self.prefixes or not self.alphabet or self.body_length < 1:
            raise InvalidValue("a grammar needs a prefix, an alphabet and a body", field="grammar")
        object.__setattr__(
            self, "_shapes", tuple(self._shape(length) for length in sorted(set(map(len, self.prefixes))))
        )

    def find(self, text: str) -> Iterator[str]:
        """Every code of an upper-case text, at every offset, overlapping, in order."""
        found: list[tuple[int, str]] = []
        for shape in self._shapes:
            match = shape.search(text)
            while match is not None:
                found.append((match.start(), match[0]))
                match = shape.search(text, match.start() + 1)
        if len(self._shapes) > 1:
            found.sort(key=lambda place: (place[0], len(place[1])))
        return (code for _, code in found if self.holds is None or self.holds(code))

    def _shape(self, prefix_length: int) -> re.Pattern[str]:
        """A code with a prefix of this length; a search goes on one character after a match, as codes may overlap."""
        prefixes = "|".join(sorted(re.escape(prefix) for prefix in self.prefixes if len(prefix) == prefix_length))
        alphabet = "".join(sorted(re.escape(letter) for letter in self.alphabet))
        return re.compile(f"(?:{prefixes})[{alphabet}]{{{self.body_length}}}")


def organization_grammar(prefixes: Iterable[str]) -> Grammar:
    """The grammar of our own codes for an organization's prefixes."""
    return Grammar(
        prefixes=frozenset(prefixes),
        body_length=CODE_LENGTH - PREFIX_LENGTH,
        alphabet=frozenset(ALPHABET),
        holds=is_reference_code,
    )


_ANY_PREFIX = Grammar(
    prefixes=frozenset(ALPHABET), body_length=CODE_LENGTH - 1, alphabet=frozenset(ALPHABET), holds=is_reference_code
)


def may_name_code(content: str) -> bool:
    """Whether a transfer text contains a code of any prefix, with or without spaces and signs in it.

    Some texts do by accident: for a caller that then reads the organization's prefixes again.
    """
    extraction = extract_codes(content, _ANY_PREFIX)
    return bool(extraction.codes)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The codes of a transfer text, distinct and in order.

    `rejoined`: they were found only after spaces and signs were removed. Two pieces may be adjacent by accident, so the
    amount must then equal the amount due.
    """

    codes: tuple[str, ...]
    rejoined: bool


def extract_codes(content: str, grammar: Grammar) -> Extraction:
    """Find every code of a transfer text, at any position and next to any characters.

    Checks every offset, overlapping. Only if nothing is found, everything outside A–Z and 0–9 is removed and the search
    repeated. Never guesses: a cut or mistyped code is not found. A text of more than TRANSFER_TEXT_LENGTH_MAX
    characters is no bank's narrative and returns no code, so that a person decides.
    """
    if len(content) > TRANSFER_TEXT_LENGTH_MAX:
        return Extraction((), rejoined=False)
    text = upper_without_marks(content)
    codes = tuple(dict.fromkeys(grammar.find(text)))
    if codes:
        return Extraction(codes, rejoined=False)
    joined = _REMOVED_WHEN_REJOINED.sub("", text)
    found = tuple(dict.fromkeys(grammar.find(joined)))
    return Extraction(found, rejoined=bool(found))


def rejoined_codes(content: str, grammar: Grammar) -> tuple[str, ...]:
    """The codes found after everything outside A–Z and 0–9 is removed.

    For a caller whose direct codes were never issued.
    """
    if len(content) > TRANSFER_TEXT_LENGTH_MAX:
        return ()
    text = upper_without_marks(content)
    return tuple(dict.fromkeys(grammar.find(_REMOVED_WHEN_REJOINED.sub("", text))))


def _weighted_sum(text: str) -> int:
    return sum(map(mul, map(_VALUES.__getitem__, text), count(1)))


def _is_of_alphabet(text: str) -> bool:
    return _LETTERS.issuperset(text)


def _in_base_31(number: int, length: int) -> str:
    letters = ""
    for _ in range(length):
        number, value = divmod(number, len(ALPHABET))
        letters = ALPHABET[value] + letters
    return letters
