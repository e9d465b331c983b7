"""Lists of what an organization has, the newest first: a page of rows below a cursor, never a count of all."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.core.ids import VisitId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.invoices.store.invoice_rows import shares_of

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
) -> list[Mapping[str, Any]]:
    """Visits of a part of the list, without their documents; None filters nothing."""
    rows = await tx.fetch(_LIST_VISITS, tx.organization_id, part.before, part.first, part.limit, ma_lk, is_open)
    return [dict(row) for row in rows]


_LIST_INVOICES = """
    SELECT invoice.id, invoice.number, invoice.visit_id, invoice.visit_version, invoice.state, invoice.version,
        invoice.patient_share, invoice.other_share, invoice.insurer_share, invoice.private_share, invoice.guarantor,
        invoice.corrections, invoice.allocated,
        invoice.owed, invoice.issued_at, visit.ma_lk
    FROM invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    WHERE invoice.organization_id = $1
        AND ($2::uuid IS NULL OR invoice.id < $2) AND ($3::uuid IS NULL OR invoice.id >= $3)
        AND ($5::uuid IS NULL OR invoice.visit_id = $5) AND ($6::text IS NULL OR visit.ma_lk = $6)
        AND ($7::text IS NULL OR invoice.number = $7) AND ($8::text IS NULL OR invoice.state = $8)
    ORDER BY invoice.id DESC LIMIT $4
"""


async def read_invoices(
    tx: Transaction,
    part: ListSlice,
    *,
    visit_id: VisitId | None,
    ma_lk: str | None,
    number: str | None,
    state: str | None,
) -> list[Mapping[str, Any]]:
    """Invoices of a part of the list, without their lines; None filters nothing."""
    rows = await tx.fetch(
        _LIST_INVOICES, tx.organization_id, part.before, part.first, part.limit, visit_id, ma_lk, number, state
    )
    return [{**row, "shares": shares_of(dict(row))} for row in rows]


# By the moment: some ids are made of what the disagreement is about (steps/notices.py) and carry no moment.
_LIST_EXCEPTIONS = """
    SELECT one.id, one.reason, one.state, one.amount, one.delivery_id, one.payment_id, one.intent_id,
        one.owner_id, one.opened_at, one.due_at, account.name AS account
    FROM exception_case AS one
    LEFT JOIN provider_account AS account ON account.organization_id = $1 AND account.id = one.provider_account_id
    WHERE one.organization_id = $1 AND one.state = $4 AND ($5::text IS NULL OR one.reason = $5)
        AND ($2::uuid IS NULL OR (one.opened_at, one.id) < (
            SELECT opened_at, id FROM exception_case WHERE organization_id = $1 AND id = $2))
        AND ($6::timestamptz IS NULL OR one.opened_at >= $6) AND ($7::timestamptz IS NULL OR one.opened_at < $7)
    ORDER BY one.opened_at DESC, one.id DESC LIMIT $3
"""


async def read_exceptions(
    tx: Transaction,
    *,
    after: UUID | None,
    limit: int,
    state: str,
    reason: str | None,
    opened_from: datetime | None,
    opened_before: datetime | None,
) -> list[Mapping[str, Any]]:
    """Exceptions of a state below `after`; None filters nothing."""
    rows = await tx.fetch(_LIST_EXCEPTIONS, tx.organization_id, after, limit, state, reason, opened_from, opened_before)
    return [dict(row) for row in rows]
