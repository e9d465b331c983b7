"""Sizes of stored documents, read without the documents."""

from billing.core.ids import InvoiceId, VisitId
from billing.db.single_reads import TenantReader

# pg_column_size is that of the packed value: nothing is unpacked to answer.
_STORED_SIZE = """
    SELECT greatest(
        coalesce(pg_column_size(visit_document.document), 0),
        coalesce(pg_column_size(claim_file.content), 0)
    )
    FROM visit
    LEFT JOIN visit_document ON visit_document.organization_id = $1 AND visit_document.visit_id = visit.id
        AND visit_document.version = visit.version
    LEFT JOIN visit_version ON visit_version.organization_id = $1 AND visit_version.visit_id = visit.id
        AND visit_version.version = visit.version
    LEFT JOIN claim_file ON claim_file.organization_id = $1 AND claim_file.id = visit_version.claim_file_id
    WHERE visit.organization_id = $1 AND visit.id = $2
"""


async def read_stored_size(tx: TenantReader, visit_id: VisitId) -> int:
    """Packed bytes of a visit's newest document or of the claim file it came in, the larger; 0 where there is none."""
    return await tx.fetchval(_STORED_SIZE, tx.organization_id, visit_id) or 0


_COUNT_LINES = """
    SELECT count(*) FROM (
        SELECT 1 FROM invoice_line WHERE organization_id = $1 AND invoice_id = $2 LIMIT $3
    ) AS line
"""


async def count_invoice_lines(tx: TenantReader, invoice_id: InvoiceId, *, up_to: int) -> int:
    """The lines of an invoice, counted no further than `up_to`."""
    return await tx.fetchval(_COUNT_LINES, tx.organization_id, invoice_id, up_to) or 0
