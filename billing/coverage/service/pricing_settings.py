"""The pricing authority of a facility, set by two persons from a day on, and the price differences.

Source: docs/design.md §6, Pricing authority; the two-person rule of domain/actor.py.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import InvoiceId, OrganizationId, VisitId
from billing.coverage.domain.pricing_authority import FacilityPricing, PricingAuthority
from billing.coverage.service.context import PricingContext
from billing.coverage.store.pricing_settings import (
    NewPricing,
    add_pricing,
    read_differences,
    read_pricings,
)
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.organizations.domain.approval import ApprovalKind
from billing.organizations.service.approvals import propose, read_latest_approvals
from billing.organizations.store.organizations import find_facility

VENDOR_LENGTH_MAX = 100


async def propose_pricing(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    facility_code: str,
    valid_from: date,
    setting: FacilityPricing,
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
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        facility_id = await find_facility(tx, facility_code)
        if facility_id is None:
            raise NotFound(f"facility {facility_code} is not of this organization", field="facility")
        pricing_id = context.ids.new()
        new = NewPricing(id=pricing_id, facility_id=facility_id, valid_from=valid_from, setting=setting)
        await add_pricing(tx, new)
        payload = {
            "facility": facility_code,
            "valid_from": valid_from.isoformat(),
            "authority": setting.authority.value,
            "vendor": setting.vendor,
            "price_day": setting.price_day.value,
        }
        await propose(tx, context, ApprovalKind.FACILITY_PRICING, pricing_id, payload=payload, actor=actor)
        await save_result(tx, request, [pricing_id], now=context.clock())
    return pricing_id


async def find_pricing(context: PricingContext, organization_id: OrganizationId, pricing_id: UUID) -> Mapping[str, Any]:
    """One setting with who proposed and approved it. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        rows = await _with_approvals(tx, await read_pricings(tx, limit=1, pricing_id=pricing_id))
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
) -> list[Mapping[str, Any]]:
    """Settings and proposals of a facility or all, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        rows = await read_pricings(tx, after=after, limit=limit, facility_code=facility_code)
        return await _with_approvals(tx, rows)


async def _with_approvals(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    approvals = await read_latest_approvals(tx, ApprovalKind.FACILITY_PRICING, [row["id"] for row in rows])
    return [{**row, "approval": approvals.get(row["id"])} for row in rows]


async def list_differences(
    context: PricingContext,
    organization_id: OrganizationId,
    *,
    after: UUID | None = None,
    limit: int,
    invoice_id: UUID | None = None,
    visit_id: UUID | None = None,
    field: str | None = None,
    vendor: str | None = None,
) -> list[Mapping[str, Any]]:
    """Where the hospital's system and we differ on an issued invoice, the newest first."""
    async with context.database.transaction(organization_id) as tx:
        return await read_differences(
            tx,
            after=after,
            limit=limit,
            invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
            visit_id=None if visit_id is None else VisitId(visit_id),
            field=field,
            vendor=vendor,
        )
