"""The provider accounts by which a desk can show a payment code."""

from billing.core.ids import OrganizationId
from billing.organizations.service.context import AccountUnusable, OrganizationContext
from billing.organizations.store.organizations import read_account_names
from providers.contract import Inquiries, LocalQr


async def list_code_accounts(context: OrganizationContext, organization_id: OrganizationId) -> list[str]:
    """The names of active accounts, those first whose codes are built here without a call and take part amounts.

    An account that cannot be built is left out.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        names = await read_account_names(tx)
    local: list[str] = []
    remote: list[str] = []
    for name in names:
        try:
            account = await context.accounts.find(organization_id, name)
        except AccountUnusable:
            continue
        if account is None or not account.is_active:
            continue
        is_local = isinstance(account.provider, LocalQr) and not isinstance(account.provider, Inquiries)
        (local if is_local else remote).append(name)
    return [*local, *remote]
