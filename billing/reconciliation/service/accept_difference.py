"""Accept a difference between a statement line and its item: within the tolerance at once, above it by two persons.

These are steps. The difference goes to the account `tolerance_difference`. Source: docs/reconciliation.md, Exceptions.
"""

from billing.core.actor import Actor
from billing.db.database import Transaction
from billing.organizations.service.approvals import Approval, ApprovalKind, propose, reject_proposed
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.exception_case import ActionNotPossible, Decision, DecisionAction
from billing.reconciliation.service.decide_lines import lock_with_item, match_decided, revert_line_match
from billing.reconciliation.service.deciding import Deciding, Effect, NewDecision, require_case
from billing.reconciliation.service.matching import current_rules
from billing.reconciliation.store.decided_lines import read_matchable_line


async def accept_difference(deciding: Deciding) -> Effect:
    """Match the line with its item, or propose it to a second person where the amounts differ by more than is allowed.

    A proposal leaves the exception open. Raises ActionNotPossible, ExceptionChanged, ProposalWaiting.
    """
    tx, context = deciding.tx, deciding.context
    candidate = await lock_with_item(deciding)
    line = await read_matchable_line(tx, candidate.line_id)
    difference = line.amount - candidate.expected
    if abs(difference) <= (await current_rules(tx, context)).tolerance:
        return await match_decided(deciding, candidate)
    payload = {
        "item_kind": candidate.item_kind.value,
        "item_id": str(candidate.item_id),
        "amount": line.amount,
        "expected": candidate.expected,
        "difference": difference,
        "reason": deciding.new.reason,
    }
    approval_id = await propose(
        tx, context, ApprovalKind.EXCEPTION_DIFFERENCE, deciding.case.id, payload=payload, actor=deciding.actor
    )
    return Effect(approval_id=approval_id, is_closing=False)


async def accept_approved_difference(
    tx: Transaction, context: PaymentContext, approval: Approval, actor: Actor
) -> None:
    """The effect of an approval: match the line with the item that was proposed, and close the exception.

    Raises ActionNotPossible where either has changed since, ExceptionChanged for a closed exception.
    """
    case = await require_case(tx, approval.subject_id)
    new = NewDecision(
        action=DecisionAction.ACCEPT_DIFFERENCE, reason=str(approval.payload["reason"]), version=case.version
    )
    deciding = Deciding(tx=tx, context=context, case=case, new=new, actor=actor)
    candidate = await lock_with_item(deciding)
    line = await read_matchable_line(tx, candidate.line_id)
    proposed = (approval.payload["item_id"], approval.payload["amount"], approval.payload["expected"])
    if (str(candidate.item_id), line.amount, candidate.expected) != proposed:
        raise ActionNotPossible("the line or its item has changed since the proposal; reject it", field="approval_id")
    effect = await match_decided(deciding, candidate)
    await deciding.write(Effect(entries=effect.entries, approval_id=approval.id))


async def revert_difference(deciding: Deciding, decision: Decision, decisions: tuple[Decision, ...]) -> Effect:
    """Withdraw the proposal that waits, or end the match and take its sweep back. Raises DecisionFinal."""
    if decision.is_closing:
        return await revert_line_match(deciding, decision, decisions)
    kind = ApprovalKind.EXCEPTION_DIFFERENCE
    await reject_proposed(deciding.tx, deciding.context, kind, deciding.case.id, deciding.actor)
    await deciding.lock_for_revert()
    return Effect(is_closing=False)
