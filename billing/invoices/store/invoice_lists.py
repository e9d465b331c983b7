"""Lists of invoices, the newest first: a page of rows below a cursor, without a total count."""

from collections.abc import Mapping
from typing import Any

from billing.core.ids import VisitId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.invoices.store.invoice_rows import shares_of

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
    """One page of invoices, without their lines; None filters nothing."""
    rows = await tx.fetch(
        _LIST_INVOICES, tx.organization_id, part.before, part.first, part.limit, visit_id, ma_lk, number, state
    )
    return [{**row, "shares": shares_of(dict(row))} for row in rows]
