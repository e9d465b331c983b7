"""Shifts and their events: rows read under lock, and their new states written."""

from billing.core.actor import Actor
from billing.core.ids import DeskId, PersonId, ShiftId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.shift import Drawer, Shift, ShiftEvent

_ADD_SHIFT = """
    INSERT INTO shift (organization_id, id, desk_id, cashier_id, state, version, expected_float, opening_float,
        opened_at)
    VALUES ($1, $2, $3, $4, 'open', 1, $5, $6, $7)
    ON CONFLICT DO NOTHING RETURNING id
"""


async def add_shift(tx: Transaction, shift: Shift) -> bool:
    """Store a new shift; False if the desk or the cashier has an open one."""
    added = await tx.fetchval(
        _ADD_SHIFT,
        tx.organization_id,
        shift.id,
        shift.desk_id,
        shift.cashier_id,
        shift.expected_float,
        shift.opening_float,
        shift.opened_at,
    )
    return added is not None


_FIND_OPEN = """
    SELECT id, desk_id, cashier_id, state, version, expected_float, opening_float, opened_at, counted, counted_cash,
        expected_cash, difference_reason, is_forced, forced_reason, ended_at, ended_by, closed_at, closed_by
    FROM shift
    WHERE organization_id = $1 AND state = 'open' AND (desk_id = $2 OR cashier_id = $3)
    ORDER BY opened_at LIMIT 1
"""


async def find_open_shift(tx: Transaction, desk_id: DeskId, cashier_id: PersonId) -> Shift | None:
    """The open shift of a desk or of a cashier."""
    row = await tx.fetchrow(_FIND_OPEN, tx.organization_id, desk_id, cashier_id)
    return None if row is None else read_row(Shift, row)


_LOCK_SHIFT = """
    SELECT id, desk_id, cashier_id, state, version, expected_float, opening_float, opened_at, counted, counted_cash,
        expected_cash, difference_reason, is_forced, forced_reason, ended_at, ended_by, closed_at, closed_by
    FROM shift
    WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def lock_shift(tx: Transaction, shift_id: ShiftId) -> Shift | None:
    """Read a shift and lock its row until the transaction ends."""
    row = await tx.fetchrow(_LOCK_SHIFT, tx.organization_id, shift_id)
    return None if row is None else read_row(Shift, row)


_LOCK_OPEN_SHIFT_OF = """
    SELECT id, desk_id, cashier_id, state, version, expected_float, opening_float, opened_at, counted, counted_cash,
        expected_cash, difference_reason, is_forced, forced_reason, ended_at, ended_by, closed_at, closed_by
    FROM shift
    WHERE organization_id = $1 AND cashier_id = $2 AND state = 'open' FOR NO KEY UPDATE
"""


async def lock_open_shift_of(tx: Transaction, cashier_id: PersonId) -> Shift | None:
    """Read the open shift of a cashier and lock its row; None if there is none."""
    row = await tx.fetchrow(_LOCK_OPEN_SHIFT_OF, tx.organization_id, cashier_id)
    return None if row is None else read_row(Shift, row)


_LATEST_OF_CASHIER = """
    SELECT id, desk_id, cashier_id, state, version, expected_float, opening_float, opened_at, counted, counted_cash,
        expected_cash, difference_reason, is_forced, forced_reason, ended_at, ended_by, closed_at, closed_by
    FROM shift WHERE organization_id = $1 AND cashier_id = $2 ORDER BY id DESC LIMIT 1
"""


async def read_latest_shift_of(tx: Transaction, cashier_id: PersonId) -> Shift | None:
    """The latest shift of a cashier, in any state."""
    row = await tx.fetchrow(_LATEST_OF_CASHIER, tx.organization_id, cashier_id)
    return None if row is None else read_row(Shift, row)


_LATEST_OF_DESK = """
    SELECT id FROM shift WHERE organization_id = $1 AND desk_id = $2 ORDER BY id DESC LIMIT 1
"""


async def lock_latest_shift(tx: Transaction, desk_id: DeskId) -> Shift | None:
    """Read the latest shift of a desk and lock its row: no later one is opened meanwhile; None for a new desk.

    A shift that opens locks its predecessor first, so the latest id is read again after the lock.
    """
    shift: Shift | None = None
    while True:
        latest = await tx.fetchval(_LATEST_OF_DESK, tx.organization_id, desk_id)
        if latest is None or (shift is not None and shift.id == latest):
            return shift
        shift = await lock_shift(tx, ShiftId(latest))


_CASH_MOVED = """
    SELECT coalesce(sum(amount), 0)::bigint FROM shift_event WHERE organization_id = $1 AND shift_id = $2
"""


async def read_drawer(tx: Transaction, shift: Shift) -> Drawer:
    """The cash in the drawer of a locked shift: what the desk's last shift left and the events of this one."""
    moved: int = await tx.fetchval(_CASH_MOVED, tx.organization_id, shift.id)
    return Drawer(shift, Dong(shift.expected_float + moved))


_ADD_EVENT = """
    INSERT INTO shift_event (organization_id, id, shift_id, kind, amount, receipt_id, reason, entry_id, actor_kind,
        actor_id, acting_for, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


async def add_event(tx: Transaction, event: ShiftEvent, *, actor: Actor) -> None:
    """Store one movement of cash; its shift is locked."""
    await tx.execute(
        _ADD_EVENT,
        tx.organization_id,
        event.id,
        event.shift_id,
        event.kind.value,
        event.amount,
        event.receipt_id,
        event.reason,
        event.entry_id,
        actor.kind.value,
        actor.id,
        actor.person,
        event.recorded_at,
    )


_UPDATE_SHIFT = """
    UPDATE shift SET state = $3, version = $4, counted = $5, counted_cash = $6, expected_cash = $7,
        difference_reason = $8, is_forced = $9, forced_reason = $10, ended_at = $11, ended_by = $12, closed_at = $13,
        closed_by = $14
    WHERE organization_id = $1 AND id = $2
"""


async def update_shift(tx: Transaction, shift: Shift) -> None:
    """Write the new state of a locked shift."""
    await tx.execute(
        _UPDATE_SHIFT,
        tx.organization_id,
        shift.id,
        shift.state.value,
        shift.version,
        None if shift.counted is None else dict(shift.counted),
        shift.counted_cash,
        shift.expected_cash,
        shift.difference_reason,
        shift.is_forced,
        shift.forced_reason,
        shift.ended_at,
        shift.ended_by,
        shift.closed_at,
        shift.closed_by,
    )
