"""What one person proposes, another approves: humans are compared, never keys or rows. Source: docs/design.md §3.5.

Two rows of one name are one human: by mistake or by intent a person is easily added twice, once with a space, a
zero-width or another form of a letter more. How names are compared is `name_key`, which the database computes
(migration 0021); it guards every recorded approval by the same rule.
"""

import unicodedata
from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, Refused
from billing.core.ids import PersonId

PERSON_NAME_MAX = 200
_LETTERS_WITHOUT_BASE = frozenset("đĐßẞøØæÆœŒłŁþÞ")
_ALSO_READABLE = frozenset("’‘–")
_ETH = str.maketrans("Ðð", "Đđ")  # old keyboards and fonts write the one for the other
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
_INVISIBLE = frozenset(_FILLERS) | {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
"""Characters that show nothing though their category is not Cf (Unicode: Default_Ignorable_Code_Point)."""


class PersonNeeded(Refused):
    """A rule of two persons cannot be kept by a caller that acts for nobody."""

    code = "person_needed"


class SamePerson(Refused):
    """One person attempted what two must decide; neither their keys nor the way their name is written matter."""

    code = "same_person"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a rule of two persons compares them."""

    id: PersonId
    name_key: str


def require_person(actor: Actor) -> PersonId:
    """Whom the caller acts for. Raises PersonNeeded."""
    if actor.person is None:
        raise PersonNeeded("this is for a person to decide: use a key that acts for one")
    return actor.person


def require_two_humans(first: Person, second: Person) -> PersonId:
    """The one who approves, who must be another human than the one who proposed. Raises SamePerson."""
    if second.id == first.id or second.name_key == first.name_key:
        raise SamePerson("whoever proposed this cannot approve it: it takes a second person")
    return second.id


def person_name(text: str) -> str:
    """The name of a person as it is stored: composed, without invisible characters, single spaces.

    Letters are Latin, so that no other letter can pass for one of them. Raises InvalidValue.
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
