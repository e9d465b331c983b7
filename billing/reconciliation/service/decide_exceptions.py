"""Decide exceptions: record what a person decided and why, and revert it while its accounting day is open.

The money of each action is in `place_money.py`, `assign_payer.py`, `decide_lines.py` and `book_returned.py`, its
reversal in `reverting.py` or next to the action. Source: docs/reconciliation.md, Exceptions.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from uuid import UUID

import asyncpg

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.ledger.store.days import read_day
from billing.payments.domain.refund import RefundWay
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.exception_case import (
    Decision,
    DecisionAction,
    DecisionFinal,
    latest_standing,
    read_reason,
)
from billing.reconciliation.domain.match_rules import AlreadyMatched
from billing.reconciliation.service.accept_difference import accept_difference, revert_difference
from billing.reconciliation.service.assign_payer import assign_to_payer, revert_payer_assignment
from billing.reconciliation.service.book_returned import book_return
from billing.reconciliation.service.decide_lines import (
    accept_fee,
    book_charge,
    book_line,
    match_line,
    revert_charge,
    revert_line_match,
)
from billing.reconciliation.service.deciding import Deciding, Effect, NewDecision, require_case
from billing.reconciliation.service.place_money import (
    assign_money,
    declare_duplicate,
    new_refund,
    refund_payment,
    release_held_payment,
)
from billing.reconciliation.service.reverting import (
    revert_assignment,
    revert_duplicate,
    revert_refund,
    revert_release,
    revert_without_money,
)
from billing.reconciliation.service.tracing import open_trace
from billing.reconciliation.store.decisions import read_decisions
from billing.visit_accounts.service.refund_sources import require_provider


async def take_no_action(deciding: Deciding) -> Effect:
    """Close the exception as it is: the reason states why nothing is to be done."""
    await deciding.lock()
    return Effect()


Acting = Callable[[Deciding], Awaitable[Effect]]

ACTIONS: Mapping[DecisionAction, Acting] = {
    DecisionAction.ASSIGN: assign_money,
    DecisionAction.ASSIGN_TO_PAYER: assign_to_payer,
    DecisionAction.RELEASE_HOLD: release_held_payment,
    DecisionAction.DECLARE_DUPLICATE: declare_duplicate,
    DecisionAction.BOOK_PAYMENT: book_line,
    DecisionAction.BOOK_CHARGE: book_charge,
    DecisionAction.BOOK_RETURN: book_return,
    DecisionAction.MATCH: match_line,
    DecisionAction.ACCEPT_FEE: accept_fee,
    DecisionAction.ACCEPT_DIFFERENCE: accept_difference,
    DecisionAction.OPEN_TRACE: open_trace,
    DecisionAction.NO_ACTION: take_no_action,
}
"""The effect of each action; `refund` is bound to the account of its provider."""

Reverting = Callable[[Deciding, Decision, tuple[Decision, ...]], Awaitable[Effect]]

REVERSALS: Mapping[DecisionAction, Reverting] = {
    DecisionAction.ASSIGN: revert_assignment,
    DecisionAction.ASSIGN_TO_PAYER: revert_payer_assignment,
    DecisionAction.RELEASE_HOLD: revert_release,
    DecisionAction.DECLARE_DUPLICATE: revert_duplicate,
    DecisionAction.REFUND: revert_refund,
    DecisionAction.BOOK_CHARGE: revert_charge,
    DecisionAction.MATCH: revert_line_match,
    DecisionAction.ACCEPT_FEE: revert_line_match,
    DecisionAction.ACCEPT_DIFFERENCE: revert_difference,
    DecisionAction.NO_ACTION: revert_without_money,
    DecisionAction.CAUSE_GONE: revert_without_money,
}
"""How each action is reverted."""


async def decide_exception(
    context: PaymentContext, organization_id: OrganizationId, exception_id: UUID, new: NewDecision, *, actor: Actor
) -> UUID:
    """Carry out and record the decision of a person; returns the id of the decision.

    Of two persons one decides; the other gets ExceptionChanged with the name and the time. Raises NotFound,
    AlreadyMatched, ExceptionChanged, InvalidValue, PersonNeeded, NoOpenDay, and the errors of the action.
    """
    require_person(actor)
    new = _checked(new)
    act = await _bind(context, organization_id, exception_id, new, actor=actor)
    try:
        async with context.database.transaction(organization_id, posting=True) as tx:
            case = await require_case(tx, exception_id)
            case.require_open(version=new.version)
            deciding = Deciding(tx=tx, context=context, case=case, new=new, actor=actor)
            decision = await deciding.write(await act(deciding))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "match_item_in_one_live_match":
            raise
        raise AlreadyMatched("another person or a run matched this line or its item meanwhile") from error
    context.publish_change(organization_id)
    return decision.id


async def revert_decision(
    context: PaymentContext,
    organization_id: OrganizationId,
    exception_id: UUID,
    *,
    version: int,
    reason: str,
    actor: Actor,
) -> UUID:
    """Revert the latest decision of an exception that stands, which opens it again; returns the id of the reversal.

    Raises NotFound, ExceptionChanged, NothingToRevert, DecisionFinal, InvalidValue, PersonNeeded, NoOpenDay.
    """
    require_person(actor)
    text = read_reason(reason)
    async with context.database.transaction(organization_id, posting=True) as tx:
        case = await require_case(tx, exception_id)
        case.require_version(version)
        decisions = await read_decisions(tx, exception_id)
        decision = latest_standing(decisions)
        day = await read_day(tx, decision.accounting_date)
        decision.require_revertible(None if day is None else day.state)
        if decision.action not in REVERSALS:
            raise DecisionFinal("this decision is not reverted; record a new one")
        new = NewDecision(
            action=DecisionAction.REVERT,
            reason=text,
            version=version,
            visit_id=decision.visit_id,
            invoice_id=decision.invoice_id,
            deposit_request_id=decision.deposit_request_id,
        )
        deciding = Deciding(tx=tx, context=context, case=case, new=new, actor=actor)
        effect = await REVERSALS[decision.action](deciding, decision, decisions)
        reverting = await deciding.write(effect, reverts_id=decision.id)
    context.publish_change(organization_id)
    return reverting.id


async def _bind(
    context: PaymentContext, organization_id: OrganizationId, exception_id: UUID, new: NewDecision, *, actor: Actor
) -> Acting:
    """The effect of an action. Whether a provider returns money is found before the transaction of the decision."""
    if new.action is not DecisionAction.REFUND:
        return ACTIONS[new.action]
    account_id = None
    if new.way is RefundWay.PROVIDER:
        async with context.database.transaction(organization_id, read_only=True) as tx:
            case = await require_case(tx, exception_id)
            deciding = Deciding(tx=tx, context=context, case=case, new=new, actor=actor)
            refund = new_refund(deciding, case.amount)
        account_id = await require_provider(context, organization_id, refund)
    return partial(refund_payment, account_id=account_id)


def _checked(new: NewDecision) -> NewDecision:
    if new.action not in ACTIONS and new.action is not DecisionAction.REFUND:
        raise InvalidValue("this action is not for a person to decide", field="action")
    return replace(new, reason=read_reason(new.reason))
