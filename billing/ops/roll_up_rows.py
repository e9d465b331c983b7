"""Statements of the roll-up: the messages of one organization's outbox since a cursor, summed by day and topic."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.db.database import ReadTransaction

# The first 48 bits of an id are its time in milliseconds (UUIDv7). Only transactions below the watermark are read, so
# that no message of one that is still open is passed over.
_ROLL_UP = """
    WITH new AS (
        SELECT id, topic, payload, transaction_id FROM outbox
        WHERE organization_id = $1 AND transaction_id < vienphi_watermark()
            AND (transaction_id, id) > ($2::text::xid8, $3::uuid)
    ), last AS (
        SELECT transaction_id, id FROM new ORDER BY transaction_id DESC, id DESC LIMIT 1
    )
    SELECT (to_timestamp(('x' || replace(left(new.id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
            AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS day,
        new.topic, count(*) AS messages, coalesce(sum((new.payload ->> 'amount')::bigint), 0)::bigint AS amount,
        last.transaction_id::text AS last_transaction_id, last.id AS last_id
    FROM new CROSS JOIN last
    GROUP BY day, new.topic, last.transaction_id, last.id
    ORDER BY day, new.topic
"""


@dataclass(frozen=True, slots=True)
class OutboxPosition:
    """The last message that was read: the id of its transaction, as text, and its own."""

    transaction_id: str
    message_id: UUID


BEGINNING = OutboxPosition("0", UUID(int=0))


@dataclass(frozen=True, slots=True)
class DaySum:
    """The messages of one topic on one business day, and the sum of their amounts in đồng."""

    day: date
    topic: str
    messages: int
    amount: int


async def read_day_sums(
    tx: ReadTransaction, organization_id: int, after: OutboxPosition
) -> tuple[Sequence[DaySum], OutboxPosition]:
    """The sums of the messages after a position, and the position to go on from."""
    rows = await tx.fetch(_ROLL_UP, organization_id, after.transaction_id, after.message_id)
    if not rows:
        return (), after
    sums = [DaySum(row["day"], row["topic"], row["messages"], row["amount"]) for row in rows]
    return sums, OutboxPosition(rows[0]["last_transaction_id"], rows[0]["last_id"])
