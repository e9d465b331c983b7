"""The deposit settings of a facility: the type of its advances in tax documents, and when a ward requests more."""

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.context import Context
from billing.ledger.service.audit import note
from billing.organizations.service.facilities import require_facility
from billing.payments.domain.deposit import AdvanceType
from billing.visit_accounts.store.deposit_settings import DepositSettings, save_deposit_settings


async def set_deposit_settings(
    context: Context,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    advance_type: AdvanceType | None = None,
    threshold: Dong | None = None,
    actor: Actor,
) -> DepositSettings:
    """Set the advance type of the intents and receipts that are made from now on, and the threshold of deposits.

    None keeps a setting; returns all of them. Raises NotFound. Source: docs/reference/hospital-money.md, M-003, C-001.
    """
    async with context.database.transaction(organization_id) as tx:
        facility_id = await require_facility(tx, facility_code)
        settings = await save_deposit_settings(tx, facility_id, advance_type, threshold)
        await note(tx, context, actor, "deposit_settings_changed", ("facility", facility_id))
    return settings
