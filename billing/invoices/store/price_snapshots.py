"""Issued invoices with their price snapshots: found by cursor, read by id, never changed.

Ids that were found may be read over other connections. Documents and lines are returned as stored text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import InvoiceId
from billing.db.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """An issued invoice, its inputs and its lines.

    `earlier` is JSON: [patient, other, insurer, private] of each issued invoice of the visit before it. `lines` is
    JSON: [table, stt, code, name, hospital_amount, insured_amount, level, self_pay, copay, fund, other_funds, [rule…]],
    amounts as texts. `document` is None where an invoice has no snapshot, which no version has written.
    """

    id: InvoiceId
    number: str
    ma_lk: str
    patient_share: int
    other_share: int
    insurer_share: int
    private_share: int
    document: str | None
    document_hash: bytes | None
    code_version: str | None
    earlier: str
    lines: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSelection:
    """A selection of issued invoices: issued from `since` on and earlier than `before`; None means no limit.

    With `last_of_visit` a visit is returned once, by its last invoice of the period.
    """

    since: datetime | None = None
    before: datetime | None = None
    last_of_visit: bool = False


# An id contains its creation time, within seconds of `issued_at`: a margin of a day on both sides is sufficient, and
# # lets the primary key find the period.
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


async def count_snapshots(tx: Transaction, selection: InvoiceSelection) -> int:
    """The number of invoices that `find_snapshots` returns in total."""
    wanted = (selection.since, selection.before, selection.last_of_visit)
    count: int = await tx.fetchval(_COUNT, tx.organization_id, *wanted)
    return count


_FIND = """
    SELECT invoice.id FROM invoice
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


async def find_snapshots(
    tx: Transaction, selection: InvoiceSelection, *, after: InvoiceId | None, limit: int
) -> list[InvoiceId]:
    """The next invoices above `after`, the oldest first."""
    wanted = (selection.since, selection.before, selection.last_of_visit)
    return [InvoiceId(row["id"]) for row in await tx.fetch(_FIND, tx.organization_id, *wanted, after, limit)]


_READ = """
    SELECT invoice.id, invoice.number, visit.ma_lk, invoice.patient_share, invoice.other_share, invoice.insurer_share,
        invoice.private_share,
        input.document, input.document_hash, input.code_version,
        (SELECT coalesce(json_agg(json_build_array(earlier.patient_share, earlier.other_share, earlier.insurer_share,
                earlier.private_share)
                ORDER BY earlier.id), '[]')::text
         FROM invoice AS earlier
         WHERE earlier.organization_id = $1 AND earlier.visit_id = invoice.visit_id AND earlier.state = 'issued'
            AND earlier.id < invoice.id) AS earlier,
        (SELECT coalesce(json_agg(json_build_array(line.source_table, line.stt, line.code, line.name,
                line.hospital_amount::text, line.insured_amount::text, line.level::text, line.self_pay::text,
                line.copay::text, line.fund::text, line.other_funds::text,
                jsonb_path_query_array(line.reasons, '$[*].rule')) ORDER BY line.line), '[]')::text
         FROM invoice_line AS line WHERE line.organization_id = $1 AND line.invoice_id = invoice.id) AS lines
    FROM invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    LEFT JOIN invoice_snapshot AS input ON input.organization_id = $1 AND input.invoice_id = invoice.id
    WHERE invoice.organization_id = $1 AND invoice.id = ANY($2::uuid[])
    ORDER BY invoice.id
"""


async def read_snapshots(tx: Transaction, invoice_ids: Sequence[InvoiceId]) -> list[SnapshotRow]:
    """These invoices, the oldest first."""
    return [SnapshotRow(**dict(row)) for row in await tx.fetch(_READ, tx.organization_id, invoice_ids)]
