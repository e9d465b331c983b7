"""The pricing authority of a facility, set by two persons from a day on, and the price differences.

Source: docs/design.md §6, Pricing authority; the two-person rule of domain/actor.py.
"""

from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import FacilityId, OrganizationId
from billing.coverage.domain.pricing_authority import (
    ALL_DIFFERENCES,
    DifferenceFilter,
    FacilityPricing,
    PricingAuthority,
)
from billing.coverage.service.context import PricingContext
from billing.coverage.service.facility_settings import ProposedSetting, SettingScope, propose_setting
from billing.coverage.store.pricing_settings import (
    ListedDifference,
    NewPricing,
    PricingSetting,
    add_pricing,
    read_differences,
    read_pricings,
)
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.service.approvals import with_approvals
from billing.organizations.service.facilities import require_facility

__all__ = [
    "VENDOR_LENGTH_MAX",
    "ListedDifference",
    "PricingSetting",
    "SettingScope",
    "find_pricing",
    "list_differences",
    "list_pricings",
    "propose_pricing",
]

VENDOR_LENGTH_MAX = 100


async def propose_pricing(
    context: PricingContext,
    organization_id: OrganizationId,
    scope: SettingScope,
    setting: FacilityPricing,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Propose whose amounts a facility collects for visits admitted from a day on. Holds once another person approves.

    Raises NotFound, InvalidValue, PersonNeeded, or idempotency errors.
    """
    require_person(actor)
    if len(setting.vendor) > VENDOR_LENGTH_MAX or not setting.vendor.isprintable():
        raise InvalidValue(f"vendor is at most {VENDOR_LENGTH_MAX} printable characters", field="vendor")
    if setting.authority is PricingAuthority.HIS and not setting.vendor:
        raise InvalidValue("name the vendor whose amounts are collected", field="vendor")

    async def add(tx: Transaction, pricing_id: UUID, facility_id: FacilityId) -> None:
        new = NewPricing(id=pricing_id, facility_id=facility_id, valid_from=scope.valid_from, setting=setting)
        await add_pricing(tx, new)

    content = {
        "authority": setting.authority.value,
        "vendor": setting.vendor,
        "price_day": setting.price_day.value,
    }
    proposed = ProposedSetting(kind=ApprovalKind.FACILITY_PRICING, scope=scope, content=content, add=add)
    return await propose_setting(context, organization_id, proposed, actor=actor, request=request)


async def find_pricing(context: PricingContext, organization_id: OrganizationId, pricing_id: UUID) -> PricingSetting:
    """One setting with who proposed and approved it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await with_approvals(
            tx, ApprovalKind.FACILITY_PRICING, await read_pricings(tx, limit=1, pricing_id=pricing_id)
        )
    if not rows:
        raise NotFound("no such setting", field="pricing_id")
    return rows[0]


async def list_pricings(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    after: UUID | None = None,
    limit: int,
    facility_code: str | None = None,
) -> list[PricingSetting]:
    """Settings and proposals of a facility or all, the newest first. Raises NotFound for the facility."""
    async with context.database.transaction(organization_id) as tx:
        if facility_code is not None:
            await require_facility(tx, facility_code, field="facility")
        rows = await read_pricings(tx, after=after, limit=limit, facility_code=facility_code)
        return await with_approvals(tx, ApprovalKind.FACILITY_PRICING, rows)


async def list_differences(
    context: PricingContext,
    organization_id: OrganizationId,
    wanted: DifferenceFilter = ALL_DIFFERENCES,
    *,
    after: UUID | None = None,
    limit: int,
) -> list[ListedDifference]:
    """Where the hospital's system and we differ on an issued invoice, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        return await read_differences(tx, wanted, after=after, limit=limit)
