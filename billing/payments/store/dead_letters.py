"""Dead letters: acknowledged deliveries that could not be written because of their data.

Each stores its verified notices, so that a retry needs no credential, until it is retried or closed.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from billing.core.ids import DeliveryId, ProviderAccountId
from billing.db.database import Transaction
from billing.db.json_codec import encode_json
from billing.organizations.domain.approval import Approval
from providers.contract import Callback

_ADD_DEAD_LETTER = """
    INSERT INTO dead_letter (organization_id, id, provider_account_id, received_at, fault, method, path_suffix,
        query, headers, body, source_address, notices, verified_at, verified_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, $13, $14)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The verified notices of a delivery as canonical JSON (`providers/notice_json.py`), with time and method."""

    notices: bytes
    at: datetime
    by: str


async def add_dead_letter(
    tx: Transaction,
    delivery_id: DeliveryId,
    account_id: ProviderAccountId,
    callback: Callback,
    *,
    kept_headers: Set[str],
    fault: str,
    verified: Verified,
) -> None:
    """Store a verified delivery that cannot be written; `fault` names an error, never its message."""
    await tx.execute(
        _ADD_DEAD_LETTER,
        tx.organization_id,
        delivery_id,
        account_id,
        callback.received_at,
        fault,
        callback.method,
        callback.path_suffix,
        callback.raw_query,
        encode_json([pair for pair in callback.headers if pair[0] in kept_headers]),
        callback.body,
        callback.source_address,
        verified.notices,
        verified.at,
        verified.by,
    )


class DeadLetterState(StrEnum):
    """Whether a dead letter waits for a person, was retried as another delivery, or was closed."""

    WAITING = "waiting"
    RETRIED = "retried"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that waits for a person, was retried as another, or was closed.

    `verified_at` and `verified_by` state when and how its message was verified. `closing` is the latest proposal to
    close it, with the reason in its payload; None where nobody proposed it.
    """

    id: DeliveryId
    account_name: str
    received_at: datetime
    fault: str
    verified_at: datetime
    verified_by: str
    retried_at: datetime | None
    retried_as: DeliveryId | None
    closed_at: datetime | None
    closing: Approval | None = None

    @property
    def state(self) -> DeadLetterState:
        if self.retried_at is not None:
            return DeadLetterState.RETRIED
        return DeadLetterState.WAITING if self.closed_at is None else DeadLetterState.CLOSED


_LIST_DEAD_LETTERS = """
    SELECT letter.id, account.name AS account_name, letter.received_at, letter.fault, letter.verified_at,
        letter.verified_by, letter.retried_at, letter.retried_as, letter.closed_at
    FROM dead_letter AS letter
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = letter.provider_account_id
    WHERE letter.organization_id = $1 AND ($2::uuid IS NULL OR letter.id > $2)
        AND CASE $4::text
            WHEN 'waiting' THEN letter.retried_at IS NULL AND letter.closed_at IS NULL
            WHEN 'retried' THEN letter.retried_at IS NOT NULL
            ELSE letter.closed_at IS NOT NULL
        END
        AND ($5::timestamptz IS NULL OR letter.received_at >= $5)
        AND ($6::timestamptz IS NULL OR letter.received_at < $6)
    ORDER BY letter.id
    LIMIT $3
"""


async def read_dead_letters(
    tx: Transaction,
    *,
    after: DeliveryId | None,
    limit: int,
    state: DeadLetterState,
    arrived: tuple[datetime | None, datetime | None],
) -> list[DeadLetter]:
    """Dead letters in a state, the oldest first, starting after `after`; `arrived` from a time, and before a time."""
    rows = await tx.fetch(_LIST_DEAD_LETTERS, tx.organization_id, after, limit, state.value, *arrived)
    return [DeadLetter(**dict(row)) for row in rows]


_LOCK_DEAD_LETTER = """
    SELECT letter.id, account.name AS account_name, letter.received_at, letter.fault, letter.verified_at,
        letter.verified_by, letter.retried_at, letter.retried_as, letter.closed_at, letter.method, letter.path_suffix,
        letter.query, letter.headers, letter.body, letter.source_address, letter.notices
    FROM dead_letter AS letter
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = letter.provider_account_id
    WHERE letter.organization_id = $1 AND letter.id = $2
    FOR NO KEY UPDATE OF letter
"""


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A dead letter with its message as received, and its verified notices."""

    letter: DeadLetter
    callback: Callback
    notices: bytes


async def lock_dead_letter(tx: Transaction, delivery_id: DeliveryId) -> StoredDelivery | None:
    """Read a dead letter and lock it until the transaction ends; None if there is none."""
    row = await tx.fetchrow(_LOCK_DEAD_LETTER, tx.organization_id, delivery_id)
    if row is None:
        return None
    fields: dict[str, Any] = dict(row)
    notices: bytes = fields.pop("notices")
    callback = Callback(
        method=fields.pop("method"),
        path_suffix=fields.pop("path_suffix"),
        raw_query=fields.pop("query"),
        query=(),
        headers=tuple((name, value) for name, value in fields.pop("headers")),
        body=fields.pop("body"),
        source_address=fields.pop("source_address"),
        received_at=fields["received_at"],
    )
    return StoredDelivery(DeadLetter(**fields), callback, notices)


_MARK_RETRIED = """
    UPDATE dead_letter SET retried_at = $3, retried_as = $4 WHERE organization_id = $1 AND id = $2
"""


async def mark_retried(tx: Transaction, delivery_id: DeliveryId, *, at: datetime, retried_as: DeliveryId) -> None:
    """Record the delivery as which a locked dead letter was booked."""
    await tx.execute(_MARK_RETRIED, tx.organization_id, delivery_id, at, retried_as)


_CLOSE = """
    UPDATE dead_letter SET closed_at = $3 WHERE organization_id = $1 AND id = $2
"""


async def close_dead_letter(tx: Transaction, delivery_id: DeliveryId, *, at: datetime) -> None:
    """Close a locked dead letter; nothing of it is ever booked. The database requires the approved proposal."""
    await tx.execute(_CLOSE, tx.organization_id, delivery_id, at)


_READ_DELIVERY = """
    SELECT delivery.id, account.name AS account_name, delivery.received_at, delivery.verdict, delivery.receipt_id,
        delivery.notices
    FROM delivery
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = delivery.provider_account_id
    WHERE delivery.organization_id = $1 AND delivery.id = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswered:
    """A written delivery: its verdict and its receipt."""

    id: DeliveryId
    account_name: str
    received_at: datetime
    verdict: str
    receipt_id: DeliveryId
    notices: int


async def read_delivery(tx: Transaction, delivery_id: DeliveryId) -> DeliveryAnswered | None:
    """A written delivery; None if there is none of that id."""
    row = await tx.fetchrow(_READ_DELIVERY, tx.organization_id, delivery_id)
    return None if row is None else DeliveryAnswered(**dict(row))
