"""Polls providers about payments whose outcome was not reported.

A poll is leased and the lease committed, the provider is called with no transaction open, and its answer enters through
`apply_notices` like a callback, under the same keys: a payment that is polled and called back is booked once. It has
its own transaction and never becomes a dead letter, because it can be polled again. No answer is UNKNOWN, never a
failure; after 24 hours of these a person decides. Source: docs/design.md §5, States.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from billing.core.clock import business_date
from billing.core.errors import CommitUnknown, Unavailable
from billing.core.ids import DeliveryId, OrganizationId
from billing.db.database import Transaction
from billing.db.rounds import run_together
from billing.ledger.store.journal import open_day
from billing.organizations.service.context import ProviderAccount
from billing.organizations.store.organizations import read_account_names
from billing.payments.domain.event import Source, answer_as_evidence
from billing.payments.domain.exception import ExceptionReason, policy_of
from billing.payments.domain.intent import IntentState, advance
from billing.payments.domain.poll_schedule import LEASE, is_final, is_final_answer, next_open_poll_at, next_poll_at
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.payment_events import Delivery
from billing.payments.store.exceptions import read_exception_policies
from billing.payments.store.polls import (
    PollTask,
    lease_polls,
    open_exception,
    read_due_accounts,
    read_state,
    record_answer,
    schedule_polls_open,
    schedule_polls_unknown,
)
from providers.contract import Notice, Notices, Outcome, PendingPayment, Queries

POLLS_IN_FLIGHT_MAX = 20
"""How many polls one worker has in flight at one provider account."""

CALL_TIMEOUT_S = 20.0

_SCHEDULED_MAX = 500
_NO_NOTICES = Notices(())
# The outcome that the schedule shows for several: the first in this order.
_MOST_DECISIVE = (
    Outcome.SUCCEEDED,
    Outcome.FAILED,
    Outcome.CANCELLED,
    Outcome.EXPIRED,
    Outcome.REVIEW,
    Outcome.PENDING,
    Outcome.NOT_FOUND,
    Outcome.UNKNOWN,
)
_ALWAYS_NEWS = frozenset({Outcome.SUCCEEDED, Outcome.REVIEW})

_OPEN = frozenset({IntentState.CREATED, IntentState.PENDING})
"""Open states: polled by the provider's schedule, and sooner if the payer reports a transfer.

The outcome of such a poll does not count for later polls, once the intent is UNKNOWN or past its time.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _PollResult:
    task: PollTask
    answer: Notices | None  # None if the provider did not answer
    leased_until: datetime


async def poll_due_payments(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Poll every due payment at each provider account, within its budget; returns the number of polls.

    An account that hangs or fails does not prevent polling the others.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        due_at = next_poll_at(started_at=now, now=now)
        await schedule_polls_unknown(tx, started_at=now, due_at=due_at, at_most=_SCHEDULED_MAX)
    await _schedule_open(context, organization_id)
    async with context.database.transaction(organization_id) as tx:
        due = await read_due_accounts(tx, now=now)
    return sum(await run_together("polls", (_poll_account(context, organization_id, name) for _, name in due)))


async def _schedule_open(context: PaymentContext, organization_id: OrganizationId) -> None:
    """Put open payments on the poll schedule of their provider: a lost callback is found within minutes."""
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        names = await read_account_names(tx)
    accounts = [await context.accounts.find(organization_id, name) for name in names]
    async with context.database.transaction(organization_id) as tx:
        for account in accounts:
            if account is not None and isinstance(account.provider, Queries) and account.provider.queries_per_minute:
                created_by = now - account.provider.polls_open.first
                await schedule_polls_open(tx, account.id, now=now, created_by=created_by, at_most=_SCHEDULED_MAX)


async def _poll_account(context: PaymentContext, organization_id: OrganizationId, name: str) -> int:
    account = await context.accounts.find(organization_id, name)
    assert account is not None, "accounts are never removed"
    now = context.clock()
    provider = account.provider
    can_poll = isinstance(provider, Queries) and provider.queries_per_minute > 0
    budget = provider.queries_per_minute if isinstance(provider, Queries) and can_poll else POLLS_IN_FLIGHT_MAX
    until = now + LEASE
    async with context.database.transaction(account.organization_id) as tx:
        tasks = await lease_polls(tx, account.id, now=now, until=until, at_most=POLLS_IN_FLIGHT_MAX, per_minute=budget)
    if not can_poll:
        for task in tasks:
            await hand_over(context, account, task, leased_until=until)
        return 0
    results = await asyncio.gather(*(_poll(context, account, task, until) for task in tasks))
    # An answer that cannot be applied now is polled again after its lease; the others are not lost with it.
    await run_together("poll_answers", (_apply_result(context, account, each) for each in results))
    return len(results)


async def _poll(context: PaymentContext, account: ProviderAccount, task: PollTask, until: datetime) -> _PollResult:
    """Call the provider, no transaction open. Any failure counts as no answer."""
    assert isinstance(account.provider, Queries), "checked before"
    if is_final(task.state):
        return _PollResult(task, _NO_NOTICES, until)
    known = PendingPayment(
        reference=task.reference,
        amount=task.amount,
        provider_reference=task.provider_reference,
        created_at=task.created_at,
        queried_at=context.clock(),
    )
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return _PollResult(task, await account.provider.query_payment(known), until)
    except Exception as error:  # A fault of one provider must not prevent polling the others.
        log.warning("status_query_failed", intent_id=str(task.intent_id), exc_info=error)
        return _PollResult(task, None, until)


async def _apply_result(context: PaymentContext, account: ProviderAccount, result: _PollResult) -> None:
    task = result.task
    notices = result.answer.notices if result.answer is not None else ()
    news = tuple(notice for notice in notices if _is_news(notice, task.state))
    is_applied = result.answer is not None
    if result.answer is not None and news:
        is_last = next_poll_at(started_at=task.started_at, now=context.clock()) is None
        is_applied = await _apply(context, account, task, news, result.answer.evidence, is_last=is_last)
    outcomes = {notice.outcome for notice in notices} if is_applied else {Outcome.UNKNOWN}
    now = context.clock()
    async with context.database.transaction(account.organization_id) as tx:
        state = await read_state(tx, task.intent_id)
        is_open = state in _OPEN
        is_over = is_final(state) or (not is_open and is_final_answer(outcomes, created_at=task.created_at, now=now))
        due_at = None if is_over else _next_due(account, task, is_open=is_open, now=now)
        is_recorded = await record_answer(
            tx,
            task.intent_id,
            leased_until=result.leased_until,
            due_at=due_at,
            now=now,
            outcome=None if is_open else min(outcomes, key=_MOST_DECISIVE.index, default=None),
            is_open=is_open,
        )
        if is_recorded and not is_over and due_at is None:
            await open_exception_for(tx, context, account, task)
            log.warning("payment_status_unresolved", intent_id=str(task.intent_id))


def _next_due(account: ProviderAccount, task: PollTask, *, is_open: bool, now: datetime) -> datetime | None:
    """The time of the next poll, None after the last: an open payment by its provider's schedule, others at fixed
    times.
    """
    if is_open and isinstance(account.provider, Queries):
        return next_open_poll_at(account.provider.polls_open, created_at=task.created_at, now=now)
    return next_poll_at(started_at=task.started_at, now=now)


async def _apply(
    context: PaymentContext,
    account: ProviderAccount,
    task: PollTask,
    news: tuple[Notice, ...],
    evidence: bytes,
    *,
    is_last: bool,
) -> bool:
    """Apply an answer; False if it cannot be written, which then counts as no answer.

    Raises Unavailable or CommitUnknown, which are temporary: the poll is repeated after its lease, but not without end:
    when its schedule is over (`is_last`) they count as no answer too, and a person decides.
    """
    now = context.clock()
    delivery = Delivery(
        id=DeliveryId(context.ids.new()),
        account=account,
        callback=answer_as_evidence(Source.QUERY, evidence, at=now),
        notices=news,
        source=Source.QUERY,
    )
    try:
        async with context.database.transaction(account.organization_id, posting=True) as tx:
            await open_day(tx, business_date(now), at=now)
        async with context.database.transaction(account.organization_id, posting=True) as tx:
            await apply_deliveries(tx, [delivery], context)
        context.publish_change(account.organization_id)
    except Exception as error:  # Any fault of one answer; it is logged, and the others continue.
        if isinstance(error, (Unavailable, CommitUnknown)) and not is_last:
            raise
        log.error("answer_not_applied", intent_id=str(task.intent_id), exc_info=error)
        return False
    return True


async def hand_over(
    context: PaymentContext, account: ProviderAccount, task: PollTask, *, leased_until: datetime
) -> None:
    """The provider cannot be polled: open an exception for an UNKNOWN intent; an expired one waits for its callback."""
    now = context.clock()
    async with context.database.transaction(account.organization_id) as tx:
        state = await read_state(tx, task.intent_id)
        is_recorded = await record_answer(
            tx,
            task.intent_id,
            leased_until=leased_until,
            due_at=None,
            now=now,
            outcome=None if state in _OPEN else Outcome.UNKNOWN,
        )
        if is_recorded and state is IntentState.UNKNOWN:
            await open_exception_for(tx, context, account, task)


async def open_exception_for(
    tx: Transaction, context: PaymentContext, account: ProviderAccount, task: PollTask
) -> None:
    policy = policy_of(ExceptionReason.STATUS_UNRESOLVED, await read_exception_policies(tx))
    await open_exception(tx, context.ids.new(), task, account.id, at=context.clock(), policy=policy)


def _is_news(notice: Notice, state: IntentState) -> bool:
    """Whether a notice may change anything: a repeated "still pending" is not stored again.

    A failed poll of an open payment states nothing about it: only a started payment without an outcome is UNKNOWN.
    """
    if notice.outcome is Outcome.UNKNOWN and state in _OPEN:
        return False
    return notice.outcome in _ALWAYS_NEWS or advance(state, notice.outcome) is not state
