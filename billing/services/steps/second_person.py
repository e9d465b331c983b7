"""The second person of a decision, looked up and compared with the first in the transaction that records it."""

from billing.domain.actor import Actor
from billing.domain.ids import PersonId
from billing.domain.two_persons import require_person, require_two_humans
from billing.storage.access import read_persons
from billing.storage.database import Transaction


async def require_second_person(tx: Transaction, first: PersonId, actor: Actor) -> PersonId:
    """The person who approves what `first` proposed: another row and another name. Raises SamePerson, PersonNeeded."""
    second = require_person(actor)
    persons = await read_persons(tx, {first, second})
    return require_two_humans(persons[first], persons[second])
