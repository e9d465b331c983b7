"""Webhooks: messages of the outbox are enqueued for the endpoints of their organization and sent until accepted.

A message is delivered at least once, with the same id each time, in no promised order. It is leased and committed
before it is sent, and no transaction is open while it is sent: after the death of a worker it is due again. Each
endpoint is served on its own, so that one that hangs delays no other. The caller supplies the function that sends.
Source: docs/design.md §4, Watermarks; Standard Webhooks 1.0.0.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

import structlog
from asyncpg import ForeignKeyViolationError

from billing.core.errors import BillingError, InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Clock, Context, Ids
from billing.db.database import Database
from billing.db.tenants import require_organization
from billing.notifications.domain.webhook import (
    TOPICS,
    Attempt,
    DeliveryState,
    DueDelivery,
    Endpoint,
    EndpointId,
    WebhookAddressRefused,
    message_body,
    next_attempt,
    signed_headers,
    signing_key,
)
from billing.notifications.store.outbox import enqueue_messages
from billing.notifications.store.webhooks import (
    DeadMessage,
    Result,
    add_endpoint,
    lease_due,
    purge_delivered,
    read_dead,
    read_due_endpoints,
    record_attempt,
    requeue,
    set_active,
)
from providers.addresses import AddressRefused, AddressRules, check_before_saving

ENQUEUED_MAX = 500
"""How many messages of the outbox are read in one transaction."""

DEAD_SHOWN_MAX = 1_000

RETENTION = timedelta(days=30)
"""How long a delivered message is stored by default and can be delivered again by hand."""

_PURGED_MAX = 1_000
_SECRETS_MAX = 2

log = structlog.get_logger(__name__)

Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[Attempt]]
"""Posts a body with headers to an address once, within `Dispatch.lease`; never raises for what the receiver does."""

FindSecret = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """How messages are sent: `at_once` in parallel to one endpoint, each in less time than `lease`."""

    send: Send
    secret_of: FindSecret
    random: Random
    at_once: int = 4
    lease: timedelta = timedelta(minutes=2)


async def enqueue_once(context: Context, organization_id: OrganizationId) -> int:
    """Enqueue new messages of the outbox for the endpoints of their topics; returns how many messages were read."""
    async with context.database.transaction(organization_id) as tx:
        return await enqueue_messages(tx, now=context.clock(), at_most=ENQUEUED_MAX)


async def find_due_endpoints(context: Context, organization_id: OrganizationId) -> list[Endpoint]:
    """The endpoints with due messages."""
    async with context.database.transaction(organization_id) as tx:
        return await read_due_endpoints(tx, now=context.clock())


async def dispatch_once(
    context: Context, organization_id: OrganizationId, endpoint: Endpoint, dispatch: Dispatch
) -> int:
    """Send one endpoint its due messages, a few at once, and record the results; returns how many were sent."""
    now = context.clock()
    until = now + dispatch.lease
    async with context.database.transaction(organization_id) as tx:
        leased = await lease_due(tx, endpoint.id, now=now, until=until, at_most=dispatch.at_once)
    attempts = await asyncio.gather(*(_send(context, organization_id, endpoint, due, dispatch) for due in leased))
    now = context.clock()
    results = [_result(due, attempt, context, dispatch) for due, attempt in zip(leased, attempts, strict=True)]
    async with context.database.transaction(organization_id) as tx:
        for result in sorted(results, key=lambda each: each.message_id):
            await record_attempt(tx, endpoint.id, result, leased_until=until, now=now)
        if any(attempt.is_gone for attempt in attempts):
            await set_active(tx, endpoint.id, is_active=False)
    for result in results:
        _log_result(endpoint, result)
    return len(leased)


async def list_dead(context: Context, organization_id: OrganizationId) -> list[DeadMessage]:
    """Messages that could not be delivered, oldest first. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        await require_organization(tx)
        return await read_dead(tx, at_most=DEAD_SHOWN_MAX)


async def redeliver(
    context: Context, organization_id: OrganizationId, message_id: UUID, *, endpoint_id: EndpointId | None = None
) -> int:
    """Make a message due again, dead or delivered, for one endpoint or all; returns for how many endpoints.

    The receiver sees the same id. Raises NotFound for a message of no endpoint, and for one that still waits.
    """
    async with context.database.transaction(organization_id) as tx:
        requeued = await requeue(tx, message_id, endpoint_id=endpoint_id, now=context.clock())
    if requeued == 0:
        raise NotFound("no such message, or it still waits for its next attempt", field="message_id")
    return requeued


async def purge_once(context: Context, organization_id: OrganizationId, kept: timedelta = RETENTION) -> int:
    """Purge messages delivered longer ago than `kept`, in short transactions; dead messages stay. Returns how many."""
    forgotten = 0
    while True:
        async with context.database.transaction(organization_id) as tx:
            gone = await purge_delivered(tx, before=context.clock() - kept, at_most=_PURGED_MAX)
        forgotten += gone
        if gone < _PURGED_MAX:
            return forgotten


async def resume_endpoint(context: Context, organization_id: OrganizationId, endpoint_id: EndpointId) -> None:
    """Resume an endpoint that was stopped because it answered 410 Gone. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        if not await set_active(tx, endpoint_id, is_active=True):
            raise NotFound("no such endpoint", field="endpoint_id")


async def open_endpoint(
    database: Database,
    organization_id: OrganizationId,
    *,
    url: str,
    secret_names: Sequence[str],
    topics: Sequence[str],
    allow_http: bool,
    secret_of: FindSecret,
    allow_private: bool = False,
    clock: Clock,
) -> EndpointId:
    """Add an endpoint, which receives events from now on; `database` is opened as the owner.

    Its address passes the same check as at each sending, as far as its name leads anywhere yet.

    Raises WebhookAddressRefused, NotFound for the organization; InvalidValue for more than two secrets, for one secret
    given twice and for an unknown topic, what `secret_of` raises for a secret that is missing, and
    WebhookSecretUnusable for one that cannot sign.
    """
    try:
        await check_before_saving(url, AddressRules(allow_private=allow_private, allow_http=allow_http))
    except AddressRefused as refusal:
        raise WebhookAddressRefused(str(refusal), field="url") from None
    if not 1 <= len(secret_names) <= _SECRETS_MAX or len(set(secret_names)) < len(secret_names):
        raise InvalidValue("an endpoint has one secret, or two different ones for a while", field="secret")
    if unknown := sorted(set(topics) - set(TOPICS)):
        raise InvalidValue(f"unknown topic: {', '.join(unknown)}; known: {', '.join(TOPICS)}", field="topic")
    for name in secret_names:
        signing_key(secret_of(name))
    endpoint = Endpoint(
        id=EndpointId(Ids(clock).new()),
        url=url,
        secret_names=tuple(secret_names),
        topics=tuple(topics),
    )
    try:
        async with database.transaction(organization_id) as tx:
            await add_endpoint(tx, endpoint, created_at=clock())
    except ForeignKeyViolationError as error:
        raise NotFound("no such organization; vienphi organization list shows them", field="organization") from error
    return endpoint.id


async def _send(
    context: Context, organization_id: OrganizationId, endpoint: Endpoint, due: DueDelivery, dispatch: Dispatch
) -> Attempt:
    body = message_body(due, organization_id=organization_id)
    try:
        keys = [signing_key(dispatch.secret_of(name)) for name in endpoint.secret_names]
        headers = signed_headers(str(due.message_id), body, sent_at=context.clock(), keys=keys)
        return await dispatch.send(endpoint.url, body, headers)
    except BillingError as refusal:
        # A missing secret or an address that is not allowed: the operator corrects it while attempts go on.
        return Attempt(status=None, problem=refusal.code)


def _result(due: DueDelivery, attempt: Attempt, context: Context, dispatch: Dispatch) -> Result:
    now = context.clock()
    if attempt.is_delivered:
        return Result(message_id=due.message_id, state=DeliveryState.DELIVERED, attempt=attempt, due_at=now)
    again_at = next_attempt(attempt, attempts=due.attempts + 1, now=now, jitter=dispatch.random.random())
    state = DeliveryState.DEAD if again_at is None else DeliveryState.WAITING
    return Result(message_id=due.message_id, state=state, attempt=attempt, due_at=again_at or now)


def _log_result(endpoint: Endpoint, result: Result) -> None:
    facts = {
        "endpoint_id": str(endpoint.id),
        "message_id": str(result.message_id),
        "status": result.attempt.status,
        "problem": result.attempt.problem,
    }
    if result.state is DeliveryState.DEAD:
        log.error("webhook_dead", **facts)
    elif result.state is DeliveryState.WAITING:
        log.warning("webhook_failed", **facts, again_at=result.due_at.isoformat())
