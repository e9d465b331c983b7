"""Price lists as they are stored: the list with its state, its rows, and which one is in force for whom and when."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import asyncpg

from billing.core.ids import FacilityId, PersonId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.organizations.domain.approval import Approval
from billing.tariffs.domain.tariff import ListedPrice, TariffId, TariffState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTariff:
    """A draft before its rows: `facility_id` None is every facility without a list of its own."""

    id: TariffId
    facility_id: FacilityId | None
    name: str
    valid_from: date
    valid_until: date | None
    items_expected: int
    content_hash: bytes
    drafted_by: PersonId
    drafted_at: datetime


_ADD_TARIFF = """
    INSERT INTO tariff (organization_id, id, facility_id, name, valid_from, valid_until, state, items_expected,
        content_hash, drafted_by, drafted_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'draft', $7, $8, $9, $10)
"""


async def add_tariff(tx: Transaction, new: NewTariff) -> None:
    """Add a draft without rows; it counts for nothing until it is complete."""
    await tx.execute(
        _ADD_TARIFF,
        tx.organization_id,
        new.id,
        new.facility_id,
        new.name,
        new.valid_from,
        new.valid_until,
        new.items_expected,
        new.content_hash,
        new.drafted_by,
        new.drafted_at,
    )


_FIND_INCOMPLETE = """
    SELECT id FROM tariff
    WHERE organization_id = $1 AND content_hash = $2 AND facility_id IS NOT DISTINCT FROM $3 AND valid_from = $4
        AND valid_until IS NOT DISTINCT FROM $5 AND drafted_by = $6 AND items_expected = $7 AND completed_at IS NULL
        AND state = 'draft'
    ORDER BY id LIMIT 1
"""


async def find_incomplete(tx: Transaction, new: NewTariff) -> TariffId | None:
    """A draft of the same content that the same person began and that never came to its end."""
    found = await tx.fetchval(
        _FIND_INCOMPLETE,
        tx.organization_id,
        new.content_hash,
        new.facility_id,
        new.valid_from,
        new.valid_until,
        new.drafted_by,
        new.items_expected,
    )
    return None if found is None else TariffId(found)


_ADD_ITEMS = """
    INSERT INTO tariff_item (organization_id, tariff_id, code, name, unit, insured_price, fee_price, on_demand_price)
    SELECT $1, $2, code, name, unit, insured, fee, on_demand
    FROM unnest($3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[], $8::numeric[])
        AS t (code, name, unit, insured, fee, on_demand)
    ON CONFLICT DO NOTHING
"""


async def add_items(tx: Transaction, tariff_id: TariffId, prices: Sequence[ListedPrice]) -> None:
    """Add rows to an incomplete draft; those an earlier try has added are left as they are."""
    rows = [(each.code, each.name, each.unit, each.insured, each.fee, each.on_demand) for each in prices]
    await tx.execute(_ADD_ITEMS, tx.organization_id, tariff_id, *columns(rows, 6))


_COMPLETE = """
    UPDATE tariff SET completed_at = $3
    WHERE organization_id = $1 AND id = $2 AND state = 'draft' AND completed_at IS NULL AND items_expected = (
        SELECT count(*) FROM tariff_item WHERE tariff_item.organization_id = $1 AND tariff_item.tariff_id = $2)
    RETURNING id
"""


async def complete_tariff(tx: Transaction, tariff_id: TariffId, *, at: datetime) -> bool:
    """Mark a draft complete; False if rows are missing or it is complete already."""
    return await tx.fetchval(_COMPLETE, tx.organization_id, tariff_id, at) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTariff:
    """A list whose row is held: what a step needs to know."""

    id: TariffId
    facility_id: FacilityId | None
    valid_from: date
    state: TariffState
    drafted_by: PersonId
    is_complete: bool


_LOCK_TARIFF = """
    SELECT id, facility_id, valid_from, state, drafted_by, completed_at IS NOT NULL AS is_complete FROM tariff
    WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def lock_tariff(tx: Transaction, tariff_id: TariffId) -> LockedTariff | None:
    """Read a list and hold its row until the transaction ends."""
    row = await tx.fetchrow(_LOCK_TARIFF, tx.organization_id, tariff_id)
    return None if row is None else LockedTariff(**{**dict(row), "state": TariffState(row["state"])})


_LOCK_SAME_DAY = """
    SELECT id FROM tariff
    WHERE organization_id = $1 AND facility_id IS NOT DISTINCT FROM $2 AND valid_from = $3 AND state = 'effective'
    FOR NO KEY UPDATE
"""


async def lock_effective_of_day(tx: Transaction, facility_id: FacilityId | None, valid_from: date) -> TariffId | None:
    """The effective list of a facility that begins on a day, its row held; there is at most one."""
    found = await tx.fetchval(_LOCK_SAME_DAY, tx.organization_id, facility_id, valid_from)
    return None if found is None else TariffId(found)


_SET_STATE = """
    UPDATE tariff SET state = $3 WHERE organization_id = $1 AND id = $2
"""


async def set_state(tx: Transaction, tariff_id: TariffId, state: TariffState) -> None:
    """Change the state of a locked list to approved, replaced or discarded; the database requires the approval."""
    await tx.execute(_SET_STATE, tx.organization_id, tariff_id, state.value)


_ACTIVATE = """
    UPDATE tariff SET state = 'effective', activated_by = $3, activated_at = $4 WHERE organization_id = $1 AND id = $2
"""


async def activate(tx: Transaction, tariff_id: TariffId, *, by: PersonId, at: datetime) -> None:
    """Let a locked list count from its day on. A unique violation where another of its day does already."""
    await tx.execute(_ACTIVATE, tx.organization_id, tariff_id, by, at)


_IN_FORCE = """
    SELECT wanted.day, found.id, found.valid_from
    FROM unnest($3::date[]) AS wanted (day)
    CROSS JOIN LATERAL (
        SELECT each.id, each.valid_from FROM (
            (SELECT id, valid_from, valid_until, 1 AS rank FROM tariff
             WHERE organization_id = $1 AND state = 'effective' AND facility_id = $2 AND valid_from <= wanted.day
             ORDER BY valid_from DESC LIMIT 1)
            UNION ALL
            (SELECT id, valid_from, valid_until, 2 AS rank FROM tariff
             WHERE organization_id = $1 AND state = 'effective' AND facility_id IS NULL AND valid_from <= wanted.day
             ORDER BY valid_from DESC LIMIT 1)
        ) AS each
        WHERE each.valid_until IS NULL OR each.valid_until >= wanted.day
        ORDER BY each.rank LIMIT 1
    ) AS found
"""


@dataclass(frozen=True, slots=True)
class InForce:
    """The list that holds on a day, and since when."""

    id: TariffId
    valid_from: date


async def read_in_force(tx: Transaction, facility_id: FacilityId | None, days: Collection[date]) -> dict[date, InForce]:
    """The list in force for a facility on each day; days without one are left out.

    A facility's own list goes before the organization's, as a whole. None reads the list of the organization alone.
    """
    rows = await tx.fetch(_IN_FORCE, tx.organization_id, facility_id, sorted(days))
    return {row["day"]: InForce(TariffId(row["id"]), row["valid_from"]) for row in rows}


_READ_ITEMS = """
    SELECT tariff_id, code, name, unit, insured_price, fee_price, on_demand_price FROM tariff_item
    WHERE organization_id = $1 AND tariff_id = ANY ($2::uuid[]) AND ($3::text[] IS NULL OR code = ANY ($3))
"""


async def read_items(
    tx: Transaction, tariff_ids: Collection[TariffId], *, codes: Collection[str] | None = None
) -> dict[TariffId, dict[str, ListedPrice]]:
    """Rows of lists by code; of all codes if none are named. No list, no rows."""
    if not tariff_ids:
        return {}
    rows = await tx.fetch(_READ_ITEMS, tx.organization_id, list(tariff_ids), None if codes is None else sorted(codes))
    if codes is None:  # a whole list is a second of computing: callbacks must not wait for it
        return await asyncio.to_thread(_by_list, tariff_ids, rows)
    return _by_list(tariff_ids, rows)


def _by_list(
    tariff_ids: Collection[TariffId], rows: Iterable[asyncpg.Record]
) -> dict[TariffId, dict[str, ListedPrice]]:
    found: dict[TariffId, dict[str, ListedPrice]] = {tariff_id: {} for tariff_id in tariff_ids}
    for row in rows:
        found[TariffId(row["tariff_id"])][row["code"]] = ListedPrice(
            code=row["code"],
            name=row["name"],
            unit=row["unit"],
            insured=_shortest(row["insured_price"]),
            fee=_shortest(row["fee_price"]),
            on_demand=_shortest(row["on_demand_price"]),
        )
    return found


def _shortest(price: Decimal | None) -> Decimal | None:
    """The column pads to three decimals; a price is shown and frozen as it was imported."""
    if price is None:
        return None
    exact = price.normalize()
    return exact.quantize(Decimal(1)) if int(exact.as_tuple().exponent) > 0 else exact


_FACILITIES_OF = """
    SELECT code FROM facility
    WHERE organization_id = $1 AND CASE WHEN $2::uuid IS NOT NULL THEN id = $2 ELSE NOT EXISTS (
        SELECT FROM tariff
        WHERE tariff.organization_id = $1 AND tariff.facility_id = facility.id AND tariff.state = 'effective')
    END
"""


async def read_facilities_of(tx: Transaction, facility_id: FacilityId | None) -> frozenset[str]:
    """The codes of the facilities a list is for: its own, or those without an effective list of their own."""
    return frozenset(row["code"] for row in await tx.fetch(_FACILITIES_OF, tx.organization_id, facility_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTariff:
    """A price list without its rows; `approval` is read by the service and None while rows are missing."""

    id: TariffId
    name: str
    facility_code: str | None
    facility_id: FacilityId | None
    valid_from: date
    valid_until: date | None
    state: TariffState
    items: int
    completed_at: datetime | None
    drafted_at: datetime
    activated_at: datetime | None
    drafted_by: str
    activated_by: str | None
    approval: Approval | None = None


_LIST_TARIFFS = """
    SELECT tariff.id, tariff.name, facility.code AS facility_code, tariff.facility_id, tariff.valid_from,
        tariff.valid_until, tariff.state, tariff.items_expected AS items, tariff.completed_at, tariff.drafted_at,
        tariff.activated_at, drafter.name AS drafted_by, activator.name AS activated_by
    FROM tariff
    LEFT JOIN facility ON facility.organization_id = $1 AND facility.id = tariff.facility_id
    JOIN person AS drafter ON drafter.organization_id = $1 AND drafter.id = tariff.drafted_by
    LEFT JOIN person AS activator ON activator.organization_id = $1 AND activator.id = tariff.activated_by
    WHERE tariff.organization_id = $1 AND ($2::uuid IS NULL OR tariff.id < $2) AND ($4::uuid IS NULL OR tariff.id = $4)
        AND ($5::text IS NULL OR tariff.state = $5)
    ORDER BY tariff.id DESC LIMIT $3
"""


async def read_tariffs(
    tx: Transaction,
    *,
    after: TariffId | None = None,
    limit: int,
    tariff_id: TariffId | None = None,
    state: str | None = None,
) -> list[ListedTariff]:
    """Lists below `after` without their rows, the newest first; None filters nothing."""
    rows = await tx.fetch(_LIST_TARIFFS, tx.organization_id, after, limit, tariff_id, state)
    return [read_row(ListedTariff, row) for row in rows]
