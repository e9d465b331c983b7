"""The deposit settings of a facility: the type of its advances in tax documents, when a ward requests more, and until
when a payer may request the return of an excess.
"""

from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.context import Context
from billing.ledger.service.audit import note
from billing.organizations.service.facilities import require_facility
from billing.payments.domain.deposit import AdvanceType
from billing.visit_accounts.store.deposit_settings import DepositSettings, save_deposit_settings

RETURN_DAYS_MAX = 3650
"""The longest term, in days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSettings:
    """The settings that are given; None keeps one. 0 `return_days` end the term in which an excess is returned."""

    advance_type: AdvanceType | None = None
    threshold: Dong | None = None
    return_days: int | None = None


async def set_deposit_settings(
    context: Context,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    changed: ChangedSettings,
    actor: Actor,
) -> DepositSettings:
    """Set the advance type of the intents and receipts that are made from now on, and the threshold of deposits.

    Returns all of them. `return_days` is the term in which the payer of an excess may request its return: no law that
    we know states one. Raises NotFound, InvalidValue. Source:
    docs/reference/hospital-money.md, M-003, C-001.
    """
    if changed.return_days is not None and not 0 <= changed.return_days <= RETURN_DAYS_MAX:
        raise InvalidValue(f"a term has 1 to {RETURN_DAYS_MAX} days; 0 is no term", field="return_days")
    async with context.database.transaction(organization_id) as tx:
        facility_id = await require_facility(tx, facility_code)
        settings = await save_deposit_settings(
            tx, facility_id, changed.advance_type, changed.threshold, changed.return_days
        )
        await note(tx, context, actor, "deposit_settings_changed", ("facility", facility_id))
    return settings
