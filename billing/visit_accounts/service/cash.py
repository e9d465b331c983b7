"""Move cash in the drawer of a shift: every movement is an event of the shift with its entry. These are steps.

Each requires a transaction with `posting=True`. The shift is locked after the positions of payments and refunds and
before receipts and series (docs/visit-accounts.md, Lock order). The drawer is never below 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_urlsafe
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import PaymentId, ReceiptId, ShiftId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.series import take_numbers
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, drawer_account
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.journal import write_message
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.receipt import (
    SERIES,
    Direction,
    PartMethod,
    Purpose,
    Receipt,
    ReceiptNumberTaken,
    ReceiptPart,
    ReceiptState,
)
from billing.visit_accounts.domain.shift import Drawer, NoOpenShift, ShiftEvent, ShiftEventKind, round_cash
from billing.visit_accounts.store.desks import find_desk
from billing.visit_accounts.store.receipt_prints import read_print_head
from billing.visit_accounts.store.receipts import add_receipt
from billing.visit_accounts.store.shifts import (
    add_event,
    lock_open_shift_of,
    lock_shift,
    read_drawer,
    read_latest_shift_of,
)

_TOKEN_BYTES = 16
REFUND_IN_TRANSIT = AccountKey(AccountRole.REFUND_IN_TRANSIT)
_ROUNDING = AccountKey(AccountRole.CASH_ROUNDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMovement:
    """Cash into the drawer (positive) or out of it, in đồng. `other` is the account on the other side."""

    kind: ShiftEventKind
    amount: int
    other: AccountKey
    entry_kind: EntryKind
    reason: str = ""
    receipt_id: ReceiptId | None = None
    visit_id: VisitId | None = None
    payment_id: PaymentId | None = None
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashPayout:
    """Cash that is returned to a patient or payer: D `debit` · C drawer. `printed` adds to the printed receipt."""

    amount: Dong
    purpose: Purpose
    visit_id: VisitId | None = None
    refund_id: UUID | None = None
    payment_id: PaymentId | None = None
    debit: AccountKey = REFUND_IN_TRANSIT
    printed: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidOut:
    """The numbered receipt of a payout (phiếu chi)."""

    receipt_id: ReceiptId
    number: str
    shift_id: ShiftId


async def lock_own_drawer(tx: Transaction, actor: Actor) -> Drawer:
    """Lock the open shift of the caller; returns it with its cash. Raises NoOpenShift, PersonNeeded."""
    cashier = require_person(actor)
    shift = await lock_open_shift_of(tx, cashier)
    if shift is None:
        last = await read_latest_shift_of(tx, cashier)
        ended = (
            ""  # none yet, or one that was opened since the statement before
            if last is None or last.ended_at is None
            else f"; your last one ended at {last.ended_at:%Y-%m-%d %H:%M:%S} UTC by {last.ended_by}"
        )
        raise NoOpenShift(f"open your shift at a desk first{ended}")
    return await read_drawer(tx, shift)


async def lock_drawer(tx: Transaction, shift_id: ShiftId) -> Drawer:
    """Lock a shift in any state; returns it with its cash. Raises NotFound."""
    shift = await lock_shift(tx, shift_id)
    if shift is None:
        raise NotFound("no such shift", field="shift_id")
    return await read_drawer(tx, shift)


async def move_cash(
    tx: Transaction, context: PaymentContext, drawer: Drawer, movement: CashMovement, *, actor: Actor
) -> Drawer:
    """Book a movement: D drawer · C other if cash comes in, else D other · C drawer. Returns the drawer after it.

    Does nothing for 0. Raises NotEnoughCash, NoOpenDay.
    """
    if movement.amount == 0:
        return drawer
    moved = drawer.move(movement.amount)
    account = drawer_account(drawer.shift.desk_id)
    debit, credit = (account, movement.other) if movement.amount > 0 else (movement.other, account)
    posting = Posting(
        debit=debit,
        credit=credit,
        amount=Dong(abs(movement.amount)),
        visit_id=movement.visit_id,
        payment_id=movement.payment_id,
        payer="patient" if movement.visit_id else "",
    )
    entry_id = await post_entry(
        tx, context, movement.entry_kind, [posting], actor=actor, effective_at=movement.effective_at
    )
    event = ShiftEvent(
        id=context.ids.new(),
        shift_id=drawer.shift.id,
        kind=movement.kind,
        amount=movement.amount,
        recorded_at=context.clock(),
        reason=movement.reason,
        receipt_id=movement.receipt_id,
        entry_id=entry_id,
    )
    await add_event(tx, event, actor=actor)
    return moved


def round_receipt(receipt: Receipt, amount: int) -> CashMovement:
    """What cash rounding adds to the drawer, or takes out of it: D drawer · C rounding, or D rounding · C drawer."""
    return CashMovement(
        kind=ShiftEventKind.ROUNDING,
        amount=amount,
        other=_ROUNDING,
        entry_kind=EntryKind.CASH_ROUNDED,
        receipt_id=receipt.id,
        visit_id=receipt.visit_id,
        effective_at=receipt.issued_at,
    )


async def pay_out_cash(tx: Transaction, context: PaymentContext, payout: CashPayout, *, actor: Actor) -> PaidOut:
    """Return cash from the drawer of the caller's open shift, with a numbered receipt (phiếu chi).

    The cash is rounded as that of a collection. The caller has locked and written the refund and the payment
    positions. Raises NoOpenShift, NotEnoughCash, PersonNeeded, NoOpenDay.
    """
    drawer = await lock_own_drawer(tx, actor)
    desk = await find_desk(tx, drawer.shift.desk_id)
    assert desk is not None, "a shift is at a desk"
    rounding = round_cash(payout.amount, step=desk.rounding_step)
    drawer.move(-payout.amount - rounding)
    now = context.clock()
    series, year = SERIES[Direction.OUT], business_date(now).year
    [number] = await take_numbers(tx, series=series, year=year)
    parts = [
        ReceiptPart(
            method=PartMethod.CASH,
            amount=payout.amount + rounding,
            payment_id=payout.payment_id,
            refund_id=payout.refund_id,
        )
    ]
    if rounding:
        parts.append(ReceiptPart(method=PartMethod.ROUNDING, amount=-rounding))
    receipt = Receipt(
        id=ReceiptId(context.ids.new()),
        series=series,
        year=year,
        number=number,
        direction=Direction.OUT,
        purpose=payout.purpose,
        state=ReceiptState.VALID,
        amount=payout.amount,
        issued_at=now,
        issued_by=actor.person,
        visit_id=payout.visit_id,
        shift_id=drawer.shift.id,
        parts=tuple(parts),
    )
    head = await read_print_head(tx, receipt)
    await issue_receipt(tx, context, receipt, printed={**head, **payout.printed}, actor=actor)
    movement = CashMovement(
        kind=ShiftEventKind.REFUND,
        amount=-payout.amount,
        other=payout.debit,
        entry_kind=EntryKind.REFUND_SENT,
        receipt_id=receipt.id,
        visit_id=payout.visit_id,
        payment_id=payout.payment_id,
    )
    movements = [movement, round_receipt(receipt, -rounding)]
    # What rounding leaves in the drawer comes first: the drawer may hold no more than the rounded amount.
    for each in sorted(movements, key=lambda one: one.amount, reverse=True):
        drawer = await move_cash(tx, context, drawer, each, actor=actor)
    return PaidOut(receipt_id=receipt.id, number=receipt.written_number, shift_id=drawer.shift.id)


async def issue_receipt(
    tx: Transaction, context: PaymentContext, receipt: Receipt, *, printed: Mapping[str, object], actor: Actor
) -> None:
    """Store a numbered receipt as it is printed, with its audit line and message. Raises ReceiptNumberTaken."""
    document = {
        **printed,
        "token": token_urlsafe(_TOKEN_BYTES),
        "number": receipt.written_number,
        "issued_at": receipt.issued_at.isoformat(),
        "direction": receipt.direction.value,
        "purpose": receipt.purpose.value,
        "amount": receipt.amount,
        "parts": [{"method": part.method.value, "amount": part.amount} for part in receipt.parts],
    }
    if not await add_receipt(tx, receipt, printed=document):
        raise ReceiptNumberTaken(f"receipt {receipt.written_number} was entered before", field="number")
    payload = {
        "receipt_id": str(receipt.id),
        "number": receipt.written_number,
        "direction": receipt.direction.value,
        "amount": receipt.amount,
    }
    await write_message(tx, context.ids.new(), topic="receipt.issued", payload=payload)
    await note(tx, context, actor, "receipt_issued", ("receipt", receipt.id))
