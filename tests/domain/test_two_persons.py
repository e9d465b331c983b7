"""Persons are compared, never keys; who acts for nobody decides nothing."""

from uuid import UUID

import pytest

from billing.domain.actor import Actor
from billing.domain.ids import ApiKeyId, PersonId
from billing.domain.two_persons import PersonNeeded, SamePerson, require_person, require_second_person

A, B = PersonId(UUID(int=1)), PersonId(UUID(int=2))


def _key(number: int, person: PersonId) -> Actor:
    return Actor.key(ApiKeyId(UUID(int=number)), acting_for=person)


def test_second_person_is_another_person() -> None:
    assert require_second_person(A, _key(3, B)) == B
    for key in (3, 4):
        with pytest.raises(SamePerson):
            require_second_person(A, _key(key, A))


def test_who_acts_for_nobody_decides_nothing() -> None:
    assert require_person(_key(3, A)) == A
    with pytest.raises(PersonNeeded):
        require_person(Actor.system())
    with pytest.raises(PersonNeeded):
        require_second_person(A, Actor.system())
