"""What the screens read of shifts: the desk with its last receipts, the minutes, shifts that wait. Use cases.

`shift_closing.py` has the own shift on its way to the close. Amounts from which the expected cash follows are not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import NotFound
from billing.core.ids import DeskId, OrganizationId, ShiftId
from billing.core.money import NOTHING, Dong
from billing.db.context import Context
from billing.visit_accounts.domain.shift import Shift
from billing.visit_accounts.domain.shift_minutes import ShiftMinutes
from billing.visit_accounts.store.desk_receipts import DeskReceipt, read_receipts_of_desk, read_receipts_of_shift
from billing.visit_accounts.store.desks import DeskSettings, find_desk
from billing.visit_accounts.store.shift_counts import read_minutes
from billing.visit_accounts.store.shift_pages import (
    NamedHandOver,
    NamedShift,
    read_hand_overs_of_desk,
    read_last_shift,
    read_named_shift,
    read_open_shift_of,
    read_unclosed_shifts,
)
from billing.visit_accounts.store.shifts import read_drawer, read_latest_shift_of

_LAST_RECEIPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftDesk:
    """A desk for its cashier. `own` is the caller's open shift, at this desk or another; `last` is the desk's latest.

    `left` is the cash that the next shift of the desk expects, None while a shift is open at it.
    """

    desk: DeskSettings | None
    own: NamedShift | None
    last: NamedShift | None
    left: Dong | None
    receipts: Sequence[DeskReceipt]
    hand_overs: Sequence[NamedHandOver]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutesView:
    """The minutes of an ended shift with its signatures."""

    named: NamedShift
    minutes: ShiftMinutes

    @property
    def shift(self) -> Shift:
        """The shift itself."""
        return self.named.shift


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReceipts:
    """A shift of any cashier with its receipts, the newest first."""

    named: NamedShift
    receipts: Sequence[DeskReceipt]


async def find_shift_desk(
    context: Context, organization_id: OrganizationId, desk_id: DeskId | None, *, actor: Actor
) -> ShiftDesk:
    """The desk where the caller signed in, or the one of the caller's open shift. Raises PersonNeeded."""
    person = require_person(actor)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        own = await read_open_shift_of(tx, person)
        at = desk_id if own is None else own.shift.desk_id
        if at is None:
            return ShiftDesk(desk=None, own=None, last=None, left=None, receipts=(), hand_overs=())
        last = await read_last_shift(tx, at)
        left: Dong | None = NOTHING
        if last is not None:
            left = None if last.shift.ended_at is None else (await read_drawer(tx, last.shift)).cash
        return ShiftDesk(
            desk=await find_desk(tx, at),
            own=own,
            last=last,
            left=left,
            receipts=await read_receipts_of_desk(tx, at, at_most=_LAST_RECEIPTS),
            hand_overs=[] if last is None else await read_hand_overs_of_desk(tx, at, last.shift.id),
        )


async def find_own_shift(context: Context, organization_id: OrganizationId, *, actor: Actor) -> Shift | None:
    """The caller's shift that has not ended; None without one. Raises PersonNeeded."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        shift = await read_latest_shift_of(tx, require_person(actor))
    return shift if shift is not None and shift.ended_at is None else None


async def find_named_shift(context: Context, organization_id: OrganizationId, shift_id: ShiftId) -> NamedShift:
    """One shift with its names. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        named = await read_named_shift(tx, shift_id)
    if named is None:
        raise NotFound("no such shift", field="shift_id")
    return named


async def find_shift_receipts(context: Context, organization_id: OrganizationId, shift_id: ShiftId) -> ShiftReceipts:
    """Every receipt of one shift. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        named = await read_named_shift(tx, shift_id)
        receipts = await read_receipts_of_shift(tx, shift_id)
    if named is None:
        raise NotFound("no such shift", field="shift_id")
    return ShiftReceipts(named=named, receipts=receipts[::-1])


async def find_minutes(context: Context, organization_id: OrganizationId, shift_id: ShiftId) -> MinutesView:
    """The minutes of an ended shift. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        named = await read_named_shift(tx, shift_id)
        minutes = await read_minutes(tx, shift_id)
    if named is None or minutes is None:
        raise NotFound("this shift has no minutes", field="shift_id")
    return MinutesView(named=named, minutes=minutes)


async def list_unclosed_shifts(
    context: Context, organization_id: OrganizationId, *, facility_codes: frozenset[str] | None
) -> list[NamedShift]:
    """Shifts that are open or wait for their audit, of some facilities or of all."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_unclosed_shifts(tx, facility_codes=facility_codes)
