"""Lists of what an organization has, the newest first: a page of rows below a cursor, never a count of all."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from billing.domain.ids import InvoiceId, VisitId
from billing.storage.database import Transaction
from billing.storage.rows import shares_of

_LIST_VISITS = """
    SELECT visit.id, visit.ma_lk, visit.version, visit.admitted_at, visit.discharged_at, visit.created_at,
        facility.code AS facility_code
    FROM visit
    JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
    WHERE visit.organization_id = $1 AND ($2::uuid IS NULL OR visit.id < $2)
        AND ($4::text IS NULL OR visit.ma_lk = $4)
    ORDER BY visit.id DESC LIMIT $3
"""


async def read_visits(
    tx: Transaction, *, after: VisitId | None, limit: int, ma_lk: str | None
) -> list[Mapping[str, Any]]:
    """Visits below `after`, without what was told of them; None filters nothing."""
    return [dict(row) for row in await tx.fetch(_LIST_VISITS, tx.organization_id, after, limit, ma_lk)]


_LIST_INVOICES = """
    SELECT invoice.id, invoice.number, invoice.visit_id, invoice.visit_version, invoice.state, invoice.version,
        invoice.patient_share, invoice.other_share, invoice.insurer_share, invoice.private_share, invoice.guarantor,
        invoice.corrections, invoice.allocated,
        invoice.owed, invoice.issued_at, visit.ma_lk
    FROM invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    WHERE invoice.organization_id = $1 AND ($2::uuid IS NULL OR invoice.id < $2)
        AND ($4::uuid IS NULL OR invoice.visit_id = $4) AND ($5::text IS NULL OR invoice.number = $5)
    ORDER BY invoice.id DESC LIMIT $3
"""


async def read_invoices(
    tx: Transaction, *, after: InvoiceId | None, limit: int, visit_id: VisitId | None, number: str | None
) -> list[Mapping[str, Any]]:
    """Invoices below `after`, without their lines; None filters nothing."""
    rows = await tx.fetch(_LIST_INVOICES, tx.organization_id, after, limit, visit_id, number)
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
    ORDER BY one.opened_at DESC, one.id DESC LIMIT $3
"""


async def read_exceptions(
    tx: Transaction, *, after: UUID | None, limit: int, state: str, reason: str | None
) -> list[Mapping[str, Any]]:
    """Exceptions of a state below `after`; None filters nothing."""
    rows = await tx.fetch(_LIST_EXCEPTIONS, tx.organization_id, after, limit, state, reason)
    return [dict(row) for row in rows]
