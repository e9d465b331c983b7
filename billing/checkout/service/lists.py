"""Lists of payment intents, the newest first."""

from billing.checkout.domain.intent_details import IntentFilter, ListedIntent
from billing.checkout.store.intents import read_intents
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context


async def list_intents(
    context: Context, organization_id: OrganizationId, part: ListSlice, wanted: IntentFilter
) -> list[ListedIntent]:
    """A slice of the intents that are wanted."""
    async with context.database.transaction(organization_id) as tx:
        return await read_intents(tx, part, wanted)
