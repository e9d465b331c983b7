"""The rule of two persons: one proposes, another approves. Humans are compared, never keys or rows.

Two rows with one name are one human: a person is easily added twice, by mistake or on purpose, with an extra space, a
zero-width character or another form of a letter. `name_key`, which the database computes (migration 0021), defines how
names are compared; the database checks every recorded approval by the same rule. Source: docs/design.md §3.5.
"""

import unicodedata
from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, Refused
from billing.core.ids import PersonId

PERSON_NAME_MAX = 200
_LETTERS_WITHOUT_BASE = frozenset("đĐßẞøØæÆœŒłŁþÞ")
_ALSO_READABLE = frozenset("’‘–")
_ETH = str.maketrans("Ðð", "Đđ")  # old keyboards and fonts write one for the other
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
_INVISIBLE = frozenset(_FILLERS) | {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
"""Invisible characters whose category is not Cf (Unicode: Default_Ignorable_Code_Point)."""


class PersonNeeded(Refused):
    """A rule of two persons cannot be satisfied by a caller that acts for no person."""

    code = "person_needed"


class SecondPersonRequired(Refused):
    """One person attempted a decision of two persons; neither their keys nor the spelling of their name matter."""

    code = "second_person_required"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a rule of two persons compares them."""

    id: PersonId
    name_key: str


def require_person(actor: Actor) -> PersonId:
    """The person that the caller acts for. Raises PersonNeeded."""
    if actor.person is None:
        raise PersonNeeded("this is for a person to decide: use a key that acts for one")
    return actor.person


def require_two_humans(first: Person, second: Person) -> PersonId:
    """The approver, who must be another human than the proposer. Raises SecondPersonRequired."""
    if second.id == first.id or second.name_key == first.name_key:
        raise SecondPersonRequired("the person who proposed this cannot approve it; another person must")
    return second.id


def person_name(text: str) -> str:
    """The name of a person as stored: composed, without invisible characters, single spaces.

    Letters are Latin, so that no similar letter of another script is accepted. Raises InvalidValue.
    """
    visible = "".join(each for each in text if unicodedata.category(each) != "Cf" and each not in _INVISIBLE)
    name = " ".join(unicodedata.normalize("NFKC", visible).translate(_ETH).split())
    for letter in name:
        if not _is_readable(letter):
            raise InvalidValue(
                f"a person's name is written in Latin letters, digits and plain signs; it holds U+{ord(letter):04X}",
                field="person",
            )
    if not any(letter.isalnum() for letter in name) or len(name) > PERSON_NAME_MAX:
        raise InvalidValue(
            f"a person's name has 1 to {PERSON_NAME_MAX} characters, one letter at least", field="person"
        )
    return name


def _is_readable(letter: str) -> bool:
    if letter.isascii():
        return letter.isprintable()
    taken_apart = unicodedata.normalize("NFD", letter)
    if len(taken_apart) > 1:
        return taken_apart[0].isascii() and taken_apart[0].isalpha()
    return letter in _LETTERS_WITHOUT_BASE or letter in _ALSO_READABLE
