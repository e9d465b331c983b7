"""Read the balance of a visit, or those of the visits of a ward. Source: docs/visit-accounts.md, Ward view."""

from billing.core.ids import OrganizationId, VisitId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.visit_accounts.domain.account import require_account
from billing.visit_accounts.domain.balance import AccountBalance
from billing.visit_accounts.store.balances import WardFilter, read_balance, read_balances

__all__ = ["WardFilter", "find_balance", "list_ward_accounts"]


async def find_balance(context: Context, organization_id: OrganizationId, visit_id: VisitId) -> AccountBalance:
    """The balance of a visit. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return require_account(await read_balance(tx, visit_id, at=context.clock()))


async def list_ward_accounts(
    context: Context, organization_id: OrganizationId, part: ListSlice, wanted: WardFilter
) -> list[AccountBalance]:
    """The balances of visits by facility, department and state, the newest visit first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_balances(tx, part, wanted, at=context.clock())
