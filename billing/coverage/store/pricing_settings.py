"""The pricing authority of a facility from a day on, and the list of price differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from billing.core.ids import FacilityId, InvoiceId, VisitId
from billing.coverage.domain.pricing_authority import (
    DifferenceFilter,
    FacilityPricing,
    PriceDay,
    PriceDifference,
    PricingAuthority,
)
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.organizations.domain.approval import Approval

_ADD_PRICING = """
    INSERT INTO facility_pricing (organization_id, id, facility_id, valid_from, authority, price_day, vendor)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPricing:
    """A setting as one person proposes it."""

    id: UUID
    facility_id: FacilityId
    valid_from: date
    setting: FacilityPricing


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
    )


_PRICING_ON = """
    SELECT pricing.authority, pricing.price_day, pricing.vendor FROM facility_pricing AS pricing
    JOIN approval ON approval.organization_id = $1 AND approval.kind = 'facility_pricing'
        AND approval.subject_id = pricing.id AND approval.state = 'approved'
    WHERE pricing.organization_id = $1 AND pricing.facility_id = $2 AND pricing.valid_from <= $3
    ORDER BY pricing.valid_from DESC, approval.decided_at DESC, pricing.id DESC LIMIT 1
"""


async def read_pricing_on(tx: Transaction, facility_id: FacilityId, day: date) -> FacilityPricing | None:
    """The setting that holds on a day; of two from one day, the one approved later. None where nobody ever set one."""
    row = await tx.fetchrow(_PRICING_ON, tx.organization_id, facility_id, day)
    if row is None:
        return None
    return FacilityPricing(
        authority=PricingAuthority(row["authority"]), price_day=PriceDay(row["price_day"]), vendor=row["vendor"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingSetting:
    """Whose amounts a facility collects from a day on, or a proposal of it; `approval` is read by the service."""

    id: UUID
    facility_code: str
    valid_from: date
    authority: PricingAuthority
    price_day: PriceDay
    vendor: str
    approval: Approval | None = None


_LIST_PRICINGS = """
    SELECT pricing.id, facility.code AS facility_code, pricing.valid_from, pricing.authority, pricing.price_day,
        pricing.vendor
    FROM facility_pricing AS pricing
    JOIN facility ON facility.organization_id = $1 AND facility.id = pricing.facility_id
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
) -> list[PricingSetting]:
    """Settings and proposals below `after`, the newest first; None filters nothing."""
    rows = await tx.fetch(_LIST_PRICINGS, tx.organization_id, after, limit, pricing_id, facility_code)
    return [read_row(PricingSetting, row) for row in rows]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedInvoice:
    """The invoice on which differences are found, with its visit, facility, and the vendor of the HIS."""

    facility_id: FacilityId
    visit_id: VisitId
    invoice_id: InvoiceId
    vendor: str


async def add_differences(
    tx: Transaction,
    differences: Sequence[tuple[UUID, PriceDifference]],
    invoice: CollectedInvoice,
    *,
    recorded_at: datetime,
) -> None:
    """List where an invoice was collected otherwise than we came to; what its visit has listed before is left out."""
    rows = [
        (
            each_id,
            each.item.table.value,
            each.item.number,
            each.item.code,
            each.field.value,
            each.his_value,
            each.vienphi_value,
            " ".join(each.rules),
        )
        for each_id, each in differences
    ]
    await tx.execute(
        _ADD_DIFFERENCES,
        tx.organization_id,
        invoice.facility_id,
        invoice.visit_id,
        invoice.invoice_id,
        invoice.vendor,
        recorded_at,
        *columns(rows, 8),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDifference:
    """A difference on an issued invoice; None where the HIS or vienphi has no such amount."""

    id: UUID
    facility_code: str
    visit_id: VisitId
    ma_lk: str
    invoice_id: InvoiceId
    invoice_number: str
    source_table: str
    stt: int
    code: str
    field: str
    his_value: Decimal | None
    vienphi_value: Decimal | None
    rules: tuple[str, ...]
    vendor: str
    recorded_at: datetime


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
    tx: Transaction, wanted: DifferenceFilter, *, after: UUID | None, limit: int
) -> list[ListedDifference]:
    """Differences below `after`, the newest first."""
    rows = await tx.fetch(
        _LIST_DIFFERENCES,
        tx.organization_id,
        after,
        limit,
        wanted.invoice_id,
        wanted.visit_id,
        wanted.field,
        wanted.vendor,
    )
    return [read_row(ListedDifference, row) for row in rows]
