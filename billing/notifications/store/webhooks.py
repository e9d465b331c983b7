"""Endpoints and their deliveries: leased for a while, recorded, requeued by hand."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.notifications.domain.webhook import Attempt, DeliveryState, DueDelivery, Endpoint, EndpointId

_ADD_ENDPOINT = """
    INSERT INTO webhook_endpoint (organization_id, id, url, secret_names, topics, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def add_endpoint(tx: Transaction, endpoint: Endpoint, *, created_at: datetime) -> None:
    """Add an endpoint, active from now on. The owner's act."""
    await tx.execute(
        _ADD_ENDPOINT,
        tx.organization_id,
        endpoint.id,
        endpoint.url,
        list(endpoint.secret_names),
        list(endpoint.topics),
        created_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEndpoint:
    """An endpoint with how many of its messages wait and how many are dead."""

    endpoint: Endpoint
    is_active: bool
    waiting: int
    dead: int


_LISTED = """
    SELECT endpoint.id, endpoint.url, endpoint.secret_names, endpoint.topics, endpoint.is_active,
        count(*) FILTER (WHERE delivery.state = 'waiting') AS waiting,
        count(*) FILTER (WHERE delivery.state = 'dead') AS dead
    FROM webhook_endpoint AS endpoint
    LEFT JOIN webhook_delivery AS delivery ON delivery.organization_id = $1 AND delivery.endpoint_id = endpoint.id
    WHERE endpoint.organization_id = $1 AND ($2::uuid IS NULL OR endpoint.id = $2)
    GROUP BY endpoint.organization_id, endpoint.id
    ORDER BY endpoint.id
"""


async def list_endpoints(tx: Transaction, endpoint_id: EndpointId | None = None) -> list[ListedEndpoint]:
    """The endpoints in order of age, stopped ones too; only that of an id where one is given."""
    return [
        ListedEndpoint(endpoint=_endpoint(row), is_active=row["is_active"], waiting=row["waiting"], dead=row["dead"])
        for row in await tx.fetch(_LISTED, tx.organization_id, endpoint_id)
    ]


_LOCK_ENDPOINT = "SELECT id FROM webhook_endpoint WHERE organization_id = $1 AND id = $2 FOR UPDATE"

_REMOVE_DELIVERIES = "DELETE FROM webhook_delivery WHERE organization_id = $1 AND endpoint_id = $2"

_REMOVE_ENDPOINT = "DELETE FROM webhook_endpoint WHERE organization_id = $1 AND id = $2"


async def lock_endpoint(tx: Transaction, endpoint_id: EndpointId) -> None:
    """Keep new messages from being handed to an endpoint until the transaction ends. The owner's act."""
    await tx.fetchval(_LOCK_ENDPOINT, tx.organization_id, endpoint_id)


async def remove_endpoint(tx: Transaction, endpoint_id: EndpointId) -> None:
    """Remove an endpoint and what it was sent. The owner's act."""
    await tx.execute(_REMOVE_DELIVERIES, tx.organization_id, endpoint_id)
    await tx.execute(_REMOVE_ENDPOINT, tx.organization_id, endpoint_id)


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(
        id=EndpointId(row["id"]),
        url=row["url"],
        secret_names=tuple(row["secret_names"]),
        topics=tuple(row["topics"]),
    )


_SET_ACTIVE = "UPDATE webhook_endpoint SET is_active = $3 WHERE organization_id = $1 AND id = $2 RETURNING id"


async def set_active(tx: Transaction, endpoint_id: EndpointId, *, is_active: bool) -> bool:
    """Stop or resume an endpoint; False if it does not exist."""
    return await tx.fetchval(_SET_ACTIVE, tx.organization_id, endpoint_id, is_active) is not None


_DUE_ENDPOINTS = """
    SELECT id, url, secret_names, topics FROM webhook_endpoint
    WHERE organization_id = $1 AND is_active AND EXISTS (
        SELECT FROM webhook_delivery AS delivery
        WHERE delivery.organization_id = $1 AND delivery.endpoint_id = webhook_endpoint.id
            AND delivery.state = 'waiting' AND delivery.due_at <= $2)
    ORDER BY id
"""


async def read_due_endpoints(tx: Transaction, *, now: datetime) -> list[Endpoint]:
    """The active endpoints for which a message is due."""
    return [_endpoint(row) for row in await tx.fetch(_DUE_ENDPOINTS, tx.organization_id, now)]


# MATERIALIZED: joined to the table, the inner query could run once for each row and so lease more than its limit.
_LEASE_DUE = """
    WITH due AS MATERIALIZED (
        SELECT message_id FROM webhook_delivery
        WHERE organization_id = $1 AND endpoint_id = $2 AND state = 'waiting' AND due_at <= $3 AND EXISTS (
            SELECT FROM webhook_endpoint AS endpoint
            WHERE endpoint.organization_id = $1 AND endpoint.id = $2 AND endpoint.is_active)
        ORDER BY due_at, message_id
        LIMIT $5
        FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_delivery AS delivery SET due_at = $4
    FROM due
    WHERE delivery.organization_id = $1 AND delivery.endpoint_id = $2 AND delivery.message_id = due.message_id
    RETURNING delivery.message_id, delivery.topic, delivery.payload, delivery.attempts
"""


async def lease_due(
    tx: Transaction, endpoint_id: EndpointId, *, now: datetime, until: datetime, at_most: int
) -> list[DueDelivery]:
    """Lease due messages until a time; after it they are due again, also if the worker died.

    Returns none of an endpoint that was stopped, also after it was found.
    """
    rows = await tx.fetch(_LEASE_DUE, tx.organization_id, endpoint_id, now, until, at_most)
    return [DueDelivery(**dict(row)) for row in rows]


_RECORD = """
    UPDATE webhook_delivery SET state = $5, attempts = attempts + 1, due_at = $6, attempted_at = $7, last_status = $8,
        last_problem = $9
    WHERE organization_id = $1 AND endpoint_id = $2 AND message_id = $3 AND state = 'waiting' AND due_at = $4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one leased message."""

    message_id: UUID
    state: DeliveryState
    attempt: Attempt
    due_at: datetime


async def record_attempt(
    tx: Transaction, endpoint_id: EndpointId, result: Result, *, leased_until: datetime, now: datetime
) -> bool:
    """Record one attempt; False if the lease expired and another worker leased the message since."""
    done = await tx.execute(
        _RECORD,
        tx.organization_id,
        endpoint_id,
        result.message_id,
        leased_until,
        result.state.value,
        result.due_at,
        now,
        result.attempt.status,
        result.attempt.problem,
    )
    return done == "UPDATE 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadMessage:
    """A message that could not be delivered to an endpoint, with its last attempt."""

    endpoint_id: EndpointId
    url: str
    message_id: UUID
    topic: str
    attempts: int
    attempted_at: datetime | None
    last_status: int | None
    last_problem: str | None


_DEAD = """
    SELECT delivery.endpoint_id, endpoint.url, delivery.message_id, delivery.topic, delivery.attempts,
        delivery.attempted_at, delivery.last_status, delivery.last_problem
    FROM webhook_delivery AS delivery
    JOIN webhook_endpoint AS endpoint ON endpoint.organization_id = $1 AND endpoint.id = delivery.endpoint_id
    WHERE delivery.organization_id = $1 AND delivery.state = 'dead'
    ORDER BY delivery.message_id, delivery.endpoint_id
    LIMIT $2
"""


async def read_dead(tx: Transaction, *, at_most: int) -> list[DeadMessage]:
    """Messages that could not be delivered, oldest first, with the last status of their endpoint."""
    return [read_row(DeadMessage, row) for row in await tx.fetch(_DEAD, tx.organization_id, at_most)]


_REQUEUE = """
    UPDATE webhook_delivery SET state = 'waiting', attempts = 0, due_at = $4
    WHERE organization_id = $1 AND message_id = $2 AND ($3::uuid IS NULL OR endpoint_id = $3) AND state <> 'waiting'
    RETURNING endpoint_id
"""


async def requeue(tx: Transaction, message_id: UUID, *, endpoint_id: EndpointId | None, now: datetime) -> int:
    """Make a message due again, dead or delivered, for one endpoint or all it went to; returns for how many."""
    return len(await tx.fetch(_REQUEUE, tx.organization_id, message_id, endpoint_id, now))


_PURGE_DELIVERED = """
    WITH old AS MATERIALIZED (
        SELECT endpoint_id, message_id FROM webhook_delivery
        WHERE organization_id = $1 AND state = 'delivered' AND attempted_at < $2
        ORDER BY attempted_at
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    DELETE FROM webhook_delivery AS delivery USING old
    WHERE delivery.organization_id = $1 AND delivery.endpoint_id = old.endpoint_id
        AND delivery.message_id = old.message_id AND delivery.state = 'delivered'
"""


async def purge_delivered(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Delete messages delivered before a time; dead and waiting messages stay. Returns the number of rows."""
    done = await tx.execute(_PURGE_DELIVERED, tx.organization_id, before, at_most)
    return int(done.removeprefix("DELETE "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """An endpoint that did not answer messages: those that are tried again, and those that are dead."""

    url: str
    retried: int
    dead: int
    last_problem: str


_UNANSWERED = """
    SELECT endpoint.url, coalesce(waits.count, 0) AS retried, coalesce(ended.count, 0) AS dead,
        coalesce(waits.problem, ended.problem, '') AS last_problem
    FROM webhook_endpoint AS endpoint
    LEFT JOIN LATERAL (
        SELECT count(*), max(coalesce(one.last_problem, one.last_status::text)) AS problem
        FROM webhook_delivery AS one WHERE one.organization_id = $1 AND one.endpoint_id = endpoint.id
            AND one.state = 'waiting' AND one.attempts > 0) AS waits ON true
    LEFT JOIN LATERAL (
        SELECT count(*), max(coalesce(one.last_problem, one.last_status::text)) AS problem
        FROM webhook_delivery AS one WHERE one.organization_id = $1 AND one.endpoint_id = endpoint.id
            AND one.state = 'dead') AS ended ON true
    WHERE endpoint.organization_id = $1 AND coalesce(waits.count, 0) + coalesce(ended.count, 0) > 0
    ORDER BY endpoint.url
"""


async def read_unanswered(tx: Transaction) -> list[Unanswered]:
    """The endpoints with messages that were tried without an answer."""
    return [read_row(Unanswered, row) for row in await tx.fetch(_UNANSWERED, tx.organization_id)]
