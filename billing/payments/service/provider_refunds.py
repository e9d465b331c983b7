"""Sends approved refunds to their providers once, and queries those without a final answer.

A refund is recorded as sent and committed before the provider is called, and no transaction is open during the call. If
the process ends in between, or the answer is not reliable, the refund is queried under the same reference and never
sent again. After 24 hours without an answer a person decides. Source: docs/design.md §5, States.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from billing.core.actor import Actor
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId, RefundId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rounds import run_together
from billing.ledger.domain.accounts import clearing_account
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.exception import ExceptionReason, policy_of
from billing.payments.domain.poll_schedule import LEASE, next_poll_at
from billing.payments.domain.refund import Refund, RefundState, RefundWay
from billing.payments.service.context import PaymentContext
from billing.payments.service.refunding import complete, lock_with_money, return_money, write_change
from billing.payments.store.exceptions import open_exception_of_account, read_exception_policies
from billing.payments.store.refunds import (
    RefundedPayment,
    find_due_refunds,
    read_account_name,
    read_parts,
    read_payment_of_refund,
    read_refund,
    update_refund,
)
from providers.contract import OperationResult, Outcome, PendingPayment, RefundRequest, Refunds

CALL_TIMEOUT_S = 20.0
REFUNDS_AT_ONCE = 20

_LATER = timedelta(days=1)
"""How often a refund that its provider reports as pending is queried after the first day."""

_FAILED = frozenset({Outcome.FAILED, Outcome.CANCELLED, Outcome.EXPIRED})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Call:
    """A leased refund: `is_first` if it is to be sent, else it is queried."""

    refund: Refund
    payment: RefundedPayment
    is_first: bool


async def run_due_refunds(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Send and query the refunds that are due; returns how many. One that fails does not stop the others."""
    async with context.database.transaction(organization_id) as tx:
        due = await find_due_refunds(tx, now=context.clock(), at_most=REFUNDS_AT_ONCE)
    await run_together("refunds", (call_provider(context, organization_id, each, actor=Actor.system()) for each in due))
    return len(due)


async def call_provider(
    context: PaymentContext, organization_id: OrganizationId, refund_id: RefundId, *, actor: Actor
) -> None:
    """Send an approved refund, or query one that is due; does nothing while another call is under way.

    Raises NotFound, RefundNotApproved, RefundNotWaiting.
    """
    call = await _lease(context, organization_id, refund_id, actor=actor)
    if call is None:
        return
    account = await _account(context, organization_id, call.refund)
    result = await _call_provider(context, account, call)
    async with context.database.transaction(organization_id, posting=True) as tx:
        await _record(tx, context, account, refund_id, result, actor=actor)
    context.publish_change(organization_id)


async def _lease(
    context: PaymentContext, organization_id: OrganizationId, refund_id: RefundId, *, actor: Actor
) -> _Call | None:
    """Record the coming call; None if nothing is due now."""
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        refund = await read_refund(tx, refund_id, locked=True)
        if refund is None or refund.way is not RefundWay.PROVIDER:
            raise NotFound("no such refund through a provider", field="refund_id")
        is_first = refund.state not in (RefundState.SENT, RefundState.UNKNOWN)
        if is_first:
            leased = refund.send(by=actor.person, at=now, due_at=now + LEASE)
            await write_change(tx, context, leased, "refund_sent", actor)
        elif refund.due_at is None or refund.due_at > now:
            return None
        else:
            leased = refund.lease(now + LEASE)
            await update_refund(tx, leased)
        part = (await read_parts(tx, refund_id))[0]
        payment = await read_payment_of_refund(tx, part.payment_id)
        assert payment is not None, "a part names its payment"
    return _Call(leased, payment, is_first)


async def _account(context: PaymentContext, organization_id: OrganizationId, refund: Refund) -> ProviderAccount:
    assert refund.provider_account_id is not None, "a refund through a provider names its account"
    async with context.database.transaction(organization_id) as tx:
        name = await read_account_name(tx, refund.provider_account_id)
    account = None if name is None else await context.accounts.find(organization_id, name)
    assert account is not None, "accounts are never removed"
    return account


async def _call_provider(context: PaymentContext, account: ProviderAccount, call: _Call) -> OperationResult:
    """Call the provider, no transaction open. Any failure is UNKNOWN."""
    provider, refund, payment = account.provider, call.refund, call.payment
    now = context.clock()
    request = RefundRequest(
        reference=refund.reference,
        amount=refund.amount,
        paid=payment.amount,
        payment=PendingPayment(
            reference=payment.reference_code or "",
            amount=payment.amount,
            provider_reference=payment.started_as or payment.provider_reference,
            created_at=payment.created_at or payment.occurred_at,
            queried_at=now,
        ),
        transaction=payment.provider_reference,
        reason=refund.reason,
        requested_at=refund.requested_at,
        requested_by=str(refund.requested_by or ""),
    )
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            if not isinstance(provider, Refunds):
                return OperationResult(outcome=Outcome.UNKNOWN, provider_status="cannot_refund")
            if call.is_first:
                return await provider.refund(request)
            return await provider.query_refund(request, provider_reference=refund.provider_reference, queried_at=now)
    except Exception as error:  # A fault of one provider must not prevent the others; the refund may have been made.
        log.warning("refund_call_failed", refund_id=str(refund.id), exc_info=error)
        return OperationResult(outcome=Outcome.UNKNOWN, provider_status="")


async def _record(
    tx: Transaction,
    context: PaymentContext,
    account: ProviderAccount,
    refund_id: RefundId,
    result: OperationResult,
    *,
    actor: Actor,
) -> None:
    """Record an answer; a refund that a callback or a person has ended meanwhile stays as it is."""
    refund, parts, deposits = await lock_with_money(tx, refund_id)
    if refund.state not in (RefundState.SENT, RefundState.UNKNOWN):
        return
    now = context.clock()
    if result.outcome is Outcome.SUCCEEDED:
        done = refund.complete(at=now, provider_reference=result.provider_reference)
        await complete(tx, context, done, parts, left_from=clearing_account(account.id), actor=actor)
        return
    if result.outcome in _FAILED:
        failed = refund.fail(at=now)
        await return_money(tx, context, refund, parts, deposits, actor=actor)
        await write_change(tx, context, failed, "refund_failed", actor)
        return
    assert refund.sent_at is not None, "it was sent"
    due_at = next_poll_at(started_at=refund.sent_at, now=now)
    if due_at is None and result.outcome is Outcome.PENDING:
        due_at = now + _LATER
    waiting = refund.wait(result.outcome, provider_reference=result.provider_reference, due_at=due_at)
    if waiting.state is refund.state and due_at is not None:
        await update_refund(tx, waiting)
        return
    await write_change(tx, context, waiting, f"refund_{waiting.state}", actor)
    if due_at is None:
        policy = policy_of(ExceptionReason.STATUS_UNRESOLVED, await read_exception_policies(tx))
        await open_exception_of_account(
            tx, context.ids.new(), ExceptionReason.STATUS_UNRESOLVED.value, account.id, at=now, policy=policy
        )
        log.warning("refund_unresolved", refund_id=str(refund_id), amount=Dong(refund.amount))
