"""Closing of the books alone, for tests of the ledger: without statements, shifts and exceptions.

`billing/reconciliation/service/close_day.py` is the way in which the product closes a day.
"""

from datetime import date

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.ledger.service.close_day import DayIncomplete, list_blockers, lock_day_to_close, write_closing
from billing.ledger.store.days import DayClosing


async def close_books(context: Context, organization_id: OrganizationId, day: date, *, actor: Actor) -> DayClosing:
    """Close a day as the use case does, with the conditions of the ledger only."""
    async with context.database.transaction(organization_id) as tx:
        await lock_day_to_close(tx, context, day)
        reasons = await list_blockers(tx, day)
        if reasons:
            raise DayIncomplete(reasons)
        return await write_closing(tx, context, day, actor=actor)
