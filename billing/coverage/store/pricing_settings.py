"""Who decides a facility's amounts, from which day on; and the list where two tellings of an amount differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing.core.ids import FacilityId, InvoiceId, PersonId, VisitId
from billing.coverage.domain.pricing_authority import FacilityPricing, PriceDay, PriceDifference, PricingAuthority
from billing.db.arrays import columns
from billing.db.database import Transaction

_ADD_PRICING = """
    INSERT INTO facility_pricing (organization_id, id, facility_id, valid_from, authority, price_day, vendor,
        proposed_by, proposed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPricing:
    """A setting as one person proposes it."""

    id: UUID
    facility_id: FacilityId
    valid_from: date
    setting: FacilityPricing
    proposed_by: PersonId
    proposed_at: datetime


async def add_pricing(tx: Transaction, new: NewPricing) -> None:
    """Keep a proposal; it holds for nothing until another person approves it."""
    await tx.execute(
        _ADD_PRICING,
        tx.organization_id,
        new.id,
        new.facility_id,
        new.valid_from,
        new.setting.authority.value,
        new.setting.price_day.value,
        new.setting.vendor,
        new.proposed_by,
        new.proposed_at,
    )


_LOCK_PRICING = """
    SELECT proposed_by, approved_by FROM facility_pricing WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def lock_pricing(tx: Transaction, pricing_id: UUID) -> tuple[PersonId, PersonId | None] | None:
    """Who proposed and who approved a setting, its row held; None where there is none."""
    row = await tx.fetchrow(_LOCK_PRICING, tx.organization_id, pricing_id)
    return None if row is None else (row["proposed_by"], row["approved_by"])


_APPROVE_PRICING = """
    UPDATE facility_pricing SET approved_by = $3, approved_at = $4 WHERE organization_id = $1 AND id = $2
"""


async def approve_pricing(tx: Transaction, pricing_id: UUID, *, by: PersonId, at: datetime) -> None:
    """Let a locked setting hold from its day on."""
    await tx.execute(_APPROVE_PRICING, tx.organization_id, pricing_id, by, at)


_PRICING_ON = """
    SELECT authority, price_day, vendor FROM facility_pricing
    WHERE organization_id = $1 AND facility_id = $2 AND approved_by IS NOT NULL AND valid_from <= $3
    ORDER BY valid_from DESC, approved_at DESC, id DESC LIMIT 1
"""


async def read_pricing_on(tx: Transaction, facility_id: FacilityId, day: date) -> FacilityPricing | None:
    """The setting that holds on a day; of two from one day, the one approved later. None where nobody ever set one."""
    row = await tx.fetchrow(_PRICING_ON, tx.organization_id, facility_id, day)
    if row is None:
        return None
    return FacilityPricing(
        authority=PricingAuthority(row["authority"]), price_day=PriceDay(row["price_day"]), vendor=row["vendor"]
    )


_LIST_PRICINGS = """
    SELECT pricing.id, facility.code AS facility_code, pricing.valid_from, pricing.authority, pricing.price_day,
        pricing.vendor, pricing.proposed_at, pricing.approved_at, proposer.name AS proposed_by,
        approver.name AS approved_by
    FROM facility_pricing AS pricing
    JOIN facility ON facility.organization_id = $1 AND facility.id = pricing.facility_id
    JOIN person AS proposer ON proposer.organization_id = $1 AND proposer.id = pricing.proposed_by
    LEFT JOIN person AS approver ON approver.organization_id = $1 AND approver.id = pricing.approved_by
    WHERE pricing.organization_id = $1 AND ($2::uuid IS NULL OR pricing.id < $2)
        AND ($4::uuid IS NULL OR pricing.id = $4) AND ($5::text IS NULL OR facility.code = $5)
    ORDER BY pricing.id DESC LIMIT $3
"""


async def read_pricings(
    tx: Transaction,
    *,
    after: UUID | None = None,
    limit: int,
    pricing_id: UUID | None = None,
    facility_code: str | None = None,
) -> list[Mapping[str, Any]]:
    """Settings and proposals below `after`, the newest first; None filters nothing."""
    rows = await tx.fetch(_LIST_PRICINGS, tx.organization_id, after, limit, pricing_id, facility_code)
    return [dict(row) for row in rows]


_ADD_DIFFERENCES = """
    INSERT INTO price_difference (organization_id, id, facility_id, visit_id, invoice_id, source_table, stt, code,
        field, his_value, vienphi_value, rules, vendor, recorded_at)
    SELECT $1, id, $2, $3, $4, source_table, stt, code, field, his_value, vienphi_value, string_to_array(rules, ' '),
        $5, $6
    FROM unnest($7::uuid[], $8::text[], $9::int[], $10::text[], $11::text[], $12::numeric[], $13::numeric[],
        $14::text[])
        AS t (id, source_table, stt, code, field, his_value, vienphi_value, rules)
    ON CONFLICT (organization_id, visit_id, source_table, stt, field, his_value, vienphi_value) DO NOTHING
"""


async def add_differences(
    tx: Transaction,
    differences: Sequence[tuple[UUID, PriceDifference]],
    *,
    facility_id: FacilityId,
    visit_id: VisitId,
    invoice_id: InvoiceId,
    vendor: str,
    recorded_at: datetime,
) -> None:
    """List where an invoice was collected otherwise than we came to; what its visit has listed before is left out."""
    rows = [
        (
            each_id,
            each.item.table.value,
            each.item.number,
            each.item.code,
            each.field,
            each.theirs,
            each.ours,
            " ".join(each.rules),
        )
        for each_id, each in differences
    ]
    await tx.execute(
        _ADD_DIFFERENCES,
        tx.organization_id,
        facility_id,
        visit_id,
        invoice_id,
        vendor,
        recorded_at,
        *columns(rows, 8),
    )


_LIST_DIFFERENCES = """
    SELECT one.id, facility.code AS facility_code, one.visit_id, visit.ma_lk, one.invoice_id,
        invoice.number AS invoice_number, one.source_table, one.stt, one.code, one.field, one.his_value,
            one.vienphi_value,
        one.rules, one.vendor, one.recorded_at
    FROM price_difference AS one
    JOIN facility ON facility.organization_id = $1 AND facility.id = one.facility_id
    JOIN visit ON visit.organization_id = $1 AND visit.id = one.visit_id
    JOIN invoice ON invoice.organization_id = $1 AND invoice.id = one.invoice_id
    WHERE one.organization_id = $1 AND ($2::uuid IS NULL OR one.id < $2)
        AND ($4::uuid IS NULL OR one.invoice_id = $4) AND ($5::uuid IS NULL OR one.visit_id = $5)
        AND ($6::text IS NULL OR one.field = $6) AND ($7::text IS NULL OR one.vendor = $7)
    ORDER BY one.id DESC LIMIT $3
"""


async def read_differences(
    tx: Transaction,
    *,
    after: UUID | None,
    limit: int,
    invoice_id: InvoiceId | None = None,
    visit_id: VisitId | None = None,
    field: str | None = None,
    vendor: str | None = None,
) -> list[Mapping[str, Any]]:
    """Differences below `after`, the newest first; None filters nothing."""
    rows = await tx.fetch(_LIST_DIFFERENCES, tx.organization_id, after, limit, invoice_id, visit_id, field, vendor)
    return [dict(row) for row in rows]
