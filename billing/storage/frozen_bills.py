"""Issued invoices with what they were computed from, by cursor: read for recomputing, never changed.

Documents and lines stay the text they are stored as: whoever recomputes carries them to another process and reads them
there.
"""

from dataclasses import dataclass
from datetime import datetime

from billing.domain.ids import InvoiceId
from billing.storage.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRow:
    """An issued invoice, its inputs and its lines.

    `earlier` is JSON: [patient, other, insurer] of each issued invoice of the visit before it. `lines` is JSON:
    [table, stt, code, name, hospital_amount, insured_amount, level, self_pay, copay, fund, other_funds, [rule…]],
    amounts as texts. `document` is None where an invoice has no inputs, which no version has ever written.
    """

    id: InvoiceId
    number: str
    ma_lk: str
    patient_share: int
    other_share: int
    insurer_share: int
    document: str | None
    document_hash: bytes | None
    code_version: str | None
    earlier: str
    lines: str


# An id carries the moment it was made, within seconds of `issued_at`: a day on both sides is more than enough, and lets
# the primary key find the period.
_COUNT = """
    SELECT count(*) FROM invoice
    WHERE invoice.organization_id = $1 AND invoice.state = 'issued'
        AND ($2::timestamptz IS NULL
            OR (invoice.issued_at >= $2 AND invoice.id >= vienphi_first_id($2::date - 1)))
        AND ($3::timestamptz IS NULL
            OR (invoice.issued_at < $3 AND invoice.id < vienphi_first_id($3::date + 2)))
        AND (NOT $4 OR NOT EXISTS (SELECT FROM invoice AS later
            WHERE later.organization_id = $1 AND later.visit_id = invoice.visit_id AND later.state = 'issued'
                AND later.id > invoice.id
                AND ($3::timestamptz IS NULL OR later.issued_at < $3)))
"""


async def count_frozen_bills(
    tx: Transaction, *, since: datetime | None, before: datetime | None, last_of_visit: bool
) -> int:
    """How many invoices `read_frozen_bills` will give in all."""
    count: int = await tx.fetchval(_COUNT, tx.organization_id, since, before, last_of_visit)
    return count


_READ = """
    SELECT invoice.id, invoice.number, visit.ma_lk, invoice.patient_share, invoice.other_share, invoice.insurer_share,
        input.document, input.document_hash, input.code_version,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(earlier.patient_share, earlier.other_share, earlier.insurer_share)
                ORDER BY earlier.id), '[]')::text
         FROM invoice AS earlier
         WHERE earlier.organization_id = $1 AND earlier.visit_id = invoice.visit_id AND earlier.state = 'issued'
            AND earlier.id < invoice.id) AS earlier,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(line.source_table, line.stt, line.code, line.name,
                line.hospital_amount::text, line.insured_amount::text, line.level::text, line.self_pay::text,
                line.copay::text, line.fund::text, line.other_funds::text,
                jsonb_path_query_array(line.reasons, '$[*].rule')) ORDER BY line.line), '[]')::text
         FROM invoice_line AS line WHERE line.organization_id = $1 AND line.invoice_id = invoice.id) AS lines
    FROM invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    LEFT JOIN invoice_input AS input ON input.organization_id = $1 AND input.invoice_id = invoice.id
    WHERE invoice.organization_id = $1 AND invoice.state = 'issued'
        AND ($2::timestamptz IS NULL
            OR (invoice.issued_at >= $2 AND invoice.id >= vienphi_first_id($2::date - 1)))
        AND ($3::timestamptz IS NULL
            OR (invoice.issued_at < $3 AND invoice.id < vienphi_first_id($3::date + 2)))
        AND (NOT $4 OR NOT EXISTS (SELECT FROM invoice AS later
            WHERE later.organization_id = $1 AND later.visit_id = invoice.visit_id AND later.state = 'issued'
                AND later.id > invoice.id
                AND ($3::timestamptz IS NULL OR later.issued_at < $3)))
        AND ($5::uuid IS NULL OR invoice.id > $5)
    ORDER BY invoice.id LIMIT $6
"""


async def read_frozen_bills(
    tx: Transaction,
    *,
    after: InvoiceId | None,
    limit: int,
    since: datetime | None,
    before: datetime | None,
    last_of_visit: bool,
) -> list[FrozenRow]:
    """The next invoices above `after`, the oldest first, issued from `since` on and earlier than `before`.

    With `last_of_visit` a visit is given once, by its last invoice of the period. None filters nothing.
    """
    rows = await tx.fetch(_READ, tx.organization_id, since, before, last_of_visit, after, limit)
    return [FrozenRow(**dict(row)) for row in rows]
