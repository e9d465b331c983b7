"""The chain of seals; `sealed_rows.py` reads the rows they cover.

Blocks follow the watermark (`vienphi_watermark`): below it every transaction is over, so the rows of a block are
complete when it is sealed. Ranges are half open and the foreign key chains them. `domain/seal.py` computes the hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg

from billing.db.database import Transaction
from billing.ledger.domain.seal import GENESIS, Seal, SealedKind, SealedPart

# The end of the next block: the watermark, or the end of the transaction that contains the last row within the limit of
# one kind. NULL if no transaction has finished since the last block.
_NEXT_END = """
    SELECT least(vienphi_watermark(),
        (SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM posting
         WHERE organization_id = $1 AND transaction_id >= $2 ORDER BY transaction_id OFFSET $3 LIMIT 1),
        (SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM audit
         WHERE organization_id = $1 AND transaction_id >= $2 ORDER BY transaction_id OFFSET $3 LIMIT 1),
        (SELECT (transaction_id::text::bigint + 1)::text::xid8 FROM delivery
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
        OR EXISTS (SELECT FROM invoice
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM event_key
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM movement_key
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM delivery
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM exception_case
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM dead_letter
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM approval
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM bank_account
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM ledger_account
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
        OR EXISTS (SELECT FROM ledger_number
            WHERE organization_id = $1 AND transaction_id >= $2 AND transaction_id < vienphi_watermark())
"""


async def next_seal_end(tx: Transaction, *, covers_from: int, rows_max: int) -> int | None:
    """The end of the next block; None if no writing transaction has finished since the last one."""
    found = await tx.fetchval(_NEXT_END, tx.organization_id, covers_from, rows_max - 1)
    return None if found is None else int(found)


_LAST = """
    SELECT number, previous_hash, covers_from, covers_until, hash, sealed_at, parts
    FROM seal WHERE organization_id = $1 ORDER BY number DESC LIMIT 1
"""


async def read_last_seal(tx: Transaction) -> Seal | None:
    """The head of the chain."""
    row = await tx.fetchrow(_LAST, tx.organization_id)
    return None if row is None else _seal(tx, row)


_SEALS = """
    SELECT number, previous_hash, covers_from, covers_until, hash, sealed_at, parts
    FROM seal WHERE organization_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""


async def read_seals(tx: Transaction, *, after: int, limit: int) -> list[Seal]:
    """The blocks after a number, in order."""
    return [_seal(tx, row) for row in await tx.fetch(_SEALS, tx.organization_id, after, limit)]


def _seal(tx: Transaction, row: asyncpg.Record) -> Seal:
    return Seal(
        organization_id=tx.organization_id,
        number=row["number"],
        previous_hash=row["previous_hash"],
        covers_from=row["covers_from"],
        covers_until=row["covers_until"],
        parts=_parts(row["parts"]),
        sealed_at=row["sealed_at"],
        hash=row["hash"],
    )


def _parts(written: dict[str, list[Any]]) -> dict[SealedKind, SealedPart]:
    return {SealedKind(kind): SealedPart(rows, bytes.fromhex(digest)) for kind, (rows, digest) in written.items()}


_ADD = """
    INSERT INTO seal (organization_id, number, previous_number, previous_hash, covers_from, covers_until, hash,
        sealed_at, parts)
    VALUES ($1, $2::bigint, nullif($2::bigint - 1, 0), $3, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING RETURNING number
"""


async def add_seal(tx: Transaction, seal: Seal) -> bool:
    """Add a block to the chain; False if another sealer added a block of that number meanwhile."""
    added = await tx.fetchval(
        _ADD,
        tx.organization_id,
        seal.number,
        seal.previous_hash if seal.number > 1 else GENESIS,
        seal.covers_from,
        seal.covers_until,
        seal.hash,
        seal.sealed_at,
        {kind.value: [part.rows, part.digest.hex()] for kind, part in seal.parts.items()},
    )
    return added is not None


_HEAD_OF_DAY = """
    SELECT seal.number, seal.previous_hash, seal.covers_from, seal.covers_until, seal.hash, seal.sealed_at,
        seal.parts
    FROM day_closing AS closing
    JOIN seal ON seal.organization_id = $1 AND seal.covers_until > closing.transaction_id
    WHERE closing.organization_id = $1 AND closing.day = $2
    ORDER BY seal.covers_until LIMIT 1
"""


async def read_head_of_day(tx: Transaction, day: date) -> Seal | None:
    """The block that contains the closing of a day; it or earlier blocks contain every entry of the day.

    None if the day is open, or closed and not sealed yet.
    """
    row = await tx.fetchrow(_HEAD_OF_DAY, tx.organization_id, day)
    return None if row is None else _seal(tx, row)


_HEAD_OF_MONTH = """
    SELECT seal.number, seal.previous_hash, seal.covers_from, seal.covers_until, seal.hash, seal.sealed_at,
        seal.parts
    FROM month_closing AS closing
    JOIN seal ON seal.organization_id = $1 AND seal.covers_until > closing.transaction_id
    WHERE closing.organization_id = $1 AND closing.month = $2
    ORDER BY seal.covers_until LIMIT 1
"""


async def read_head_of_month(tx: Transaction, month: date) -> Seal | None:
    """The block that contains the closing of a month, named by its first day; None until it is sealed."""
    row = await tx.fetchrow(_HEAD_OF_MONTH, tx.organization_id, month)
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
        UNION ALL
        SELECT 'delivery', received_at FROM delivery
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
        UNION ALL
        SELECT 'exception', opened_at FROM exception_case
        WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
    )
    SELECT kind, count(*) AS rows, min(recorded_at) AS oldest FROM later
    WHERE recorded_at < $2 GROUP BY kind ORDER BY kind
"""


async def read_unsealed(tx: Transaction, *, recorded_before: datetime) -> Sequence[Unsealed]:
    """The rows recorded before a timestamp that no seal covers; postings are counted with their entries."""
    rows = await tx.fetch(_UNSEALED, tx.organization_id, recorded_before)
    return [Unsealed(row["kind"], row["rows"], row["oldest"]) for row in rows]


_HASHES = """
    SELECT number, hash FROM seal WHERE organization_id = $1 AND number = ANY ($2::bigint[])
"""


async def read_hashes(tx: Transaction, numbers: Sequence[int]) -> dict[int, bytes]:
    """The hashes of blocks by number; a number without a block is omitted."""
    return {row["number"]: row["hash"] for row in await tx.fetch(_HASHES, tx.organization_id, list(numbers))}
