"""Shifts: open with a counted float, pay in and out, end with a blind count, close by another person, forced close.

Source: docs/visit-accounts.md, Cash; docs/reference/hospital-money.md §4 (C-006).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import DeskId, OrganizationId, PersonId, ShiftId
from billing.core.list_slice import ListSlice
from billing.core.money import NOTHING, Dong
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind
from billing.ledger.service.audit import note
from billing.organizations.service.approvals import require_second_person
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.shift import (
    Drawer,
    Shift,
    ShiftAlreadyOpen,
    ShiftEventKind,
    ShiftState,
    count_cash,
    require_difference_reason,
)
from billing.visit_accounts.service.cash import CashMovement, lock_drawer, move_cash
from billing.visit_accounts.service.shift_ending import announce_shift, difference_movement, end_drawer
from billing.visit_accounts.store.desks import find_desk
from billing.visit_accounts.store.shift_views import ListedShift, ShiftView, list_shifts, read_shift_view
from billing.visit_accounts.store.shifts import (
    add_shift,
    find_open_shift,
    lock_latest_shift,
    read_drawer,
    update_shift,
)

_SAFE = AccountKey(AccountRole.SAFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShift:
    """A shift to open: the float that the cashier has counted, of which `issued_float` comes from the safe just now."""

    desk_id: DeskId
    opening_float: Dong
    issued_float: Dong = NOTHING
    difference_reason: str = ""


async def open_shift(
    context: PaymentContext,
    organization_id: OrganizationId,
    new: NewShift,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> ShiftId:
    """Open the caller's shift at a desk; a difference to what the last shift left is booked with its reason.

    D drawer · C safe for the issued float; D short · C drawer or D drawer · C over for the difference. A repeated
    `request` returns the earlier shift. Raises NotFound, ShiftAlreadyOpen, DifferenceReasonNeeded, PersonNeeded.
    """
    cashier = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return ShiftId(earlier.subjects[0])
        if await find_desk(tx, new.desk_id) is None:
            raise NotFound("no such desk", field="desk_id")
        before = await lock_latest_shift(tx, new.desk_id)
        await _require_none_open(tx, new.desk_id, cashier)
        left = NOTHING if before is None else (await read_drawer(tx, before)).cash
        difference = new.opening_float - left - new.issued_float
        if difference:
            require_difference_reason(
                new.difference_reason, needed_for="the float is not what the last shift of the desk left"
            )
        shift = Shift(
            id=ShiftId(context.ids.new()),
            desk_id=new.desk_id,
            cashier_id=cashier,
            state=ShiftState.OPEN,
            version=1,
            expected_float=left,
            opening_float=new.opening_float,
            opened_at=context.clock(),
        )
        if not await add_shift(tx, shift):
            await _require_none_open(tx, new.desk_id, cashier)
            raise ShiftAlreadyOpen("a shift was opened at this moment at this desk, or by this cashier")
        issued = CashMovement(
            kind=ShiftEventKind.FLOAT, amount=new.issued_float, other=_SAFE, entry_kind=EntryKind.FLOAT_ISSUED
        )
        drawer = await move_cash(tx, context, Drawer(shift, left), issued, actor=actor)
        reason = read_reason(new.difference_reason, field="difference_reason") if difference else ""
        differing = difference_movement(difference, ShiftEventKind.FLOAT_DIFFERENCE, reason)
        await move_cash(tx, context, drawer, differing, actor=actor)
        await announce_shift(tx, context, shift, "shift_opened", actor)
        await save_result(tx, request, [shift.id], now=context.clock())
    return shift.id


async def pay_in(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    amount: Dong,
    *,
    reason: str,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> None:
    """Record cash that came from the safe into the drawer (change): D drawer · C safe. Raises as `pay_out`."""
    movement = CashMovement(
        kind=ShiftEventKind.PAID_IN,
        amount=amount,
        other=_SAFE,
        entry_kind=EntryKind.CASH_PAID_IN,
        reason=read_reason(reason, field="reason"),
    )
    await _move(context, organization_id, shift_id, movement, actor=actor, request=request)


async def pay_out(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    amount: Dong,
    *,
    reason: str,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> None:
    """Record cash that went back from the drawer to the safe: D safe · C drawer.

    Raises NotFound, WrongShift, ShiftNotOpen, NotEnoughCash, InvalidValue, PersonNeeded.
    """
    movement = CashMovement(
        kind=ShiftEventKind.PAID_OUT,
        amount=-amount,
        other=_SAFE,
        entry_kind=EntryKind.CASH_PAID_OUT,
        reason=read_reason(reason, field="reason"),
    )
    await _move(context, organization_id, shift_id, movement, actor=actor, request=request)


async def end_shift(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    counted: Mapping[str, int],
    *,
    difference_reason: str = "",
    actor: Actor,
) -> None:
    """End the caller's own shift with a blind count; over or short is booked with its reason.

    Raises NotFound, WrongShift, ShiftNotOpen, DifferenceReasonNeeded, InvalidValue, PersonNeeded.
    """
    cashier = require_person(actor)
    count = count_cash(counted, difference_reason=difference_reason)
    async with context.database.transaction(organization_id, posting=True) as tx:
        drawer = await lock_drawer(tx, shift_id)
        drawer.shift.require_cashier(cashier)
        ended = drawer.shift.end(count, expected=drawer.cash, by=cashier, at=context.clock())
        await end_drawer(tx, context, drawer, ended, actor=actor)


async def force_close_shift(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    counted: Mapping[str, int],
    *,
    reason: str,
    actor: Actor,
) -> None:
    """End the shift of a cashier who left, with a count by the head cashier. Another person closes it later.

    Raises NotFound, WrongShift (own shift), ShiftNotOpen, InvalidValue, PersonNeeded.
    """
    head = require_person(actor)
    count = count_cash(counted)
    async with context.database.transaction(organization_id, posting=True) as tx:
        drawer = await lock_drawer(tx, shift_id)
        ended = drawer.shift.force_end(count, expected=drawer.cash, by=head, at=context.clock(), reason=reason)
        await end_drawer(tx, context, drawer, ended, actor=actor)


async def close_shift(
    context: PaymentContext, organization_id: OrganizationId, shift_id: ShiftId, *, actor: Actor
) -> None:
    """Close an ended shift after its audit: another person than its cashier and than who counted it.

    Raises NotFound, ShiftNotEnded, SecondPersonRequired, PersonNeeded.
    """
    async with context.database.transaction(organization_id, posting=True) as tx:
        drawer = await lock_drawer(tx, shift_id)
        closed = drawer.shift.close(by=require_person(actor), at=context.clock())
        await require_second_person(tx, closed.cashier_id, actor)
        assert closed.ended_by is not None, "an ended shift names who ended it"
        await require_second_person(tx, closed.ended_by, actor)
        await update_shift(tx, closed)
        await announce_shift(tx, context, closed, "shift_closed", actor)


async def find_shift(
    context: PaymentContext, organization_id: OrganizationId, shift_id: ShiftId, *, viewer: PersonId | None
) -> ShiftView:
    """A shift with its events, receipts, slips and sums. Raises NotFound.

    Where the facility hides the expected cash, the cashier of an open shift sees none of them.
    """
    async with context.database.transaction(organization_id) as tx:
        view = await read_shift_view(tx, shift_id)
    if view is None:
        raise NotFound("no such shift", field="shift_id")
    is_blind = view.hides_expected_cash and view.shift.state is ShiftState.OPEN and view.shift.cashier_id == viewer
    return view.blind() if is_blind else view


async def list_all_shifts(
    context: PaymentContext,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    desk_id: DeskId | None = None,
    state: ShiftState | None = None,
) -> list[ListedShift]:
    """Shifts, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id) as tx:
        return await list_shifts(tx, part, desk_id=desk_id, state=state)


async def _move(
    context: PaymentContext,
    organization_id: OrganizationId,
    shift_id: ShiftId,
    movement: CashMovement,
    *,
    actor: Actor,
    request: IdempotentRequest | None,
) -> None:
    if movement.amount == 0:
        raise InvalidValue("an amount above 0 is moved", field="amount")
    cashier = require_person(actor)
    async with context.database.transaction(organization_id, posting=True) as tx:
        if await find_previous_result(tx, request) is not None:
            return
        drawer = await lock_drawer(tx, shift_id)
        drawer.shift.require_cashier(cashier)
        drawer.shift.require_open()
        await move_cash(tx, context, drawer, movement, actor=actor)
        await note(tx, context, actor, f"shift_{movement.kind.value}", ("shift", shift_id))
        await save_result(tx, request, [shift_id], now=context.clock())


async def _require_none_open(tx: Transaction, desk_id: DeskId, cashier: PersonId) -> None:
    found = await find_open_shift(tx, desk_id, cashier)
    if found is None:
        return
    whose = "you have" if found.cashier_id == cashier else f"cashier {found.cashier_id} has"
    raise ShiftAlreadyOpen(
        f"{whose} an open shift at desk {found.desk_id} since {found.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    )
