"""Issued invoices with their price snapshots: found by cursor, read by id, never changed.

Ids that were found may be read over other connections. Documents are returned as stored text.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from billing.core.ids import InvoiceId
from billing.db.database import Transaction
from billing.db.rows import extend, read_row
from billing.invoices.domain.invoice_details import ListedInvoice, StoredSnapshot
from billing.invoices.domain.invoice_diff import Amounts, RepricedLine, RepricingInput
from billing.invoices.store.invoice_rows import invoice_of, shares_of
from billing.visits.domain.visit import Table

_TABLES = {table.value: table for table in Table}
_STORED = ("document", "document_hash", "policy_version", "code_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSelection:
    """A selection of issued invoices: issued from `since` on and earlier than `before`; None means no limit.

    With `last_of_visit` a visit is returned once, by its last invoice of the period.
    """

    since: datetime | None = None
    before: datetime | None = None
    last_of_visit: bool = False


# An id contains its creation time, within seconds of `issued_at`: a margin of a day on both sides is sufficient, and
# lets the primary key find the period.
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


_NEWEST = """
    SELECT invoice.id FROM invoice
    WHERE invoice.organization_id = $1 AND invoice.state = 'issued'
        AND NOT EXISTS (SELECT FROM invoice AS later
            WHERE later.organization_id = $1 AND later.visit_id = invoice.visit_id AND later.state = 'issued'
                AND later.id > invoice.id)
    ORDER BY invoice.id DESC LIMIT $2
"""


async def find_newest_snapshots(tx: Transaction, *, limit: int) -> list[InvoiceId]:
    """The last invoices of the visits that were billed last, the newest first."""
    return [InvoiceId(row["id"]) for row in await tx.fetch(_NEWEST, tx.organization_id, limit)]


_READ = """
    SELECT invoice, visit.ma_lk, input.document, input.document_hash, input.policy_version,
        input.code_version,
        (SELECT jsonb_agg(jsonb_build_object('patient_share', earlier.patient_share + coalesce(changed.patient, 0),
                'other_share', earlier.other_share + coalesce(changed.other, 0),
                'insurer_share', earlier.insurer_share + coalesce(changed.insurer, 0),
                'private_share', earlier.private_share + coalesce(changed.private, 0)) ORDER BY earlier.id)
         FROM invoice_state AS earlier
         LEFT JOIN LATERAL (
            SELECT sum(patient)::bigint AS patient, sum(other)::bigint AS other, sum(insurer)::bigint AS insurer,
                sum(private)::bigint AS private
            FROM correction WHERE organization_id = $1 AND correction.invoice_id = earlier.id AND kind = 'price'
                AND correction.id < invoice.id
         ) AS changed ON true
         WHERE earlier.organization_id = $1 AND earlier.visit_id = invoice.visit_id AND earlier.state = 'issued'
            AND earlier.id < invoice.id) AS earlier,
        (SELECT coalesce(json_agg(json_build_array(line.source_table, line.stt, line.code, line.name,
                line.hospital_amount::text, line.insured_amount::text, line.level::text, line.self_pay::text,
                line.copay::text, line.fund::text, line.other_funds::text,
                jsonb_path_query_array(line.reasons, '$[*].rule')) ORDER BY line.line), '[]')::text
         FROM invoice_line AS line WHERE line.organization_id = $1 AND line.invoice_id = invoice.id) AS lines
    FROM invoice_state AS invoice
    JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
    LEFT JOIN invoice_snapshot AS input ON input.organization_id = $1 AND input.invoice_id = invoice.id
    WHERE invoice.organization_id = $1 AND invoice.id = ANY($2::uuid[])
    ORDER BY invoice.id
"""


async def read_repricing_inputs(tx: Transaction, invoice_ids: Sequence[InvoiceId]) -> Iterator[RepricingInput]:
    """These invoices, the oldest first. Each is built when it is read, so that few lines are in memory at once."""
    return map(_input, await tx.fetch(_READ, tx.organization_id, invoice_ids))


def _input(row: asyncpg.Record) -> RepricingInput:
    has_snapshot = row["document"] is not None
    return RepricingInput(
        invoice=extend(ListedInvoice, invoice_of(row["invoice"]), ma_lk=row["ma_lk"]),
        snapshot=read_row(StoredSnapshot, {name: row[name] for name in _STORED}) if has_snapshot else None,
        earlier=tuple(shares_of(each) for each in row["earlier"] or ()),
        lines=tuple(_line(*values) for values in json.loads(row["lines"])),
    )


def _line(table: str, stt: int, code: str, name: str, *rest: Any) -> RepricedLine:
    *amounts, rules = rest
    issued = Amounts(*map(Decimal, amounts))
    return RepricedLine(_TABLES[table], stt, code, name, issued, None, tuple(dict.fromkeys(rules)), ())
