"""Humans are compared, never keys or rows; who acts for nobody decides nothing; names are written readably."""

import unicodedata
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.approvals import (
    Person,
    PersonNeeded,
    SecondPersonRequired,
    person_name,
    require_person,
    require_two_humans,
)
from billing.core.errors import InvalidValue
from billing.core.ids import ApiKeyId, PersonId

A, B = PersonId(UUID(int=1)), PersonId(UUID(int=2))


def test_second_person_is_another_row_and_another_name() -> None:
    assert require_two_humans(Person(A, "a"), Person(B, "b")) == B
    for second in (Person(A, "a"), Person(A, "b"), Person(B, "a")):
        with pytest.raises(SecondPersonRequired):
            require_two_humans(Person(A, "a"), second)


def test_who_acts_for_nobody_decides_nothing() -> None:
    assert require_person(Actor.key(ApiKeyId(UUID(int=3)), acting_for=A)) == A
    with pytest.raises(PersonNeeded):
        require_person(Actor.system())


@pytest.mark.parametrize("name", ["Nguyễn Thị Đào", "Thu ngân 2", "O'Brien (BS.)", "Ngọc-Lan Müller", "Å. Øst"])
def test_name_is_stored_composed_with_single_spaces_and_nothing_invisible(name: str) -> None:
    written = "\u200b\u00a0" + unicodedata.normalize("NFD", name).replace(" ", "\u2003 \u2066") + "\u202e\t"

    assert person_name(written) == name


@pytest.mark.parametrize(
    "name", ["", " ", "\u200b\u2060", "...", "Nguyễn \u0410", "Ìván \u03a1", "A\x00", "A\u0336", "\u3164", "a" * 201]
)
def test_name_without_letters_or_in_letters_that_look_like_others_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue):
        person_name(name)
