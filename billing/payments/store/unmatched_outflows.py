"""Outflows that wait for their payment, with the names that lead to it, and the search for it in the books.

`reversals.py` finds the payment of an outflow and reverses it.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.core.ids import DeliveryId, PaymentId, ProviderAccountId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.payments.domain.event import MovementKey
from billing.payments.domain.reference_links import REFERENCE_WINDOW
from billing.payments.domain.reversal import Outflow
from providers.contract import Movement

_ADD_UNMATCHED = """
    INSERT INTO unmatched_outflow (organization_id, id, provider_account_id, delivery_id, amount, keys, code,
        occurred_at, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_unmatched_outflow(tx: Transaction, outflow: Outflow, *, at: datetime) -> None:
    """Store an outflow whose payment is not known yet, with the names that lead to the payment."""
    await tx.execute(
        _ADD_UNMATCHED,
        tx.organization_id,
        outflow.id,
        outflow.account_id,
        outflow.delivery_id,
        outflow.amount,
        sorted(outflow_key(key) for key in outflow.names),
        outflow.code,
        outflow.occurred_at,
        at,
    )


_READ_UNMATCHED = """
    SELECT id, provider_account_id, delivery_id, amount, keys, code, occurred_at
    FROM unmatched_outflow
    WHERE organization_id = $1 AND id = ANY ($2::uuid[]) AND payment_id IS NULL AND returned_at IS NULL
    ORDER BY id
"""


async def read_unmatched_outflows(tx: Transaction, outflow_ids: Sequence[PaymentId]) -> list[Outflow]:
    """The named outflows that are not matched yet, the oldest first."""
    return [
        Outflow(
            id=PaymentId(row["id"]),
            account_id=ProviderAccountId(row["provider_account_id"]),
            delivery_id=DeliveryId(row["delivery_id"]),
            amount=Dong(row["amount"]),
            occurred_at=row["occurred_at"],
            names=frozenset(_name_of(key) for key in row["keys"]),
            code=row["code"],
        )
        for row in await tx.fetch(_READ_UNMATCHED, tx.organization_id, list(outflow_ids))
    ]


_FIND_MATCHABLE = """
    SELECT outflow.id
    FROM unmatched_outflow AS outflow
    WHERE outflow.organization_id = $1 AND outflow.payment_id IS NULL AND outflow.returned_at IS NULL
        AND outflow.recorded_at > $2
        AND (EXISTS (SELECT FROM unnest(outflow.keys) AS named (key)
                JOIN movement_key ON movement_key.organization_id = $1 AND movement_key.movement = 'received'
                    AND movement_key.account_id = left(named.key, 36)::uuid AND movement_key.key = substr(named.key, 38)
                JOIN payment_position AS position ON position.organization_id = $1
                    AND position.payment_id = movement_key.movement_id
                WHERE position.amount - position.refunded - position.refund_reserved >= outflow.amount)
            OR EXISTS (SELECT FROM unnest(outflow.keys) AS named (key)
                JOIN bank_reference AS used ON used.organization_id = $1 AND used.movement = 'received'
                    AND used.account_id = left(named.key, 36)::uuid AND used.reference = substr(named.key, 43)
                    AND substr(named.key, 38, 5) = 'bank:'
                JOIN payment_position AS position ON position.organization_id = $1
                    AND position.payment_id = used.payment_id
                WHERE position.amount - position.refunded - position.refund_reserved >= outflow.amount)
            OR EXISTS (SELECT FROM unnest(outflow.keys) AS named (key)
                JOIN bank_reference AS used ON used.organization_id = $1 AND used.movement = 'received'
                    AND used.account_id = left(named.key, 36)::uuid AND used.reference = substr(named.key, 42)
                    AND substr(named.key, 38, 4) = 'own:' AND used.amount = outflow.amount
                    AND abs(used.booked_on - (outflow.occurred_at AT TIME ZONE interval '7 hours')::date) <= $4
                JOIN payment_position AS position ON position.organization_id = $1
                    AND position.payment_id = used.payment_id
                WHERE position.amount - position.refunded - position.refund_reserved >= outflow.amount)
            OR EXISTS (SELECT FROM intent
                JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
                JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
                WHERE intent.organization_id = $1 AND outflow.code <> '' AND intent.reference_code = outflow.code
                    AND position.amount - position.refunded - position.refund_reserved >= outflow.amount))
    ORDER BY outflow.id
    LIMIT $3
"""


async def find_matchable_outflows(tx: Transaction, *, since: datetime, at_most: int) -> list[PaymentId]:
    """Outflows recorded after a timestamp whose payment is in the books by now; nothing is locked."""
    rows = await tx.fetch(_FIND_MATCHABLE, tx.organization_id, since, at_most, REFERENCE_WINDOW.days)
    return [PaymentId(row["id"]) for row in rows]


_MATCH = """
    UPDATE unmatched_outflow SET payment_id = $3, matched_at = $4
    WHERE organization_id = $1 AND id = $2 AND payment_id IS NULL AND returned_at IS NULL
"""


async def match_outflow(tx: Transaction, outflow_id: PaymentId, payment_id: PaymentId, *, at: datetime) -> bool:
    """Record the payment of an outflow; False if another transaction has matched it."""
    return await tx.execute(_MATCH, tx.organization_id, outflow_id, payment_id, at) == "UPDATE 1"


_RETURN = """
    UPDATE unmatched_outflow SET returned_at = $3
    WHERE organization_id = $1 AND id = $2 AND payment_id IS NULL AND returned_at IS NULL
"""


async def return_outflow(tx: Transaction, outflow_id: UUID, *, at: datetime) -> bool:
    """Record that an outflow without a payment came back; False if it has a payment or came back before."""
    return await tx.execute(_RETURN, tx.organization_id, outflow_id, at) == "UPDATE 1"


def outflow_key(key: MovementKey) -> str:
    """A name of money received as stored in `unmatched_outflow.keys`."""
    return f"{key.account_id}/{key.key}"


def _name_of(key: str) -> MovementKey:
    account_id, _, name = key.partition("/")
    return MovementKey(UUID(account_id), Movement.RECEIVED, name)
