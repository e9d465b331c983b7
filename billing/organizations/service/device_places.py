"""Where a screen or page without a person stands. Use cases."""

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.organizations.store.organizations import Place, read_is_training, read_place


async def find_place(context: Context, organization_id: OrganizationId, facility_code: str) -> Place:
    """The name of a facility and whether its organization only practises. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        place = await read_place(tx, facility_code)
    if place is None:
        raise NotFound("no such facility", field="facility_code")
    return place


async def find_is_training(context: Context, organization_id: OrganizationId) -> bool:
    """Whether an organization only practises."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_is_training(tx)
