"""Counts of open shifts and the minutes of ended ones: rows read and written, the shift being locked."""

from collections.abc import Mapping
from uuid import UUID

from billing.core.ids import ShiftId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.shift_count import ShiftCount
from billing.visit_accounts.domain.shift_minutes import ShiftMinutes

_READ_LATEST = """
    SELECT id, shift_id, state, counted, counted_cash, missing_receipts, saved_by, saved_at, counted_at, checked_at
    FROM shift_count WHERE organization_id = $1 AND shift_id = $2 ORDER BY id DESC LIMIT 1
"""


async def read_latest_count(tx: Transaction, shift_id: ShiftId) -> ShiftCount | None:
    """The latest count of a shift; None before the first."""
    row = await tx.fetchrow(_READ_LATEST, tx.organization_id, shift_id)
    return None if row is None else read_row(ShiftCount, row)


_NUMBER_OF_COUNTS = """
    SELECT count(*)::int FROM shift_count WHERE organization_id = $1 AND shift_id = $2 AND state <> 'draft'
"""


async def count_counts(tx: Transaction, shift_id: ShiftId) -> int:
    """How often the cash of a shift was counted to the end."""
    found: int = await tx.fetchval(_NUMBER_OF_COUNTS, tx.organization_id, shift_id)
    return found


_ADD_COUNT = """
    INSERT INTO shift_count (organization_id, id, shift_id, state, counted, counted_cash, saved_by, saved_at)
    VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7)
"""


async def add_count(tx: Transaction, count: ShiftCount) -> None:
    """Store a new draft; the shift is locked, and its latest count is no draft."""
    await tx.execute(
        _ADD_COUNT,
        tx.organization_id,
        count.id,
        count.shift_id,
        dict(count.counted),
        count.counted_cash,
        count.saved_by,
        count.saved_at,
    )


_UPDATE_COUNT = """
    UPDATE shift_count SET state = $3, counted = $4, counted_cash = $5, missing_receipts = $6, saved_by = $7,
        saved_at = $8, counted_at = $9, checked_at = $10
    WHERE organization_id = $1 AND id = $2
"""


async def update_count(tx: Transaction, count: ShiftCount) -> None:
    """Write the new state of a count; the shift is locked."""
    await tx.execute(
        _UPDATE_COUNT,
        tx.organization_id,
        count.id,
        count.state.value,
        dict(count.counted),
        count.counted_cash,
        list(count.missing_receipts),
        count.saved_by,
        count.saved_at,
        count.counted_at,
        count.checked_at,
    )


_ADD_MINUTES = """
    INSERT INTO shift_minutes (organization_id, shift_id, year, number, document) VALUES ($1, $2, $3, $4, $5)
"""


async def add_minutes(
    tx: Transaction, shift_id: ShiftId, *, year: int, number: int, document: Mapping[str, object]
) -> None:
    """Store the minutes of a shift that ends."""
    await tx.execute(_ADD_MINUTES, tx.organization_id, shift_id, year, number, dict(document))


_READ_MINUTES = """
    SELECT shift_id, year, number, document FROM shift_minutes WHERE organization_id = $1 AND shift_id = $2
"""


async def read_minutes(tx: Transaction, shift_id: ShiftId) -> ShiftMinutes | None:
    """The minutes of an ended shift; None while it is open, or where it ended before minutes were kept."""
    row = await tx.fetchrow(_READ_MINUTES, tx.organization_id, shift_id)
    return None if row is None else read_row(ShiftMinutes, row)


_NAMES = """
    SELECT desk.name AS desk, cashier.name AS cashier, facility.name AS facility, organization.name AS organization
    FROM shift
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    JOIN facility ON facility.organization_id = $1 AND facility.id = desk.facility_id
    JOIN organization ON organization.id = $1
    JOIN person AS cashier ON cashier.organization_id = $1 AND cashier.id = shift.cashier_id
    WHERE shift.organization_id = $1 AND shift.id = $2
"""

_PERSON = """
    SELECT name FROM person WHERE organization_id = $1 AND id = $2
"""


async def read_names(tx: Transaction, shift_id: ShiftId, ended_by: UUID) -> dict[str, str]:
    """The names at the head of the minutes of a shift."""
    row = await tx.fetchrow(_NAMES, tx.organization_id, shift_id)
    assert row is not None, "the shift is locked"
    return {**row, "ended_by": await tx.fetchval(_PERSON, tx.organization_id, ended_by)}
