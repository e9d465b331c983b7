"""What one person proposes, another approves: persons are compared, never their keys. Source: domain/actor.py."""

from billing.domain.actor import Actor
from billing.domain.errors import Refused
from billing.domain.ids import PersonId


class PersonNeeded(Refused):
    """A rule of two persons cannot be kept by a caller that acts for nobody."""

    code = "person_needed"


class SamePerson(Refused):
    """What needs two persons was asked for by one; their keys do not matter."""

    code = "same_person"


def require_person(actor: Actor) -> PersonId:
    """Whom the caller acts for. Raises PersonNeeded."""
    if actor.person is None:
        raise PersonNeeded("this is for a person to decide: use a key that acts for one")
    return actor.person


def require_second_person(first: PersonId, actor: Actor) -> PersonId:
    """The one who approves, who must be another than the one who proposed. Raises SamePerson, PersonNeeded."""
    second = require_person(actor)
    if second == first:
        raise SamePerson("whoever proposed this cannot approve it: it takes a second person")
    return second
