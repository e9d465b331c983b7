"""Reserve the money of a refund, return it, and record that it has left. These are steps.

Each requires a transaction with `posting=True`. The caller has locked deposits and positions before the refund, in the
lock order. Source: docs/design.md §5, Where money goes; docs/visit-accounts.md, Refunds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import AllocationId, DepositId, EntryId, RefundId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting
from billing.ledger.service.audit import note
from billing.ledger.service.posting import post_entry
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import Deposit
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.posting_rules import ACCOUNT_OF
from billing.payments.domain.reallocation import Destination, MoveReason, PartAllocation
from billing.payments.domain.refund import Refund, RefundPart
from billing.payments.service.allocation import move_money
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import end_refund, lock_allocations, restore_refunded
from billing.payments.store.deposits import lock_deposits, update_deposits
from billing.payments.store.refunds import read_parts, read_refund, update_refund

_IN_TRANSIT = AccountKey(AccountRole.REFUND_IN_TRANSIT)


async def reserve(
    tx: Transaction,
    context: PaymentContext,
    refund: Refund,
    sources: Sequence[PartAllocation],
    deposits: Mapping[DepositId, Deposit],
    *,
    actor: Actor,
) -> list[RefundPart]:
    """Reserve the amount of a refund from locked parts, in their order: D source · C refund in transit.

    The deposits of the parts are locked and written. Raises NotEnoughAllocated, NoOpenDay.
    """
    destination = Destination(
        target=AllocationTarget.REFUND, reason=MoveReason.REFUND_REQUESTED, visit_id=refund.visit_id
    )
    moves = await move_money(tx, context, sources, refund.amount, destination, actor=actor)
    changed: dict[DepositId, Deposit] = {}
    for move in moves:
        if move.source.deposit_id is not None:
            deposit = changed.get(move.source.deposit_id) or deposits[move.source.deposit_id]
            changed[deposit.id] = deposit.give_back(move.amount)
    await update_deposits(tx, list(changed.values()))
    return [
        RefundPart(
            allocation_id=move.moved_id,
            payment_id=move.source.payment_id,
            source=move.source.target,
            amount=move.amount,
            deposit_id=move.source.deposit_id,
        )
        for move in moves
    ]


async def lock_with_money(
    tx: Transaction, refund_id: RefundId
) -> tuple[Refund, list[RefundPart], dict[DepositId, Deposit]]:
    """Lock the deposits and positions of a refund, then the refund. Raises NotFound."""
    parts = await read_parts(tx, refund_id)
    deposits = await lock_deposits(tx, [part.deposit_id for part in parts if part.deposit_id is not None])
    await lock_allocations(tx, [part.payment_id for part in parts])
    refund = await read_refund(tx, refund_id, locked=True)
    if refund is None:
        raise NotFound("no such refund", field="refund_id")
    return refund, parts, deposits


async def return_money(
    tx: Transaction,
    context: PaymentContext,
    refund: Refund,
    parts: Sequence[RefundPart],
    deposits: Mapping[DepositId, Deposit],
    *,
    actor: Actor,
) -> None:
    """Return reserved money to where it came from: D refund in transit · C source.

    Money of a deposit that has been closed meanwhile becomes credit of the patient.
    """
    changed = dict(deposits)
    for part in parts:
        deposit = None if part.deposit_id is None else changed[part.deposit_id]
        target = part.source
        if deposit is not None and not deposit.takes_money:
            deposit, target = None, AllocationTarget.CREDIT
        destination = Destination(
            target=target,
            reason=MoveReason.REFUND_REFUSED,
            visit_id=refund.visit_id,
            deposit_id=None if deposit is None else deposit.id,
        )
        await move_money(tx, context, [part.allocation], part.amount, destination, actor=actor)
        if deposit is not None:
            changed[deposit.id] = deposit.take_back(part.amount)
    await update_deposits(tx, [deposit for deposit in changed.values() if deposit is not deposits[deposit.id]])


async def end_parts(tx: Transaction, context: PaymentContext, parts: Sequence[RefundPart]) -> None:
    """Record that reserved money has left: its payments count it as refunded."""
    await end_refund(
        tx,
        [part.allocation for part in parts],
        [AllocationId(context.ids.new()) for _ in parts],
        at=context.clock(),
    )


def leaving(refund: Refund, parts: Sequence[RefundPart], left_from: AccountKey) -> list[Posting]:
    """D refund in transit · C the account that the money left, one posting for each payment."""
    amounts: dict[object, int] = {}
    for part in parts:
        amounts[part.payment_id] = amounts.get(part.payment_id, 0) + part.amount
    payment_ids = {part.payment_id: part.payment_id for part in parts}
    return [
        Posting(
            debit=_IN_TRANSIT,
            credit=left_from,
            amount=Dong(amounts[payment_id]),
            visit_id=refund.visit_id,
            payment_id=payment_id,
            payer="patient" if refund.visit_id else "",
        )
        for payment_id in payment_ids
    ]


async def complete(
    tx: Transaction,
    context: PaymentContext,
    done: Refund,
    parts: Sequence[RefundPart],
    *,
    left_from: AccountKey,
    actor: Actor,
    effective_at: datetime | None = None,
) -> None:
    """Book that the money of a locked refund has left, by provider or bank: D refund in transit · C `left_from`."""
    await end_parts(tx, context, parts)
    await post_entry(
        tx,
        context,
        EntryKind.REFUND_SENT,
        leaving(done, parts, left_from),
        actor=actor,
        effective_at=effective_at,
    )
    await write_change(tx, context, done, "refund_done", actor)


async def book_returned(
    tx: Transaction,
    context: PaymentContext,
    refund: Refund,
    parts: Sequence[RefundPart],
    deposits: Mapping[DepositId, Deposit],
    *,
    into: AccountKey,
    actor: Actor,
    effective_at: datetime,
) -> EntryId:
    """Book that the money of a locked refund came back: D `into` · C where it came from, which owes it again.

    Money of a deposit that has been closed meanwhile becomes credit of the patient. Raises RefundNotWaiting, NoOpenDay.
    """
    returned, changed, restored = refund.mark_returned(at=context.clock()), dict(deposits), []
    for part in parts:
        deposit = None if part.deposit_id is None else changed[part.deposit_id]
        if deposit is not None and deposit.takes_money:
            changed[deposit.id] = deposit.take_back(part.amount)
        target = AllocationTarget.CREDIT if deposit is not None and not deposit.takes_money else part.source
        restored.append(
            PartAllocation(
                id=AllocationId(context.ids.new()),
                payment_id=part.payment_id,
                target=target,
                amount=part.amount,
                deposit_id=part.deposit_id if target is AllocationTarget.DEPOSIT else None,
            )
        )
    await update_deposits(tx, [deposit for deposit in changed.values() if deposit is not deposits[deposit.id]])
    await restore_refunded(tx, restored, at=context.clock())
    postings = [
        Posting(
            debit=into,
            credit=ACCOUNT_OF[part.target],
            amount=part.amount,
            visit_id=refund.visit_id,
            payment_id=part.payment_id,
            payer="patient" if refund.visit_id else "",
        )
        for part in restored
    ]
    entry_id = await post_entry(
        tx, context, EntryKind.REFUND_RETURNED, postings, actor=actor, effective_at=effective_at
    )
    assert entry_id is not None, "a refund has an amount"
    await write_change(tx, context, returned, "refund_returned", actor)
    return entry_id


async def write_change(tx: Transaction, context: PaymentContext, refund: Refund, action: str, actor: Actor) -> None:
    """Write a locked refund in its new state with its message and audit line."""
    await update_refund(tx, refund)
    await announce(tx, context, refund, action, actor)


async def announce(tx: Transaction, context: PaymentContext, refund: Refund, action: str, actor: Actor) -> None:
    """The message and the audit line of a refund. Ids and amounts only."""
    payload = {
        "refund_id": str(refund.id),
        "version": refund.version,
        "state": refund.state.value,
        "amount": refund.amount,
    }
    await write_message(tx, context.ids.new(), topic="refund.updated", payload=payload)
    await note(tx, context, actor, action, ("refund", refund.id))
