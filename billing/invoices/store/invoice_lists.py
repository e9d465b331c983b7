"""Lists of invoices, the newest first: a page of rows below a cursor, without a total count."""

from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import extend
from billing.invoices.domain.invoice_details import InvoiceFilter, ListedInvoice
from billing.invoices.store.invoice_rows import invoice_of

_LIST_INVOICES = """
    SELECT invoice.*, visit.ma_lk
    FROM invoice_state AS invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    WHERE invoice.organization_id = $1
        AND ($2::uuid IS NULL OR invoice.id < $2) AND ($3::uuid IS NULL OR invoice.id >= $3)
        AND ($5::uuid IS NULL OR invoice.visit_id = $5) AND ($6::text IS NULL OR visit.ma_lk = $6)
        AND ($7::text IS NULL OR invoice.number = $7) AND ($8::text IS NULL OR invoice.state = $8)
    ORDER BY invoice.id DESC LIMIT $4
"""


async def read_invoices(tx: Transaction, part: ListSlice, wanted: InvoiceFilter) -> list[ListedInvoice]:
    """One page of invoices, without their lines."""
    rows = await tx.fetch(
        _LIST_INVOICES,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        wanted.visit_id,
        wanted.ma_lk,
        wanted.number,
        wanted.state,
    )
    return [extend(ListedInvoice, invoice_of(row), ma_lk=row["ma_lk"]) for row in rows]
