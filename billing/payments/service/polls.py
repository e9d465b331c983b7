"""Asking: providers are asked about payments of which nobody has told us the end.

A question is claimed for a while and committed, the provider is called with no transaction open, and what it answers
enters through `apply_notices` like a callback, under the same keys: asked and called back is booked once. It does so in
a transaction of its own and never as a dead letter, since we can ask again. No answer is UNKNOWN, never a failure;
after 24 hours of them a person decides. Source: docs/design.md §5, States.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from billing.core.clock import business_date
from billing.core.errors import CommitUnknown, Unavailable
from billing.core.ids import DeliveryId, OrganizationId
from billing.db.database import Transaction
from billing.ledger.store.journal import open_day
from billing.organizations.service.context import ProviderAccount
from billing.organizations.store.organizations import read_account_names
from billing.payments.domain.event import Source
from billing.payments.domain.exception import ExceptionReason, policy_of
from billing.payments.domain.intent import IntentState, advance
from billing.payments.domain.poll_schedule import CLAIM, is_answered, is_settled, next_open_question, next_question
from billing.payments.service.apply_notices import Delivery, apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.store.exceptions import read_exception_policies
from billing.payments.store.polls import (
    Question,
    begin_asking_open,
    begin_asking_unknown,
    claim_questions,
    open_exception,
    read_due_accounts,
    read_state,
    record_answer,
)
from providers.contract import Callback, KnownPayment, Notice, Notices, Outcome, Queries

ASKED_AT_ONCE_MAX = 20
"""How many questions one worker has under way at one provider account."""

CALL_TIMEOUT_S = 20.0

_BEGUN_MAX = 500
_EVIDENCE_METHOD = "QUERY"
_NOTHING_NEW = Notices(())
# What the schedule shows of several outcomes: the first in this order.
_MOST_TELLING = (
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

_UNASKED = frozenset({IntentState.CREATED, IntentState.PENDING})
"""Open states: asked about as their provider is polled, and sooner where the payer says that money is under way. What
such a question brought says nothing of a later one, once the intent is UNKNOWN or past its time.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    told: Notices | None  # None where the provider gave no answer
    claimed_until: datetime


async def poll_due_payments(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Ask about everything that is due at each provider account, within its budget; returns how many were asked.

    One account that hangs or fails does not keep the others from being asked.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        due_at = next_question(begun_at=now, now=now)
        await begin_asking_unknown(tx, begun_at=now, due_at=due_at, at_most=_BEGUN_MAX)
    await _begin_open(context, organization_id)
    async with context.database.transaction(organization_id) as tx:
        due = await read_due_accounts(tx, now=now)
    counts = await asyncio.gather(
        *(_ask_account(context, organization_id, name) for _, name in due), return_exceptions=True
    )
    _raise_first(counts)
    return sum(count for count in counts if isinstance(count, int))


async def _begin_open(context: PaymentContext, organization_id: OrganizationId) -> None:
    """Put open payments on the schedule of their provider: a callback that was lost is found within minutes."""
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        names = await read_account_names(tx)
    accounts = [await context.accounts.find(organization_id, name) for name in names]
    async with context.database.transaction(organization_id) as tx:
        for account in accounts:
            if account is not None and isinstance(account.provider, Queries) and account.provider.queries_per_minute:
                made_by = now - account.provider.polls_open.first
                await begin_asking_open(tx, account.id, now=now, made_by=made_by, at_most=_BEGUN_MAX)


async def _ask_account(context: PaymentContext, organization_id: OrganizationId, name: str) -> int:
    account = await context.accounts.find(organization_id, name)
    assert account is not None, "accounts are never removed"
    now = context.clock()
    provider = account.provider
    can_be_asked = isinstance(provider, Queries) and provider.queries_per_minute > 0
    budget = provider.queries_per_minute if isinstance(provider, Queries) and can_be_asked else ASKED_AT_ONCE_MAX
    until = now + CLAIM
    async with context.database.transaction(account.organization_id) as tx:
        questions = await claim_questions(
            tx, account.id, now=now, until=until, at_most=ASKED_AT_ONCE_MAX, per_minute=budget
        )
    if not can_be_asked:
        for question in questions:
            await _leave_to_a_person(context, account, question, claimed_until=until)
        return 0
    asked = await asyncio.gather(*(_ask(context, account, question, until) for question in questions))
    # One answer that cannot be taken now is asked for again after its claim; the others are not lost with it.
    taken = await asyncio.gather(*(_take_answer(context, account, each) for each in asked), return_exceptions=True)
    _raise_first(taken)
    return len(asked)


async def _ask(context: PaymentContext, account: ProviderAccount, question: Question, until: datetime) -> _Asked:
    """Call the provider, no transaction open. Whatever goes wrong is no answer."""
    assert isinstance(account.provider, Queries), "asked before"
    if is_settled(question.state):
        return _Asked(question, _NOTHING_NEW, until)
    known = KnownPayment(
        reference=question.reference,
        amount=question.amount,
        provider_reference=question.provider_reference,
        created_at=question.created_at,
        asked_at=context.clock(),
    )
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return _Asked(question, await account.provider.query_payment(known), until)
    except Exception as error:  # A provider's own fault must not keep the others from being asked.
        log.warning("question_failed", intent_id=str(question.intent_id), exc_info=error)
        return _Asked(question, None, until)


async def _take_answer(context: PaymentContext, account: ProviderAccount, asked: _Asked) -> None:
    question = asked.question
    notices = asked.told.notices if asked.told is not None else ()
    news = tuple(notice for notice in notices if _is_news(notice, question.state))
    is_taken = asked.told is not None
    if asked.told is not None and news:
        is_last = next_question(begun_at=question.begun_at, now=context.clock()) is None
        is_taken = await _apply(context, account, question, news, asked.told.evidence, is_last=is_last)
    outcomes = {notice.outcome for notice in notices} if is_taken else {Outcome.UNKNOWN}
    now = context.clock()
    async with context.database.transaction(account.organization_id) as tx:
        state = await read_state(tx, question.intent_id)
        is_open = state in _UNASKED
        is_over = is_settled(state) or (not is_open and is_answered(outcomes, created_at=question.created_at, now=now))
        due_at = None if is_over else _next(account, question, is_open=is_open, now=now)
        is_ours = await record_answer(
            tx,
            question.intent_id,
            claimed_until=asked.claimed_until,
            due_at=due_at,
            now=now,
            outcome=None if is_open else min(outcomes, key=_MOST_TELLING.index, default=None),
            is_open=is_open,
        )
        if is_ours and not is_over and due_at is None:
            await _give_to_a_person(tx, context, account, question)
            log.warning("payment_status_unresolved", intent_id=str(question.intent_id))


def _next(account: ProviderAccount, question: Question, *, is_open: bool, now: datetime) -> datetime | None:
    """When to ask again: an open payment as its provider is polled, any other at its times, None after the last."""
    if is_open and isinstance(account.provider, Queries):
        return next_open_question(account.provider.polls_open, created_at=question.created_at, now=now)
    return next_question(begun_at=question.begun_at, now=now)


async def _apply(
    context: PaymentContext,
    account: ProviderAccount,
    question: Question,
    news: tuple[Notice, ...],
    evidence: bytes,
    *,
    is_last: bool,
) -> bool:
    """Apply an answer; False where it cannot be written, which then counts as no answer.

    Raises Unavailable or CommitUnknown, which pass: the question is asked again after its claim, but not without end:
    where its schedule is over (`is_last`) they count as no answer too, and a person decides.
    """
    now = context.clock()
    delivery = Delivery(
        id=DeliveryId(context.ids.new()),
        account=account,
        callback=_evidence(evidence, at=now),
        notices=news,
        source=Source.QUERY,
    )
    try:
        async with context.database.transaction(account.organization_id, posting=True) as tx:
            await open_day(tx, business_date(now), at=now)
        async with context.database.transaction(account.organization_id, posting=True) as tx:
            await apply_deliveries(tx, [delivery], context)
        context.publish_change(account.organization_id)
    except Exception as error:  # Whatever is wrong with one answer; it is told, and the others go on.
        if isinstance(error, (Unavailable, CommitUnknown)) and not is_last:
            raise
        log.error("answer_not_applied", intent_id=str(question.intent_id), exc_info=error)
        return False
    return True


async def _leave_to_a_person(
    context: PaymentContext, account: ProviderAccount, question: Question, *, claimed_until: datetime
) -> None:
    """Nobody can be asked: what is UNKNOWN goes to a person at once; what merely expired waits for its callback."""
    now = context.clock()
    async with context.database.transaction(account.organization_id) as tx:
        state = await read_state(tx, question.intent_id)
        is_ours = await record_answer(
            tx,
            question.intent_id,
            claimed_until=claimed_until,
            due_at=None,
            now=now,
            outcome=None if state in _UNASKED else Outcome.UNKNOWN,
        )
        if is_ours and state is IntentState.UNKNOWN:
            await _give_to_a_person(tx, context, account, question)


async def _give_to_a_person(
    tx: Transaction, context: PaymentContext, account: ProviderAccount, question: Question
) -> None:
    policy = policy_of(ExceptionReason.STATUS_UNRESOLVED, await read_exception_policies(tx))
    await open_exception(tx, context.ids.new(), question, account.id, at=context.clock(), policy=policy)


def _raise_first(results: Sequence[object]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _is_news(notice: Notice, state: IntentState) -> bool:
    """Whether a notice may change anything: a hundred times "still pending" is not kept a hundred times.

    That an open payment could not be asked about says nothing of it: only what is begun and not heard of is UNKNOWN.
    """
    if notice.outcome is Outcome.UNKNOWN and state in _UNASKED:
        return False
    return notice.outcome in _ALWAYS_NEWS or advance(state, notice.outcome) is not state


def _evidence(answer: bytes, *, at: datetime) -> Callback:
    """What the provider answered, kept like a delivery; the method says that we asked."""
    return Callback(
        method=_EVIDENCE_METHOD,
        tail="",
        raw_query="",
        query=(),
        headers=(),
        body=answer,
        source_address="",
        received_at=at,
    )
