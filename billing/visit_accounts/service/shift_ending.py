"""End a shift: book the difference, freeze the minutes under their number, write the new state. A step.

The shift is locked. Lock order: shift, series, ledger accounts. Source: docs/visit-accounts.md, Cash; docs/ux.md.
"""

from collections import Counter

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.db.database import Transaction
from billing.db.series import take_numbers
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_message
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.receipt import Direction, ReceiptState
from billing.visit_accounts.domain.shift import Drawer, Shift, ShiftEventKind
from billing.visit_accounts.domain.shift_minutes import (
    MINUTES_SERIES,
    MethodTotal,
    MinutesFacts,
    MovementSum,
    minutes_document,
)
from billing.visit_accounts.service.cash import CashMovement, move_cash
from billing.visit_accounts.store.shift_counts import add_minutes, count_counts, read_latest_count, read_names
from billing.visit_accounts.store.shift_views import ShiftView, read_shift_view
from billing.visit_accounts.store.shifts import update_shift

_SHORT = AccountKey(AccountRole.CASH_SHORT)
_OVER = AccountKey(AccountRole.CASH_OVER)


async def end_drawer(tx: Transaction, context: PaymentContext, drawer: Drawer, ended: Shift, *, actor: Actor) -> None:
    """Write the end of a locked shift: D short · C drawer or D drawer · C over, minutes, state, audit line, message."""
    assert ended.counted_cash is not None, "an ended shift is counted"
    view = await read_shift_view(tx, ended.id)
    assert view is not None, "the shift is locked"
    await _write_minutes(tx, ended, view)
    difference = ended.counted_cash - drawer.cash
    kind = ShiftEventKind.OVER if difference > 0 else ShiftEventKind.SHORT
    movement = difference_movement(difference, kind, ended.difference_reason)
    await move_cash(tx, context, drawer, movement, actor=actor)
    await update_shift(tx, ended)
    await announce_shift(tx, context, ended, "shift_force_closed" if ended.is_forced else "shift_ended", actor)


def difference_movement(amount: int, kind: ShiftEventKind, reason: str) -> CashMovement:
    """D short · C drawer, or D drawer · C over."""
    other = _OVER if amount > 0 else _SHORT
    return CashMovement(kind=kind, amount=amount, other=other, entry_kind=EntryKind.CASH_DIFFERENCE, reason=reason)


async def announce_shift(tx: Transaction, context: PaymentContext, shift: Shift, action: str, actor: Actor) -> None:
    """Write the message and the audit line about a new state of a shift."""
    await write_message(
        tx,
        context.ids.new(),
        topic="shift.updated",
        payload={"shift_id": str(shift.id), "version": shift.version, "state": shift.state.value},
    )
    await note(tx, context, actor, action, ("shift", shift.id))


async def _write_minutes(tx: Transaction, ended: Shift, view: ShiftView) -> None:
    assert ended.ended_at is not None, "an ended shift has its time"
    assert ended.ended_by is not None, "a person ended the shift"
    year = business_date(ended.ended_at).year
    [number] = await take_numbers(tx, series=MINUTES_SERIES, year=year)
    latest = await read_latest_count(tx, ended.id)
    collected = [receipt for receipt in view.receipts if receipt.direction is Direction.IN]
    numbers = {receipt.id: receipt.written_number for receipt in view.receipts}
    facts = MinutesFacts(
        names=await read_names(tx, ended.id, ended.ended_by),
        movements=_movements(view),
        methods=[
            MethodTotal(direction=one.direction, method=one.method, parts=one.parts, amount=one.amount)
            for one in view.sums
        ],
        receipts=len(collected),
        vouchers=len(view.receipts) - len(collected),
        voided=sum(receipt.state is ReceiptState.VOID for receipt in view.receipts),
        first_receipt=collected[0].written_number if collected else "",
        last_receipt=collected[-1].written_number if collected else "",
        counts=await count_counts(tx, ended.id),
        missing_receipts=[] if latest is None else [numbers[each] for each in latest.missing_receipts],
    )
    await add_minutes(tx, ended.id, year=year, number=number, document=minutes_document(ended, facts))


def _movements(view: ShiftView) -> list[MovementSum]:
    amounts: Counter[ShiftEventKind] = Counter()
    counts: Counter[ShiftEventKind] = Counter()
    for event in view.events:
        amounts[event.kind] += event.amount
        counts[event.kind] += 1
    return [MovementSum(kind=kind, count=counts[kind], amount=amounts[kind]) for kind in ShiftEventKind if counts[kind]]
