"""Reverts what a decision did with the money of a payment. Steps; `place_money.py` has the actions.

Each locks the money, then the exception, then acts. Source: docs/reconciliation.md, Exceptions.
"""

from collections.abc import Sequence

from billing.core.ids import AllocationId
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, clearing_account
from billing.ledger.service.posting import post_entry
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import Destination, MoveReason, PartAllocation
from billing.payments.domain.refund import RefundState
from billing.payments.service.allocation import post_moves
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.holds import hold_again, restore_unallocated
from billing.payments.store.refunds import read_refund
from billing.reconciliation.domain.exception_case import Decision, DecisionAction, DecisionEntry, DecisionFinal
from billing.reconciliation.service.deciding import Deciding, Effect
from billing.reconciliation.service.place_money import find_account_of, lock_decided_target, write_target
from billing.visit_accounts.service.collecting import Target, announce_target

_ENDED_WITHOUT_MONEY = (RefundState.REFUSED, RefundState.CANCELLED, RefundState.FAILED)


async def revert_assignment(deciding: Deciding, decision: Decision, decisions: tuple[Decision, ...]) -> Effect:
    """Move assigned money back to where it was: D account of the target · C unallocated or credit.

    Raises DecisionFinal where a part has moved on, ExceptionChanged, DepositClosed.
    """
    tx = deciding.tx
    target = await lock_decided_target(deciding)
    allocations = await lock_allocations(tx, [deciding.payment_id])
    await deciding.lock_for_revert()
    sources = find_assigned(decision, allocations)
    amount = Dong(sum(part.amount for part in sources))
    source = decision.entries[0].source
    assert source is not None, "an assignment names what the money was"
    destination = Destination(target=source, reason=MoveReason.ASSIGNMENT_REVERTED, visit_id=deciding.new.visit_id)
    moves, entry_id = await post_moves(
        tx,
        deciding.context,
        sources,
        amount,
        destination,
        actor=deciding.actor,
    )
    assert entry_id is not None, "assigned money changes its account"
    on_target = sum(part.amount for part in sources if part.target is not AllocationTarget.CREDIT)
    after = _without(target, Dong(on_target))
    await write_target(tx, after)
    await announce_target(tx, deciding.context, after, Dong(-on_target))
    await hold_as_before(deciding, decision, decisions)
    return Effect(
        entries=tuple(DecisionEntry(entry_id=entry_id, amount=move.amount) for move in moves), is_closing=False
    )


def find_assigned(decision: Decision, allocations: Sequence[PartAllocation]) -> list[PartAllocation]:
    """The parts that a decision has assigned, as they stand. Raises DecisionFinal where one has moved on."""
    by_id = {part.id: part for part in allocations}
    found: list[PartAllocation] = []
    for entry in decision.entries:
        assert entry.allocation_id is not None, "an assignment names its allocations"
        part = by_id.get(entry.allocation_id)
        if part is None or part.amount != entry.amount:
            raise DecisionFinal("a part of this money has been moved or refunded since")
        found.append(part)
    return found


def _without(target: Target, amount: Dong) -> Target:
    """The target after assigned money left it again."""
    return Target(
        invoice=None if target.invoice is None else target.invoice.deallocate(amount),
        deposit=None if target.deposit is None else target.deposit.give_back(amount),
        request=target.request,
    )


async def hold_as_before(deciding: Deciding, decision: Decision, decisions: tuple[Decision, ...]) -> None:
    """Hold the payment again where the reverted decision has released it."""
    if deciding.case.reason is ExceptionReason.PROBABLE_DUPLICATE and not _was_released_before(decision, decisions):
        await hold_again(deciding.tx, deciding.payment_id)


def _was_released_before(decision: Decision, decisions: tuple[Decision, ...]) -> bool:
    """Whether an earlier decision that stands released the hold."""
    return any(
        one.action is DecisionAction.RELEASE_HOLD and one.reverted_by_id is None and one.id != decision.id
        for one in decisions
    )


async def revert_release(deciding: Deciding, _decision: Decision, _decisions: tuple[Decision, ...]) -> Effect:
    """Hold a released payment again. Raises DecisionFinal where its money is no longer unallocated."""
    allocations = await lock_allocations(deciding.tx, [deciding.payment_id])
    await deciding.lock_for_revert()
    if not allocations or any(part.target is not AllocationTarget.UNALLOCATED for part in allocations):
        raise DecisionFinal("the money of this payment has been moved or refunded since")
    await hold_again(deciding.tx, deciding.payment_id)
    return Effect(is_closing=False)


async def revert_duplicate(deciding: Deciding, decision: Decision, _decisions: tuple[Decision, ...]) -> Effect:
    """Count a declared duplicate as money again, held as before: D clearing (113) · C unallocated."""
    tx, context, payment_id = deciding.tx, deciding.context, deciding.payment_id
    await lock_allocations(tx, [payment_id])
    await deciding.lock_for_revert()
    account_id = await find_account_of(tx, payment_id)
    assert account_id is not None, "a held payment came through a provider account"
    (entry,) = decision.entries
    allocation_id = AllocationId(context.ids.new())
    await restore_unallocated(tx, payment_id, allocation_id, entry.amount, at=context.clock())
    await hold_again(tx, payment_id)
    posting = Posting(
        debit=clearing_account(account_id),
        credit=AccountKey(AccountRole.UNALLOCATED),
        amount=entry.amount,
        payment_id=payment_id,
    )
    entry_id = await post_entry(tx, context, EntryKind.DUPLICATE_REVERTED, [posting], actor=deciding.actor)
    assert entry_id is not None, "a duplicate has money"
    return Effect(entries=(DecisionEntry(entry_id=entry_id, amount=entry.amount),), is_closing=False)


async def revert_refund(deciding: Deciding, decision: Decision, _decisions: tuple[Decision, ...]) -> Effect:
    """Open the exception again after its refund ended without money. Raises DecisionFinal for any other refund."""
    await lock_allocations(deciding.tx, [deciding.payment_id])
    assert decision.refund_id is not None, "the decision names its refund"
    refund = await read_refund(deciding.tx, decision.refund_id, locked=True)
    await deciding.lock_for_revert()
    if refund is None or refund.state not in _ENDED_WITHOUT_MONEY:
        raise DecisionFinal("cancel the refund first; a refund whose money left is not reverted")
    return Effect(is_closing=False)


async def revert_without_money(deciding: Deciding, _decision: Decision, _decisions: tuple[Decision, ...]) -> Effect:
    """Open the exception again after a decision that moved nothing."""
    await deciding.lock_for_revert()
    return Effect(is_closing=False)
