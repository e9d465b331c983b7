"""Updates the stored clearance of visits whose deposit a callback changed, in periodic rounds of the worker.

A callback is booked below the visit accounts and does not compute the clearance of the visit. Source:
docs/visit-accounts.md, Clearance of orders.
"""

from functools import partial

from billing.core.ids import OrganizationId, VisitId
from billing.db.context import Context
from billing.db.rounds import run_each
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.store.accounts import lock_account
from billing.visit_accounts.store.charges import lock_charges
from billing.visit_accounts.store.clearance import find_visits_to_clear

UPDATED_MAX = 200
"""Visits whose clearance one round updates."""


async def update_clearances_once(context: Context, organization_id: OrganizationId) -> int:
    """Update the clearance of visits whose deposit changed since, each in its own transaction; returns their number.

    Raises the first failure of a visit, after the others are updated.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        visits = await find_visits_to_clear(tx, at_most=UPDATED_MAX)
    return await run_each("clearance", visits, partial(_update, context, organization_id))


async def _update(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> int:
    async with context.database.transaction(organization_id) as tx:
        account = await lock_account(tx, visit_id)
        if account is None or account.state is not AccountState.OPEN:
            return 0
        await lock_charges(tx, visit_id)
        result = await update_clearance(tx, context, visit_id)
    if result.cleared or result.withdrawn:
        context.publish_change(organization_id)
    return 1
