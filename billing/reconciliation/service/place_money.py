"""Actions of a decision that place the money of a payment: assigned, released, declared a duplicate, refunded. Steps.

Each locks the money, then the exception, then acts. `reverting.py` reverts them. Source: docs/design.md §5,
Where money goes; docs/reconciliation.md, Exceptions.
"""

from collections.abc import Sequence

from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import AllocationId, PaymentId, ProviderAccountId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.invoices.store.invoices import update_invoices
from billing.ledger.domain.accounts import EntryKind, clearing_account
from billing.ledger.service.posting import post_entry
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.payment import AllocationTarget, ReversalReason
from billing.payments.domain.posting_rules import payment_reversed
from billing.payments.domain.reallocation import Destination, MoveReason, PartAllocation, remaining_after
from billing.payments.domain.reference_links import normal_reference
from billing.payments.domain.refund import PaymentHeld
from billing.payments.domain.reversal import reverse_allocations
from billing.payments.service.allocation import post_moves
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.deposits import lock_deposits, update_deposits
from billing.payments.store.holds import find_held_with, release_hold
from billing.payments.store.payments import PaymentDetails, read_payment
from billing.payments.store.refunds import find_deposits_of, read_payment_of_refund
from billing.payments.store.reversals import lock_payment, write_reversal
from billing.reconciliation.domain.exception_case import ActionNotPossible, DecisionEntry, PaymentDiffers
from billing.reconciliation.service.deciding import Deciding, Effect
from billing.reconciliation.store.decided_lines import is_on_statement
from billing.reconciliation.store.declared_duplicates import lock_hold
from billing.visit_accounts.domain.collection import Collection
from billing.visit_accounts.service.collecting import Target, announce_target, lock_target
from billing.visit_accounts.service.refund_requests import check_new_refund, open_refund
from billing.visit_accounts.service.refund_sources import NewRefund


async def assign_money(deciding: Deciding) -> Effect:
    """Allocate the unallocated money of a payment, else its credit, to an invoice or the deposit of a visit.

    What an invoice does not owe becomes credit of its patient. The hold of a probable duplicate is released.
    Raises ActionNotPossible, PaymentDiffers, PaymentHeld, ExceptionChanged, InvalidValue, and as `lock_target`.
    """
    tx, new, payment_id = deciding.tx, deciding.new, deciding.payment_id
    target = await lock_decided_target(deciding)
    allocations = await lock_allocations(tx, [payment_id])
    await deciding.lock()
    sources = find_free(allocations)
    amount = Dong(sum(part.amount for part in sources))
    await require_same_payment(deciding, amount)
    await release_for_assignment(deciding)
    owed = amount if target.invoice is None else target.invoice.owed
    placed = Dong(min(amount, owed))
    if placed == 0:
        raise ActionNotPossible("this invoice owes nothing", field="invoice_id")
    destination = Destination(
        target=AllocationTarget.INVOICE if target.invoice is not None else AllocationTarget.DEPOSIT,
        reason=MoveReason.ASSIGNED,
        invoice_id=None if target.invoice is None else target.invoice.id,
        deposit_id=None if target.deposit is None else target.deposit.id,
        visit_id=new.visit_id,
    )
    entries, rest = await move_parts(deciding, sources, placed, destination)
    if rest and rest[0].target is AllocationTarget.UNALLOCATED:
        credit = Destination(target=AllocationTarget.CREDIT, reason=MoveReason.ASSIGNED, visit_id=new.visit_id)
        more, _ = await move_parts(deciding, rest, Dong(amount - placed), credit)
        entries += more
    after = target.after(placed)
    await write_target(tx, after)
    await announce_target(tx, deciding.context, after, placed)
    await deciding.close_others()
    return Effect(entries=entries)


async def lock_decided_target(deciding: Deciding) -> Target:
    """Lock the invoice or the deposit that a decision names. Raises InvalidValue, NotFound, DepositClosed."""
    new = deciding.new
    if new.visit_id is None:
        raise InvalidValue("name the visit that the money is for", field="visit_id")
    if new.invoice_id is not None and new.deposit_request_id is not None:
        raise InvalidValue("assign to an invoice or to a deposit request, not to both", field="invoice_id")
    return await lock_target(
        deciding.tx,
        Collection(
            visit_id=new.visit_id, parts=(), invoice_id=new.invoice_id, deposit_request_id=new.deposit_request_id
        ),
    )


async def write_target(tx: Transaction, target: Target) -> None:
    """Write a locked target in its new state."""
    if target.invoice is not None:
        await update_invoices(tx, [target.invoice])
    if target.deposit is not None:
        await update_deposits(tx, [target.deposit])


async def release_held_payment(deciding: Deciding) -> Effect:
    """Release the hold: both payments are real. The exception stays open until the money has a place.

    Raises ActionNotPossible, ExceptionChanged.
    """
    payment_id = deciding.payment_id
    await lock_allocations(deciding.tx, [payment_id])
    await deciding.lock()
    if not await release_hold(deciding.tx, payment_id, at=deciding.context.clock()):
        raise ActionNotPossible("this payment is not held", field="action")
    return Effect(is_closing=bool(deciding.others))


async def declare_duplicate(deciding: Deciding) -> Effect:
    """End a held payment that is the same money as the other one: D unallocated · C clearing (113).

    Raises ActionNotPossible, ExceptionChanged.
    """
    tx, context, payment_id = deciding.tx, deciding.context, deciding.payment_id
    paid = await lock_payment(tx, payment_id)
    await deciding.lock()
    await lock_hold(tx, payment_id)
    account_id = await find_account_of(tx, payment_id)
    if await is_on_statement(tx, payment_id):
        raise ActionNotPossible("the bank shows this payment on a line; revert that match first", field="action")
    if await find_held_with(tx, payment_id) is None or account_id is None:
        raise ActionNotPossible("this payment is not held as the duplicate of another", field="action")
    is_whole = all(part.target is AllocationTarget.UNALLOCATED for part in paid.allocations)
    if not is_whole or not paid.remaining or paid.intent is not None:
        raise ActionNotPossible("money of this payment is allocated; it is no duplicate", field="action")
    reversal = reverse_allocations(paid.remaining, paid, new_id=lambda: AllocationId(context.ids.new()))
    await write_reversal(tx, reversal, at=context.clock(), reason=ReversalReason.DECLARED_DUPLICATE)
    await release_hold(tx, payment_id, at=context.clock())
    entry_id = await post_entry(
        tx,
        context,
        EntryKind.DUPLICATE_DECLARED,
        payment_reversed(reversal, left_from=clearing_account(account_id)),
        actor=deciding.actor,
    )
    assert entry_id is not None, "a held payment has money"
    await deciding.close_others()
    return Effect(entries=(DecisionEntry(entry_id=entry_id, amount=paid.remaining),))


async def refund_payment(deciding: Deciding, *, account_id: ProviderAccountId | None) -> Effect:
    """Open a refund request for the unallocated money of a payment, else for its credit.

    A refund of a part leaves the exceptions of the payment open for the rest.
    Raises ActionNotPossible, ExceptionChanged, and as `open_refund`.
    """
    tx, payment_id = deciding.tx, deciding.payment_id
    await lock_deposits(tx, await find_deposits_of(tx, [payment_id]))
    allocations = await lock_allocations(tx, [payment_id])
    await deciding.lock()
    free = Dong(sum(part.amount for part in find_free(allocations)))
    new = new_refund(deciding, free)
    refund = await open_refund(tx, deciding.context, new, account_id=account_id, actor=deciding.actor)
    is_whole = new.amount == free
    if is_whole:
        await deciding.close_others()
    return Effect(refund_id=refund.id, is_closing=is_whole)


def new_refund(deciding: Deciding, free: Dong) -> NewRefund:
    """The refund that a decision requests; all free money where it names no amount. Raises InvalidValue."""
    new = deciding.new
    if new.way is None:
        raise InvalidValue("name the way of the refund", field="way")
    amount = free if new.amount is None else new.amount
    refund = NewRefund(
        amount=amount, way=new.way, reason=new.reason, payment_id=deciding.payment_id, destination=new.destination
    )
    if amount == 0:
        raise ActionNotPossible("no money of this payment is unallocated or credit", field="action")
    check_new_refund(refund, actor=deciding.actor)
    return refund


def find_free(allocations: Sequence[PartAllocation]) -> list[PartAllocation]:
    """The unallocated parts of a payment, or else its credit."""
    unallocated = [part for part in allocations if part.target is AllocationTarget.UNALLOCATED]
    return unallocated or [part for part in allocations if part.target is AllocationTarget.CREDIT]


async def require_same_payment(deciding: Deciding, free: Dong) -> None:
    """Compare what the person states with the payment: equal amount and bank reference. Raises PaymentDiffers."""
    new = deciding.new
    if free == 0:
        raise ActionNotPossible("no money of this payment is unallocated or credit", field="action")
    if new.amount != free:
        raise PaymentDiffers(f"{free} đồng of this payment are free; state this amount", field="amount")
    payment = await _read(deciding.tx, deciding.payment_id)
    if payment.bank_reference and normal_reference(new.bank_reference) != normal_reference(payment.bank_reference):
        raise PaymentDiffers("the payment has another bank reference; compare both papers", field="bank_reference")


async def release_for_assignment(deciding: Deciding) -> None:
    """Release the hold where the decided exception is the probable duplicate. Raises PaymentHeld for another one."""
    tx, payment_id = deciding.tx, deciding.payment_id
    if await find_held_with(tx, payment_id) is None:
        return
    if deciding.case.reason is not ExceptionReason.PROBABLE_DUPLICATE:
        raise PaymentHeld("this payment may be a duplicate; decide that exception first", field="action")
    await release_hold(tx, payment_id, at=deciding.context.clock())


async def move_parts(
    deciding: Deciding, sources: Sequence[PartAllocation], amount: Dong, destination: Destination
) -> tuple[tuple[DecisionEntry, ...], list[PartAllocation]]:
    """Move an amount of locked parts; returns the entries of the decision, and what of the parts is left."""
    moves, entry_id = await post_moves(
        deciding.tx,
        deciding.context,
        sources,
        amount,
        destination,
        actor=deciding.actor,
    )
    assert entry_id is not None, "unallocated money and credit have accounts of their own"
    entries = tuple(
        DecisionEntry(entry_id=entry_id, amount=move.amount, allocation_id=move.moved_id, source=move.source.target)
        for move in moves
    )
    return entries, remaining_after(sources, moves)


async def find_account_of(tx: Transaction, payment_id: PaymentId) -> ProviderAccountId | None:
    """The provider account that a payment came through; None for money of a desk."""
    payment = await read_payment_of_refund(tx, payment_id)
    return None if payment is None else payment.provider_account_id


async def _read(tx: Transaction, payment_id: PaymentId) -> PaymentDetails:
    payment = await read_payment(tx, payment_id)
    if payment is None:
        raise NotFound("no such payment", field="payment_id")
    return payment
