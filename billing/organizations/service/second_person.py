"""The second person of a decision, looked up and compared with the first in the transaction that records it."""

from billing.core.actor import Actor
from billing.core.approvals import require_person, require_two_humans
from billing.core.ids import PersonId
from billing.db.database import Transaction
from billing.organizations.store.api_keys import read_persons


async def require_second_person(tx: Transaction, first: PersonId, actor: Actor) -> PersonId:
    """The person who approves what `first` proposed: another row and another name. Raises SamePerson, PersonNeeded."""
    second = require_person(actor)
    persons = await read_persons(tx, {first, second})
    return require_two_humans(persons[first], persons[second])
