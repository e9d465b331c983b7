"""Lists of visits, the newest first: a page of rows below a cursor, without a total count."""

from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visits.store.visits import ListedVisit

_LIST_VISITS = """
    SELECT visit.id, visit.ma_lk, visit.version, visit.admitted_at, visit.discharged_at, visit.created_at,
        facility.code AS facility_code
    FROM visit
    JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
    WHERE visit.organization_id = $1 AND ($2::uuid IS NULL OR visit.id < $2) AND ($3::uuid IS NULL OR visit.id >= $3)
        AND ($5::text IS NULL OR visit.ma_lk = $5)
        AND ($6::boolean IS NULL OR (visit.discharged_at IS NULL) = $6)
    ORDER BY visit.id DESC LIMIT $4
"""


async def read_visits(
    tx: Transaction, part: ListSlice, *, ma_lk: str | None, is_open: bool | None
) -> list[ListedVisit]:
    """One page of visits, without their documents; None filters nothing."""
    rows = await tx.fetch(_LIST_VISITS, tx.organization_id, part.before, part.first, part.limit, ma_lk, is_open)
    return [read_row(ListedVisit, row) for row in rows]
