"""Move a receipt that was issued in the wrong shift to another open shift of the facility.

The receipt keeps its number, its paper and its target. Its cash moves between the drawers, in the books of the day of
the receipt: D drawer of the new desk · C drawer of the old one. A closed day stays as it is, and a shift that has ended
is counted and frozen: there the money is returned by a refund and collected again in the right shift.
Source: docs/ux.md, Shift closing; docs/visit-accounts.md, Cash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId, ReceiptId, ShiftId
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.domain.accounts import DayState, EntryKind, Posting, drawer_account
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.days import read_day
from billing.organizations.service.approvals import require_second_person
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.receipt import Direction, Receipt, ReceiptNotMovable, ReceiptShiftEnded
from billing.visit_accounts.domain.shift import Drawer, ShiftEvent, ShiftEventKind, ShiftState
from billing.visit_accounts.service.cash import lock_drawer
from billing.visit_accounts.store.receipt_moves import (
    NamedMove,
    ReceiptMove,
    ShiftPlace,
    has_ended,
    move_to_shift,
    read_facility_of_shift,
    read_moves,
    read_places,
)
from billing.visit_accounts.store.receipts import read_receipt
from billing.visit_accounts.store.shifts import add_event


@dataclass(frozen=True, slots=True, kw_only=True)
class MovableReceipt:
    """The moves of a receipt so far, and the shifts that it can be moved to now. `is_frozen`: its shift has ended."""

    moves: Sequence[NamedMove]
    places: Sequence[ShiftPlace]
    is_frozen: bool


async def find_moves(context: PaymentContext, organization_id: OrganizationId, receipt: Receipt) -> MovableReceipt:
    """What is shown of the shifts of a receipt."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        moves = await read_moves(tx, receipt.id)
        places: Sequence[ShiftPlace] = ()
        is_held = receipt.direction is Direction.IN and receipt.voided_at is None
        if is_held and receipt.held_in is not None:
            day = await read_day(tx, business_date(receipt.issued_at))
            if day is not None and day.state is DayState.OPEN:
                places = await read_places(tx, receipt.held_in)
        is_frozen = is_held and receipt.held_in is not None and await has_ended(tx, receipt.held_in)
    return MovableReceipt(moves=moves, places=places, is_frozen=is_frozen)


async def move_receipt(
    context: PaymentContext,
    organization_id: OrganizationId,
    receipt_id: ReceiptId,
    shift_id: ShiftId,
    *,
    reason: str,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> None:
    """Move a receipt to another open shift, by another person than the cashier who has it. Twice is once by `request`.

    Raises NotFound, ReceiptAlreadyVoid, ReceiptNotMovable, ReceiptShiftEnded, ShiftNotOpen, NotEnoughCash,
    SecondPersonRequired, PersonNeeded, InvalidValue, NoOpenDay, or idempotency errors.
    """
    why = read_reason(reason)
    async with context.database.transaction(organization_id, posting=True) as tx:
        if await find_previous_result(tx, request) is not None:
            return
        found = await _read(tx, receipt_id)
        if found.held_in is None or found.held_in == shift_id:
            raise ReceiptNotMovable("the receipt is in this shift", field="shift_id")
        drawers = {each: await lock_drawer(tx, each) for each in sorted((found.held_in, shift_id))}
        receipt = await _read(tx, receipt_id, locked=True)
        if receipt.held_in != found.held_in:
            raise ReceiptNotMovable("another person moved the receipt meanwhile; open it again", field="shift_id")
        old, new = drawers[found.held_in], drawers[shift_id]
        await _check(tx, receipt, old, new)
        by = await require_second_person(tx, old.shift.cashier_id, actor)
        now = context.clock()
        move = ReceiptMove(
            id=context.ids.new(),
            receipt_id=receipt_id,
            from_shift_id=old.shift.id,
            to_shift_id=shift_id,
            reason=why,
            moved_by=by,
            moved_at=now,
        )
        await move_to_shift(tx, move)
        await _move_cash(tx, context, receipt, (old, new), move, actor=actor)
        await note(tx, context, actor, "receipt_moved", ("receipt", receipt_id))
        await save_result(tx, request, [receipt_id], now=now)
    context.publish_change(organization_id)


async def _read(tx: Transaction, receipt_id: ReceiptId, *, locked: bool = False) -> Receipt:
    receipt = await read_receipt(tx, receipt_id, locked=locked)
    if receipt is None:
        raise NotFound("no such receipt", field="receipt_id")
    receipt.require_valid()
    if receipt.direction is Direction.OUT:
        raise ReceiptNotMovable("the cash of this receipt has left its drawer; only money in is moved")
    return receipt


async def _check(tx: Transaction, receipt: Receipt, old: Drawer, new: Drawer) -> None:
    """Both shifts are open and of one facility, and the day of the receipt is open."""
    if old.shift.state is not ShiftState.OPEN:
        assert old.shift.ended_at is not None, "a shift that is not open has ended"
        raise ReceiptShiftEnded(
            f"the shift of the receipt was ended at {old.shift.ended_at:%Y-%m-%d %H:%M:%S} UTC and stays as counted; "
            "return the money by a refund (POST /v1/refunds) and collect it again in the right shift"
        )
    new.shift.require_open()
    if await read_facility_of_shift(tx, old.shift.id) != await read_facility_of_shift(tx, new.shift.id):
        raise ReceiptNotMovable("the other shift is of another facility", field="shift_id")
    day = await read_day(tx, business_date(receipt.issued_at))
    if day is None or day.state is not DayState.OPEN:
        raise ReceiptNotMovable("the day of the receipt is closed: its shifts stay as they are")


async def _move_cash(
    tx: Transaction,
    context: PaymentContext,
    receipt: Receipt,
    drawers: tuple[Drawer, Drawer],
    move: ReceiptMove,
    *,
    actor: Actor,
) -> None:
    """Book the cash of a receipt from the first drawer into the second, an event in each. Raises NotEnoughCash."""
    old, new = drawers
    if receipt.cash == 0:
        return
    old.move(-receipt.cash)
    posting = Posting(
        debit=drawer_account(new.shift.desk_id),
        credit=drawer_account(old.shift.desk_id),
        amount=Dong(receipt.cash),
        visit_id=receipt.visit_id,
    )
    entry_id = await post_entry(
        tx, context, EntryKind.RECEIPT_MOVED, [posting], actor=actor, effective_at=receipt.issued_at
    )
    for drawer, kind, amount in (
        (old, ShiftEventKind.MOVED_OUT, -receipt.cash),
        (new, ShiftEventKind.MOVED_IN, receipt.cash),
    ):
        event = ShiftEvent(
            id=context.ids.new(),
            shift_id=drawer.shift.id,
            kind=kind,
            amount=amount,
            recorded_at=move.moved_at,
            reason=move.reason,
            receipt_id=receipt.id,
            entry_id=entry_id,
        )
        await add_event(tx, event, actor=actor)
