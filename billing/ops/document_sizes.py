"""Whether a stored visit or invoice is big: so many lines that computing with it would hold up callbacks."""

from billing.core.ids import InvoiceId, OrganizationId, VisitId
from billing.ops.document_size_rows import count_invoice_lines, read_stored_size
from billing.payments.service.context import PaymentContext

BIG_STORED = 24 * 1024
"""Bytes as PostgreSQL packs them, about a tenth of the text."""

BIG_LINES = 200


async def is_big_visit(context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId) -> bool:
    """Whether the visit's document or the claim file it came in is big; False where there is no such visit."""
    return await read_stored_size(context.database.single_reads(organization_id), visit_id) >= BIG_STORED


async def is_big_invoice(context: PaymentContext, organization_id: OrganizationId, invoice_id: InvoiceId) -> bool:
    """Whether the invoice has many lines; False where there is no such invoice."""
    reads = context.database.single_reads(organization_id)
    return await count_invoice_lines(reads, invoice_id, up_to=BIG_LINES) >= BIG_LINES
