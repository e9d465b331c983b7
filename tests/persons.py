"""Two persons with keys, for what one person may not do alone."""

from collections.abc import Sequence

from billing.core.actor import Actor, Role
from billing.core.ids import OrganizationId
from billing.db.context import Ids
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.api_keys import authenticate
from billing.organizations.service.setup import Setup
from billing.payments.service.context import PaymentContext
from tests.conftest import DatabaseAddress


async def give_keys(
    database: DatabaseAddress,
    context: PaymentContext,
    *persons: tuple[str, str],
    roles: Sequence[Role] = (Role.FINANCE,),
    organization: int = 1,
) -> list[str]:
    """Keys by (name of the key, name of its person), in their order."""
    owner = await Database.open(database.owner_url, limits=DatabaseLimits(connections_max=1))
    try:
        setup = Setup(owner, context.clock, Ids(context.clock))
        return [
            await setup.add_key(OrganizationId(organization), person_name=person, name=name, roles=list(roles))
            for name, person in persons
        ]
    finally:
        await owner.close()


async def actors(database: DatabaseAddress, context: PaymentContext, *persons: tuple[str, str]) -> list[Actor]:
    """Who acts with such keys."""
    return [(await authenticate(context, key)).actor for key in await give_keys(database, context, *persons)]
