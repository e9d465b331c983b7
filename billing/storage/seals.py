"""Seals and the rows they cover.

Blocks follow the watermark (`vienphi_watermark`): below it every transaction is over, so the rows of a block are all
there when it is sealed and no row may join them. Ranges are half open and the foreign key chains them. The hash itself
is worked out in `domain/seal.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from billing.domain.seal import GENESIS, Seal, SealedKind, Value
from billing.storage.database import Transaction

_ENTRIES = """
    SELECT entry.id, entry.kind, entry.effective_at, entry.recorded_at, entry.accounting_date, entry.actor_kind,
        entry.actor_id, entry.acting_for, entry.transaction_id, reversal.reversed_entry_id, reversal.reason
    FROM journal_entry AS entry
    LEFT JOIN reversal ON reversal.organization_id = $1 AND reversal.entry_id = entry.id
    WHERE entry.organization_id = $1 AND entry.transaction_id >= $2 AND entry.transaction_id < $3
    ORDER BY entry.id
"""

_POSTINGS = """
    SELECT entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, department,
        payer, transaction_id
    FROM posting
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY entry_id, line
"""

_PAYMENTS = """
    SELECT id, provider_account_id, bank_account_id, delivery_id, intent_id, amount, provider_reference, bank_reference,
        occurred_at, recorded_at, transaction_id
    FROM payment
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_ALLOCATIONS = """
    SELECT id, payment_id, kind, invoice_id, amount, undoes, reason, recorded_at, transaction_id
    FROM allocation
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_AUDITS = """
    SELECT id, recorded_at, actor_kind, actor_id, acting_for, action, subject_kind, subject_id, transaction_id
    FROM audit
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY id
"""

_CLOSINGS = """
    SELECT day, closed_at, actor_kind, actor_id, acting_for, entries, amount, transaction_id
    FROM day_closing
    WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < $3
    ORDER BY day
"""

_ROWS: Mapping[SealedKind, str] = {
    SealedKind.ENTRY: _ENTRIES,
    SealedKind.POSTING: _POSTINGS,
    SealedKind.PAYMENT: _PAYMENTS,
    SealedKind.ALLOCATION: _ALLOCATIONS,
    SealedKind.AUDIT: _AUDITS,
    SealedKind.CLOSING: _CLOSINGS,
}


async def read_sealed_rows(
    tx: Transaction, *, covers_from: int, covers_until: int
) -> dict[SealedKind, list[tuple[Value, ...]]]:
    """The rows of finished transactions in a half-open range of their numbers, by kind, each kind in order."""
    return {
        kind: [tuple(row.values()) for row in await tx.fetch(query, tx.organization_id, covers_from, covers_until)]
        for kind, query in _ROWS.items()
    }


# The end of the next block: the watermark, or the end of the transaction in which the limit of rows of one kind falls.
# NULL where nothing was finished since the last block.
_NEXT_END = """
    SELECT least(vienphi_watermark(),
        (SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM posting
         WHERE organization_id = $1 AND transaction_id >= $2 ORDER BY transaction_id OFFSET $3 LIMIT 1),
        (SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM audit
         WHERE organization_id = $1 AND transaction_id >= $2 ORDER BY transaction_id OFFSET $3 LIMIT 1))
    WHERE EXISTS (SELECT FROM journal_entry
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM posting
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM payment
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM allocation
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM audit
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM day_closing
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
"""


async def next_seal_end(tx: Transaction, *, covers_from: int, rows_max: int) -> int | None:
    """Where the next block ends; None where no transaction that wrote anything was finished since the last one."""
    found = await tx.fetchval(_NEXT_END, tx.organization_id, covers_from, rows_max - 1)
    return None if found is None else int(found)


_LAST = """
    SELECT number, previous_hash, covers_from, covers_until, hash, entries, postings, payments, allocations, audits,
        closings, sealed_at
    FROM seal WHERE organization_id = $1 ORDER BY number DESC LIMIT 1
"""


async def read_last_seal(tx: Transaction) -> Seal | None:
    """The head of the chain."""
    row = await tx.fetchrow(_LAST, tx.organization_id)
    return None if row is None else _seal(tx, row)


_SEALS = """
    SELECT number, previous_hash, covers_from, covers_until, hash, entries, postings, payments, allocations, audits,
        closings, sealed_at
    FROM seal WHERE organization_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""


async def read_seals(tx: Transaction, *, after: int, limit: int) -> list[Seal]:
    """The blocks after a number, in order."""
    return [_seal(tx, row) for row in await tx.fetch(_SEALS, tx.organization_id, after, limit)]


def _seal(tx: Transaction, row: asyncpg.Record) -> Seal:
    counts = ("entries", "postings", "payments", "allocations", "audits", "closings")
    return Seal(
        organization_id=tx.organization_id,
        number=row["number"],
        previous_hash=row["previous_hash"],
        covers_from=row["covers_from"],
        covers_until=row["covers_until"],
        counts=dict(zip(SealedKind, (row[name] for name in counts), strict=True)),
        sealed_at=row["sealed_at"],
        hash=row["hash"],
    )


_ADD = """
    INSERT INTO seal (organization_id, number, previous_number, previous_hash, covers_from, covers_until, hash,
        sealed_at, entries, postings, payments, allocations, audits, closings)
    VALUES ($1, $2::bigint, nullif($2::bigint - 1, 0), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT DO NOTHING RETURNING number
"""


async def add_seal(tx: Transaction, seal: Seal) -> bool:
    """Add a block to the chain; False where another sealer added one of that number meanwhile."""
    added = await tx.fetchval(
        _ADD,
        tx.organization_id,
        seal.number,
        seal.previous_hash if seal.number > 1 else GENESIS,
        seal.covers_from,
        seal.covers_until,
        seal.hash,
        seal.sealed_at,
        *(seal.counts[kind] for kind in SealedKind),
    )
    return added is not None


_HEAD_OF_DAY = """
    SELECT seal.number, seal.previous_hash, seal.covers_from, seal.covers_until, seal.hash, seal.entries, seal.postings,
        seal.payments, seal.allocations, seal.audits, seal.closings, seal.sealed_at
    FROM day_closing AS closing
    JOIN seal ON seal.organization_id = $1 AND seal.covers_until > closing.transaction_id
    WHERE closing.organization_id = $1 AND closing.day = $2
    ORDER BY seal.covers_until LIMIT 1
"""


async def read_head_of_day(tx: Transaction, day: date) -> Seal | None:
    """The block that holds the closing of a day, and with it, or before it, every entry of the day.

    None where the day is open, or closed and not sealed yet.
    """
    row = await tx.fetchrow(_HEAD_OF_DAY, tx.organization_id, day)
    return None if row is None else _seal(tx, row)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Rows of one kind that no seal covers although they were recorded long ago."""

    kind: str
    rows: int
    oldest: datetime


_UNSEALED = """
    WITH sealed AS (
        SELECT coalesce(
            (SELECT covers_until FROM seal WHERE organization_id = $1 ORDER BY number DESC LIMIT 1), '0'::xid8) AS until
    ), later AS (
        SELECT 'entry' AS kind, recorded_at FROM journal_entry
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
        UNION ALL
        SELECT 'payment', recorded_at FROM payment
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
        UNION ALL
        SELECT 'allocation', recorded_at FROM allocation
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
        UNION ALL
        SELECT 'audit', recorded_at FROM audit
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
        UNION ALL
        SELECT 'closing', closed_at FROM day_closing
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
    )
    SELECT kind, count(*) AS rows, min(recorded_at) AS oldest FROM later
    WHERE recorded_at < $2 GROUP BY kind ORDER BY kind
"""


async def read_unsealed(tx: Transaction, *, recorded_before: datetime) -> Sequence[Unsealed]:
    """What was recorded before a moment and is under no seal; postings are counted with their entries."""
    rows = await tx.fetch(_UNSEALED, tx.organization_id, recorded_before)
    return [Unsealed(row["kind"], row["rows"], row["oldest"]) for row in rows]
