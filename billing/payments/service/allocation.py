"""Allocate counter money, and move money between deposit, invoice, credit and refund. These are steps.

Each requires a transaction with `posting=True` and rows locked by the caller in the lock order: invoice, deposit,
deposit request; the positions of payments are locked here. Callbacks have their own path (`apply_notices.py`). Source:
docs/design.md §5, Where money goes; posting rules: docs/reference/hospital-money.md §5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from billing.core.actor import Actor
from billing.core.ids import AllocationId, EntryId, PaymentId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.invoices.domain.invoice import Invoice
from billing.invoices.store.invoices import update_invoices
from billing.ledger.domain.accounts import AccountKey, EntryKind, Posting
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import Deposit
from billing.payments.domain.payment import Allocation, AllocationReason, AllocationTarget
from billing.payments.domain.posting_rules import ACCOUNT_OF
from billing.payments.domain.reallocation import (
    Destination,
    Move,
    MoveReason,
    PartAllocation,
    move_allocations,
    remaining_after,
)
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import lock_deposit_allocations, lock_visit_allocations, write_moves
from billing.payments.store.counter_payments import CounterPayment, add_counter_payment
from billing.payments.store.deposits import update_deposits


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterTarget:
    """Where a part of counter money goes: the deposit of a visit, an invoice, or neither: credit of the payer."""

    amount: Dong
    deposit: Deposit | None = None
    invoice: Invoice | None = None

    @property
    def visit_id(self) -> VisitId | None:
        owner = self.deposit or self.invoice
        return None if owner is None else owner.visit_id


async def receive_counter_payment(
    tx: Transaction,
    context: PaymentContext,
    payment: CounterPayment,
    targets: Sequence[CounterTarget],
    *,
    debit: AccountKey,
    actor: Actor,
) -> EntryId:
    """Book money that a cashier took: D `debit` (drawer, terminal) · C deposit, receivable of the patient or credit.

    `payment.allocations` is replaced by those of `targets`, which sum to its amount. Deposits and invoices are written
    in their new state. Returns the entry. Raises DepositClosed through the caller's checks only; here a target takes
    its whole part.
    """
    allocations = [_allocation(payment.id, target, AllocationId(context.ids.new())) for target in targets]
    assert sum(part.amount for part in allocations) == payment.amount, "the targets sum to the payment"
    now = context.clock()
    await add_counter_payment(tx, replace(payment, allocations=allocations), recorded_at=now)
    await update_deposits(tx, [one.deposit.receive(one.amount) for one in targets if one.deposit is not None])
    await update_invoices(tx, [one.invoice.allocate(one.amount) for one in targets if one.invoice is not None])
    postings = [
        Posting(
            debit=debit,
            credit=ACCOUNT_OF[part.target],
            amount=part.amount,
            visit_id=part.visit_id,
            invoice_id=part.invoice_id,
            payment_id=payment.id,
            payer="patient" if part.visit_id else "",
        )
        for part in allocations
    ]
    entry_id = await post_entry(
        tx,
        context,
        EntryKind.COUNTER_PAYMENT_RECEIVED,
        postings,
        actor=actor,
        effective_at=payment.occurred_at,
    )
    await write_message(
        tx,
        context.ids.new(),
        topic="payment.received",
        payload={"payment_id": str(payment.id), "amount": payment.amount},
    )
    await note(tx, context, actor, "payment_received", ("payment", payment.id))
    assert entry_id is not None, "counter money has an amount"
    return entry_id


_ENTRY_OF = {
    MoveReason.DEPOSIT_APPLIED: EntryKind.DEPOSIT_APPLIED,
    MoveReason.RECEIPT_VOIDED: EntryKind.RECEIPT_VOIDED,
    MoveReason.REFUND_REQUESTED: EntryKind.REFUND_REQUESTED,
    MoveReason.REFUND_REFUSED: EntryKind.REFUND_REFUSED,
}
"""The kinds of the entries of moves; the entry of every other reason only moves an allocation."""


async def move_money(
    tx: Transaction,
    context: PaymentContext,
    sources: Sequence[PartAllocation],
    amount: Dong,
    destination: Destination,
    *,
    actor: Actor,
) -> list[Move]:
    """Move an amount of locked allocations to a new target: D account of the source · C account of the target.

    Deposits and invoices themselves are not written here. Raises NotEnoughAllocated, NoOpenDay.
    """
    moves, _ = await post_moves(tx, context, sources, amount, destination, actor=actor)
    return moves


async def post_moves(
    tx: Transaction,
    context: PaymentContext,
    sources: Sequence[PartAllocation],
    amount: Dong,
    destination: Destination,
    *,
    actor: Actor,
) -> tuple[list[Move], EntryId | None]:
    """As `move_money`; returns the entry too, None where no account changes."""
    moves = move_allocations(sources, amount, destination, new_id=lambda: AllocationId(context.ids.new()))
    if not moves:
        return moves, None
    await write_moves(tx, moves, at=context.clock())
    postings = [
        Posting(
            debit=ACCOUNT_OF[move.source.target],
            credit=ACCOUNT_OF[destination.target],
            amount=move.amount,
            visit_id=destination.visit_id,
            invoice_id=destination.invoice_id or move.source.invoice_id,
            payment_id=move.source.payment_id,
            payer="patient" if destination.visit_id else "",
        )
        for move in moves
        if ACCOUNT_OF[move.source.target] != ACCOUNT_OF[destination.target]
    ]
    kind = _ENTRY_OF.get(destination.reason, EntryKind.ALLOCATION_MOVED)
    return moves, await post_entry(tx, context, kind, postings, actor=actor)


async def apply_deposit(
    tx: Transaction, context: PaymentContext, deposit: Deposit, invoice: Invoice, amount: Dong, *, actor: Actor
) -> tuple[Deposit, Invoice]:
    """Apply a part of a locked deposit to a locked invoice of its visit, oldest money first; returns both as written.

    D deposit · C receivable of the patient. Raises NotEnoughAllocated.
    """
    if amount == 0:
        return deposit, invoice
    sources = await lock_deposit_allocations(tx, deposit.id)
    destination = Destination(
        target=AllocationTarget.INVOICE,
        reason=MoveReason.DEPOSIT_APPLIED,
        invoice_id=invoice.id,
        visit_id=invoice.visit_id,
    )
    await move_money(tx, context, sources, amount, destination, actor=actor)
    deposit, invoice = deposit.apply(amount), invoice.allocate(amount)
    await update_deposits(tx, [deposit])
    await update_invoices(tx, [invoice])
    return deposit, invoice


async def release_deposit(
    tx: Transaction, context: PaymentContext, deposit: Deposit, amount: Dong, *, actor: Actor
) -> Deposit:
    """Turn a part of a locked deposit into credit of the patient, from which it is refunded: D deposit · C credit.

    Returns the deposit as written. Raises NotEnoughAllocated.
    """
    if amount == 0:
        return deposit
    sources = await lock_deposit_allocations(tx, deposit.id)
    destination = Destination(
        target=AllocationTarget.CREDIT, reason=MoveReason.DEPOSIT_RELEASED, visit_id=deposit.visit_id
    )
    await move_money(tx, context, sources, amount, destination, actor=actor)
    deposit = deposit.give_back(amount)
    await update_deposits(tx, [deposit])
    return deposit


async def free_invoice(
    tx: Transaction, context: PaymentContext, invoice: Invoice, amount: Dong, *, actor: Actor
) -> list[Move]:
    """Turn a part of what is allocated to a locked invoice into credit, newest first: D receivable · C credit.

    The invoice itself is not written here. Returns the moves. Raises NotEnoughAllocated.
    """
    if amount == 0:
        return []
    parts = await lock_visit_allocations(tx, [invoice.id], None)
    sources = [part for part in parts if part.invoice_id == invoice.id][::-1]
    destination = Destination(
        target=AllocationTarget.CREDIT, reason=MoveReason.INVOICE_CORRECTED, visit_id=invoice.visit_id
    )
    return await move_money(tx, context, sources, amount, destination, actor=actor)


async def apply_credit(
    tx: Transaction, context: PaymentContext, credit: Sequence[PartAllocation], invoice: Invoice, *, actor: Actor
) -> tuple[Invoice, list[PartAllocation]]:
    """Apply locked credit to what a locked invoice owes: D credit · C receivable of the patient.

    Returns the invoice as written, and the credit that is left.
    """
    amount = Dong(min(invoice.owed, sum(part.amount for part in credit)))
    if amount == 0:
        return invoice, list(credit)
    destination = Destination(
        target=AllocationTarget.INVOICE, reason=MoveReason.ASSIGNED, invoice_id=invoice.id, visit_id=invoice.visit_id
    )
    moves = await move_money(tx, context, credit, amount, destination, actor=actor)
    invoice = invoice.allocate(amount)
    await update_invoices(tx, [invoice])
    return invoice, remaining_after(credit, moves)


def _allocation(payment_id: PaymentId, target: CounterTarget, allocation_id: AllocationId) -> Allocation:
    assert target.deposit is None or target.invoice is None, "a part of counter money has one target"
    place = AllocationTarget.CREDIT if target.deposit is None else AllocationTarget.DEPOSIT
    return Allocation(
        id=allocation_id,
        payment_id=payment_id,
        target=place if target.invoice is None else AllocationTarget.INVOICE,
        amount=target.amount,
        reason=AllocationReason.OWED,
        invoice_id=None if target.invoice is None else target.invoice.id,
        deposit_id=None if target.deposit is None else target.deposit.id,
        visit_id=target.visit_id,
    )
