"""Active allocations and positions of payments, and the rows of a move. Source: docs/design.md §2, Payment position."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from billing.core.ids import AllocationId, DepositId, InvoiceId, PaymentId
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import Move, MoveReason, PartAllocation

_LOCK_POSITIONS = """
    SELECT payment_id FROM payment_position
    WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]) ORDER BY payment_id FOR NO KEY UPDATE
"""

_LOCK_POSITIONS_OF_DEPOSIT = """
    SELECT payment_id FROM payment_position
    WHERE organization_id = $1 AND payment_id IN (
        SELECT payment_id FROM allocation WHERE organization_id = $1 AND deposit_id = $2)
    ORDER BY payment_id FOR NO KEY UPDATE
"""

# After the positions are locked, in a later statement: no other transaction adds allocations of these payments.
_ACTIVE = """
    SELECT id, payment_id, target, amount, invoice_id, deposit_id, guarantee_id FROM allocation
    WHERE organization_id = $1 AND reverses_id IS NULL AND payment_id = ANY ($2::uuid[])
        AND NOT EXISTS (SELECT FROM allocation AS reversal
            WHERE reversal.organization_id = $1 AND reversal.reverses_id = allocation.id)
    ORDER BY id
"""


async def lock_allocations(tx: Transaction, payment_ids: Sequence[PaymentId]) -> list[PartAllocation]:
    """Lock the positions of payments; returns their active allocations, the oldest first."""
    await tx.fetch(_LOCK_POSITIONS, tx.organization_id, list(payment_ids))
    rows = await tx.fetch(_ACTIVE, tx.organization_id, list(payment_ids))
    return [_part(row) for row in rows]


async def lock_deposit_allocations(tx: Transaction, deposit_id: DepositId) -> list[PartAllocation]:
    """Lock the payments of a deposit, which must be locked; returns what is allocated to it, the oldest first."""
    locked = await tx.fetch(_LOCK_POSITIONS_OF_DEPOSIT, tx.organization_id, deposit_id)
    rows = await tx.fetch(_ACTIVE, tx.organization_id, [row["payment_id"] for row in locked])
    return [part for part in map(_part, rows) if part.deposit_id == deposit_id]


_LOCK_POSITIONS_OF_VISIT = """
    SELECT payment_id FROM payment_position
    WHERE organization_id = $1 AND payment_id IN (
        SELECT payment_id FROM allocation
        WHERE organization_id = $1
            AND (invoice_id = ANY ($2::uuid[]) OR deposit_id = $3 OR guarantee_id = ANY ($4::uuid[]))
        UNION SELECT payment.id FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.deposit_id = $3)
    ORDER BY payment_id FOR NO KEY UPDATE
"""


async def lock_visit_allocations(
    tx: Transaction,
    invoice_ids: Sequence[InvoiceId],
    deposit_id: DepositId | None,
    guarantee_ids: Sequence[UUID] = (),
) -> list[PartAllocation]:
    """Lock the payments of invoices, of a deposit and of guarantees; returns their allocations, the oldest first.

    These must be locked. Money that came under a code of the deposit after it was closed is among them.
    """
    locked = await tx.fetch(
        _LOCK_POSITIONS_OF_VISIT, tx.organization_id, list(invoice_ids), deposit_id, list(guarantee_ids)
    )
    rows = await tx.fetch(_ACTIVE, tx.organization_id, [row["payment_id"] for row in locked])
    return [_part(row) for row in rows]


_WRITE_MOVES = """
    WITH reversed AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount,
            reverses_id, reason, recorded_at)
        SELECT $1, id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount, reverses_id, reason, $2
        FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::uuid[], $9::bigint[], $10::uuid[],
            $11::text[])
            AS t (id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount, reverses_id, reason)
    ), added AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount,
            reason, recorded_at)
        SELECT $1, id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount, reason, $2
        FROM unnest($12::uuid[], $13::uuid[], $14::text[], $15::uuid[], $16::uuid[], $17::uuid[], $18::bigint[],
            $19::text[])
            AS t (id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount, reason)
    )
    UPDATE payment_position AS position SET on_invoices = position.on_invoices + t.on_invoices,
        on_deposits = position.on_deposits + t.on_deposits, on_guarantees = position.on_guarantees + t.on_guarantees,
        credit = position.credit + t.credit, unallocated = position.unallocated + t.unallocated,
        refund_reserved = position.refund_reserved + t.refund_reserved
    FROM unnest($20::uuid[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], $26::bigint[])
        AS t (payment_id, on_invoices, on_deposits, on_guarantees, credit, unallocated, refund_reserved)
    WHERE position.organization_id = $1 AND position.payment_id = t.payment_id
"""

_COLUMN_OF: dict[AllocationTarget, int] = {
    AllocationTarget.INVOICE: 0,
    AllocationTarget.DEPOSIT: 1,
    AllocationTarget.GUARANTEE: 2,
    AllocationTarget.CREDIT: 3,
    AllocationTarget.UNALLOCATED: 4,
    AllocationTarget.REFUND: 5,
}


async def write_moves(tx: Transaction, moves: Sequence[Move], *, at: datetime) -> None:
    """Write the rows of moves and change the positions; the positions are locked."""
    reversals = [_reversal_row(move) for move in moves]
    added = [row for move in moves for row in _added_rows(move)]
    await tx.execute(
        _WRITE_MOVES,
        tx.organization_id,
        at,
        *columns(reversals, 9),
        *columns(added, 8),
        *columns(_position_changes(moves), 7),
    )


_END_REFUND = """
    WITH ended AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, amount, reverses_id, reason, recorded_at)
        SELECT $1, id, payment_id, 'refund', amount, reverses_id, 'refund_sent', $2
        FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::uuid[]) AS t (id, payment_id, amount, reverses_id)
        RETURNING payment_id, amount
    )
    UPDATE payment_position AS position
    SET refund_reserved = position.refund_reserved - left_now.amount, refunded = position.refunded + left_now.amount
    FROM (SELECT payment_id, sum(amount) AS amount FROM ended GROUP BY payment_id) AS left_now
    WHERE position.organization_id = $1 AND position.payment_id = left_now.payment_id
"""


async def end_refund(
    tx: Transaction, parts: Sequence[PartAllocation], reversal_ids: Sequence[AllocationId], *, at: datetime
) -> None:
    """Record that reserved money has left: its `refund` allocations end, and the payments count it as refunded."""
    rows = [
        (reversal_id, part.payment_id, part.amount, part.id)
        for part, reversal_id in zip(parts, reversal_ids, strict=True)
    ]
    await tx.execute(_END_REFUND, tx.organization_id, at, *columns(rows, 4))


_RESTORE_REFUNDED = """
    WITH restored AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, deposit_id, amount, reason, recorded_at)
        SELECT $1, id, payment_id, target, deposit_id, amount, 'refund_returned', $2
        FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::bigint[])
            AS t (id, payment_id, target, deposit_id, amount)
        RETURNING payment_id, target, amount
    )
    UPDATE payment_position AS position SET refunded = position.refunded - back.amount,
        on_deposits = position.on_deposits + back.on_deposits, credit = position.credit + back.credit,
        unallocated = position.unallocated + back.unallocated
    FROM (
        SELECT payment_id, sum(amount) AS amount,
            coalesce(sum(amount) FILTER (WHERE target = 'deposit'), 0) AS on_deposits,
            coalesce(sum(amount) FILTER (WHERE target = 'credit'), 0) AS credit,
            coalesce(sum(amount) FILTER (WHERE target = 'unallocated'), 0) AS unallocated
        FROM restored GROUP BY payment_id
    ) AS back
    WHERE position.organization_id = $1 AND position.payment_id = back.payment_id
"""


async def restore_refunded(tx: Transaction, parts: Sequence[PartAllocation], *, at: datetime) -> None:
    """Allocate money that was refunded and came back: credit, deposit or unallocated; the positions are locked."""
    rows = [(part.id, part.payment_id, part.target.value, part.deposit_id, part.amount) for part in parts]
    await tx.execute(_RESTORE_REFUNDED, tx.organization_id, at, *columns(rows, 5))


def _reversal_row(move: Move) -> tuple[object, ...]:
    source = move.source
    return (
        move.reversal_id,
        source.payment_id,
        source.target.value,
        source.invoice_id,
        source.deposit_id,
        source.guarantee_id,
        source.amount,
        source.id,
        move.destination.reason.value,
    )


def _added_rows(move: Move) -> Iterable[tuple[object, ...]]:
    source, to = move.source, move.destination
    if move.remainder_id is not None:
        rest = source.amount - move.amount
        yield (
            move.remainder_id,
            source.payment_id,
            source.target.value,
            source.invoice_id,
            source.deposit_id,
            source.guarantee_id,
            rest,
            MoveReason.REMAINDER.value,
        )
    yield (
        move.moved_id,
        source.payment_id,
        to.target.value,
        to.invoice_id,
        to.deposit_id,
        to.guarantee_id,
        move.amount,
        to.reason.value,
    )


def _position_changes(moves: Sequence[Move]) -> list[tuple[object, ...]]:
    """One row for each payment: the change of every part of its position."""
    changes: dict[UUID, list[int]] = {}
    for move in moves:
        change = changes.setdefault(move.source.payment_id, [0] * len(_COLUMN_OF))
        change[_COLUMN_OF[move.source.target]] -= move.amount
        change[_COLUMN_OF[move.destination.target]] += move.amount
    return [(payment_id, *change) for payment_id, change in sorted(changes.items())]


def _part(row: asyncpg.Record) -> PartAllocation:
    return PartAllocation(
        id=AllocationId(row["id"]),
        payment_id=PaymentId(row["payment_id"]),
        target=AllocationTarget(row["target"]),
        amount=Dong(row["amount"]),
        invoice_id=None if row["invoice_id"] is None else InvoiceId(row["invoice_id"]),
        deposit_id=None if row["deposit_id"] is None else DepositId(row["deposit_id"]),
        guarantee_id=row["guarantee_id"],
    )
