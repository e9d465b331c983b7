"""Deliveries that could not be written by themselves, until they are replayed."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.domain.ids import DeliveryId, ProviderAccountId
from billing.storage.database import Transaction
from billing.storage.strict_json import encode_json
from providers.contract import Callback

_ADD_POISON = """
    INSERT INTO poison_delivery (organization_id, id, provider_account_id, received_at, fault, method, tail, query,
        headers, body, source_address)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11)
"""


async def add_poison(
    tx: Transaction,
    delivery_id: DeliveryId,
    account_id: ProviderAccountId,
    callback: Callback,
    *,
    kept_headers: Set[str],
    fault: str,
) -> None:
    """Keep a verified delivery that cannot be written; `fault` names an error, never its words."""
    await tx.execute(
        _ADD_POISON,
        tx.organization_id,
        delivery_id,
        account_id,
        callback.received_at,
        fault,
        callback.method,
        callback.tail,
        callback.raw_query,
        encode_json([pair for pair in callback.headers if pair[0] in kept_headers]),
        callback.body,
        callback.source_address,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRow:
    """A delivery that waits for a person, or was replayed as another."""

    id: DeliveryId
    account_name: str
    received_at: datetime
    fault: str
    replayed_at: datetime | None
    replayed_as: DeliveryId | None


_LIST_POISON = """
    SELECT poison.id, account.name AS account_name, poison.received_at, poison.fault, poison.replayed_at,
        poison.replayed_as
    FROM poison_delivery AS poison
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = poison.provider_account_id
    WHERE poison.organization_id = $1 AND ($2::uuid IS NULL OR poison.id > $2) AND poison.replayed_at IS NULL
    ORDER BY poison.id
    LIMIT $3
"""


async def read_poison(tx: Transaction, *, after: DeliveryId | None, limit: int) -> list[PoisonRow]:
    """Deliveries that wait, the oldest first, from the one after `after` on."""
    return [PoisonRow(**dict(row)) for row in await tx.fetch(_LIST_POISON, tx.organization_id, after, limit)]


_LOCK_POISON = """
    SELECT poison.id, account.name AS account_name, poison.received_at, poison.fault, poison.replayed_at,
        poison.replayed_as, poison.method, poison.tail, poison.query, poison.headers, poison.body,
        poison.source_address
    FROM poison_delivery AS poison
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = poison.provider_account_id
    WHERE poison.organization_id = $1 AND poison.id = $2
    FOR NO KEY UPDATE OF poison
"""


async def lock_poison(tx: Transaction, delivery_id: DeliveryId) -> tuple[PoisonRow, Callback] | None:
    """A kept delivery with its message as it came in, held until the transaction ends; None where there is none."""
    row = await tx.fetchrow(_LOCK_POISON, tx.organization_id, delivery_id)
    if row is None:
        return None
    fields: dict[str, Any] = dict(row)
    callback = Callback(
        method=fields.pop("method"),
        tail=fields.pop("tail"),
        raw_query=fields.pop("query"),
        query=(),
        headers=tuple((name, value) for name, value in fields.pop("headers")),
        body=fields.pop("body"),
        source_address=fields.pop("source_address"),
        received_at=fields["received_at"],
    )
    return PoisonRow(**fields), callback


_MARK_REPLAYED = """
    UPDATE poison_delivery SET replayed_at = $3, replayed_as = $4 WHERE organization_id = $1 AND id = $2
"""


async def mark_replayed(tx: Transaction, delivery_id: DeliveryId, *, at: datetime, replayed_as: DeliveryId) -> None:
    """Note as which delivery a locked one was replayed."""
    await tx.execute(_MARK_REPLAYED, tx.organization_id, delivery_id, at, replayed_as)


_READ_DELIVERY = """
    SELECT delivery.id, account.name AS account_name, delivery.received_at, delivery.verdict, delivery.receipt_id,
        delivery.notices
    FROM delivery
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = delivery.provider_account_id
    WHERE delivery.organization_id = $1 AND delivery.id = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswered:
    """A delivery that was written: how it was answered, and under which receipt."""

    id: DeliveryId
    account_name: str
    received_at: datetime
    verdict: str
    receipt_id: DeliveryId
    notices: int


async def read_delivery(tx: Transaction, delivery_id: DeliveryId) -> DeliveryAnswered | None:
    """A delivery that was written; None where there is none of that id."""
    row = await tx.fetchrow(_READ_DELIVERY, tx.organization_id, delivery_id)
    return None if row is None else DeliveryAnswered(**dict(row))
