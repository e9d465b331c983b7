"""Assign the money of a payment to a payer of guarantees, and revert it. Steps of a decision.

Each locks what the payer owes, then the money, then the exception. Source: docs/visit-accounts.md, Guarantees;
docs/reconciliation.md, Exceptions.
"""

from itertools import groupby

from billing.core.errors import InvalidValue
from billing.core.ids import VisitId
from billing.core.money import Dong
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import Destination, MoveReason, PartAllocation
from billing.payments.service.allocation import post_moves
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.guarantee_receivables import (
    add_guarantee_payments,
    lock_receivables_of_payments,
    remove_guarantee_payment,
    update_receivables,
)
from billing.reconciliation.domain.exception_case import Decision, DecisionEntry
from billing.reconciliation.service.deciding import Deciding, Effect
from billing.reconciliation.service.place_money import (
    find_free,
    move_parts,
    release_for_assignment,
    require_same_payment,
)
from billing.reconciliation.service.reverting import find_assigned, hold_as_before
from billing.visit_accounts.service.guarantee_receivables import pay_receivables
from billing.visit_accounts.service.payer_collecting import lock_owed


async def assign_to_payer(deciding: Deciding) -> Effect:
    """Pay what a payer owes for guarantees with the unallocated money of a payment, else with its credit.

    What the payer does not owe becomes its credit. The hold of a probable duplicate is released. Raises InvalidValue,
    NotFound, GuaranteesPaid, ActionNotPossible, PaymentDiffers, PaymentHeld, ExceptionChanged.
    """
    tx, context, new, payment_id = deciding.tx, deciding.context, deciding.new, deciding.payment_id
    payer = " ".join(new.payer.split())
    if not payer:
        raise InvalidValue("name the payer of the guarantees", field="payer")
    receivables = await lock_owed(tx, payer, new.guarantee_ids)
    allocations = await lock_allocations(tx, [payment_id])
    await deciding.lock()
    sources = find_free(allocations)
    await require_same_payment(deciding, Dong(sum(part.amount for part in sources)))
    await release_for_assignment(deciding)
    paid = await pay_receivables(tx, context, sources, receivables, actor=deciding.actor)
    assert paid.entry_id is not None, "the payer owes something, and the payment has money"
    entries = tuple(
        DecisionEntry(
            entry_id=paid.entry_id, amount=move.amount, allocation_id=move.moved_id, source=move.source.target
        )
        for move in paid.applied.moves
    )
    rest = paid.applied.rest
    if rest and rest[0].target is AllocationTarget.UNALLOCATED:
        credit = Destination(target=AllocationTarget.CREDIT, reason=MoveReason.ASSIGNED)
        more, _ = await move_parts(deciding, rest, Dong(sum(part.amount for part in rest)), credit)
        entries += more
    await add_guarantee_payments(
        tx, [payment_id], payer, receipt_id=None, recorded_by=deciding.actor.person, at=context.clock()
    )
    await deciding.close_others()
    return Effect(entries=entries)


async def revert_payer_assignment(deciding: Deciding, decision: Decision, decisions: tuple[Decision, ...]) -> Effect:
    """Move the money of a payer back: D receivable of the guarantor or credit · C unallocated or credit.

    Raises DecisionFinal where a part has moved on, ExceptionChanged.
    """
    tx, payment_id = deciding.tx, deciding.payment_id
    receivables = await lock_receivables_of_payments(tx, [payment_id])
    allocations = await lock_allocations(tx, [payment_id])
    await deciding.lock_for_revert()
    source = decision.entries[0].source
    assert source is not None, "an assignment names what the money was"

    def visit_of(part: PartAllocation) -> VisitId | None:
        return None if part.guarantee_id is None else receivables[part.guarantee_id].visit_id

    entries: list[DecisionEntry] = []
    for visit_id, group in groupby(find_assigned(decision, allocations), key=visit_of):
        parts = list(group)
        destination = Destination(target=source, reason=MoveReason.ASSIGNMENT_REVERTED, visit_id=visit_id)
        moves, entry_id = await post_moves(
            tx,
            deciding.context,
            parts,
            Dong(sum(part.amount for part in parts)),
            destination,
            actor=deciding.actor,
        )
        assert entry_id is not None, "assigned money changes its account"
        entries += [DecisionEntry(entry_id=entry_id, amount=move.amount) for move in moves]
        for part in parts:
            if part.guarantee_id is not None:
                receivables[part.guarantee_id] = receivables[part.guarantee_id].give_back(part.amount)
    await update_receivables(tx, list(receivables.values()))
    await remove_guarantee_payment(tx, payment_id)
    await hold_as_before(deciding, decision, decisions)
    return Effect(entries=tuple(entries), is_closing=False)
