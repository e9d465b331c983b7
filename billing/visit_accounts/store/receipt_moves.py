"""Moves of receipts between shifts, and the open shifts that a receipt can be moved to."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import FacilityId, PersonId, ReceiptId, ShiftId
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptMove:
    """A move of a receipt: from a shift to another one, with its reason and the person who decided it."""

    id: UUID
    receipt_id: ReceiptId
    from_shift_id: ShiftId
    to_shift_id: ShiftId
    reason: str
    moved_by: PersonId
    moved_at: datetime


_MOVE = """
    WITH moved AS (
        INSERT INTO receipt_move (organization_id, id, receipt_id, from_shift_id, to_shift_id, reason, moved_by,
            moved_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    )
    UPDATE receipt SET moved_to = $5 WHERE organization_id = $1 AND id = $3
"""


async def move_to_shift(tx: Transaction, move: ReceiptMove) -> None:
    """Record a move of a locked receipt; its shifts are locked."""
    await tx.execute(
        _MOVE,
        tx.organization_id,
        move.id,
        move.receipt_id,
        move.from_shift_id,
        move.to_shift_id,
        move.reason,
        move.moved_by,
        move.moved_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedMove:
    """A move as it is shown: desk and cashier of both shifts."""

    from_desk: str
    from_cashier: str
    to_desk: str
    to_cashier: str
    reason: str
    person: str
    moved_at: datetime


_MOVES = """
    SELECT here.name AS from_desk, giver.name AS from_cashier, there.name AS to_desk, taker.name AS to_cashier,
        move.reason, person.name AS person, move.moved_at
    FROM receipt_move AS move
    JOIN shift AS old ON old.organization_id = $1 AND old.id = move.from_shift_id
    JOIN desk AS here ON here.organization_id = $1 AND here.id = old.desk_id
    JOIN person AS giver ON giver.organization_id = $1 AND giver.id = old.cashier_id
    JOIN shift AS new ON new.organization_id = $1 AND new.id = move.to_shift_id
    JOIN desk AS there ON there.organization_id = $1 AND there.id = new.desk_id
    JOIN person AS taker ON taker.organization_id = $1 AND taker.id = new.cashier_id
    JOIN person ON person.organization_id = $1 AND person.id = move.moved_by
    WHERE move.organization_id = $1 AND move.receipt_id = $2
    ORDER BY move.id
"""


async def read_moves(tx: Transaction, receipt_id: ReceiptId) -> list[NamedMove]:
    """The moves of a receipt, the first one first."""
    return [read_row(NamedMove, row) for row in await tx.fetch(_MOVES, tx.organization_id, receipt_id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftPlace:
    """An open shift that can take a receipt."""

    id: ShiftId
    desk: str
    cashier: str
    opened_at: datetime


_PLACES = """
    SELECT shift.id, desk.name AS desk, person.name AS cashier, shift.opened_at
    FROM shift AS held
    JOIN desk AS old ON old.organization_id = $1 AND old.id = held.desk_id
    JOIN desk ON desk.organization_id = $1 AND desk.facility_id = old.facility_id
    JOIN shift ON shift.organization_id = $1 AND shift.desk_id = desk.id AND shift.state = 'open'
        AND shift.id <> held.id
    JOIN person ON person.organization_id = $1 AND person.id = shift.cashier_id
    WHERE held.organization_id = $1 AND held.id = $2 AND held.state = 'open'
    ORDER BY desk.name, shift.id
"""


async def read_places(tx: Transaction, shift_id: ShiftId) -> list[ShiftPlace]:
    """The other open shifts of the facility of an open shift."""
    return [read_row(ShiftPlace, row) for row in await tx.fetch(_PLACES, tx.organization_id, shift_id)]


_FACILITY = """
    SELECT desk.facility_id FROM shift
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    WHERE shift.organization_id = $1 AND shift.id = $2
"""


async def read_facility_of_shift(tx: Transaction, shift_id: ShiftId) -> FacilityId:
    """The facility of an existing shift."""
    found: UUID = await tx.fetchval(_FACILITY, tx.organization_id, shift_id)
    return FacilityId(found)


_HAS_ENDED = """
    SELECT state <> 'open' FROM shift WHERE organization_id = $1 AND id = $2
"""


async def has_ended(tx: Transaction, shift_id: ShiftId) -> bool:
    """Whether an existing shift has ended."""
    found: bool = await tx.fetchval(_HAS_ENDED, tx.organization_id, shift_id)
    return found
