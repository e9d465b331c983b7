"""The outbox in the order of commits: new messages since the cursor, none of a transaction that is still open.

Rows appear when their transaction commits, not when they are written, so a reader by time or id would skip
late rows. Only transactions below the watermark are read: all of them have ended.
Source: docs/design.md §4, Watermarks.
"""

from datetime import datetime

from billing.core.errors import Unavailable
from billing.db.database import Transaction


class OutboxRestored(Unavailable):
    """The cursor is beyond every transaction of this server: the database was restored and needs a rebase."""

    code = "outbox_restored"


_BEGIN_CURSOR = """
    INSERT INTO webhook_cursor (organization_id, transaction_id, message_id)
    VALUES ($1, '0', '00000000-0000-0000-0000-000000000000')
    ON CONFLICT DO NOTHING
"""

_HOLD_CURSOR = """
    SELECT transaction_id >= vienphi_next_transaction_id() AS is_beyond
    FROM webhook_cursor WHERE organization_id = $1
    FOR UPDATE SKIP LOCKED
"""

# One statement reads the new messages, enqueues each for the endpoints of its topic, and moves the cursor.
_ENQUEUE = """
    WITH new AS (
        SELECT outbox.id, outbox.topic, outbox.payload, outbox.transaction_id
        FROM outbox
        JOIN webhook_cursor AS cursor ON cursor.organization_id = $1
        WHERE outbox.organization_id = $1
            AND outbox.transaction_id < vienphi_watermark()
            AND (outbox.transaction_id, outbox.id) > (cursor.transaction_id, cursor.message_id)
        ORDER BY outbox.transaction_id, outbox.id
        LIMIT $3
    ), handed AS (
        INSERT INTO webhook_delivery (organization_id, endpoint_id, message_id, topic, payload, state, due_at)
        SELECT $1, endpoint.id, new.id, new.topic, new.payload, 'waiting', $2
        FROM new
        JOIN webhook_endpoint AS endpoint ON endpoint.organization_id = $1 AND endpoint.is_active
            AND (cardinality(endpoint.topics) = 0 OR new.topic = ANY (endpoint.topics))
        ON CONFLICT DO NOTHING
    ), moved AS (
        UPDATE webhook_cursor SET transaction_id = last.transaction_id, message_id = last.id
        FROM (SELECT transaction_id, id FROM new ORDER BY transaction_id DESC, id DESC LIMIT 1) AS last
        WHERE webhook_cursor.organization_id = $1
    )
    SELECT count(*) FROM new
"""


async def enqueue_messages(tx: Transaction, *, now: datetime, at_most: int) -> int:
    """Enqueue each new message for every active endpoint of its topic; returns how many messages were read.

    0 also while another worker does so. Raises OutboxRestored.
    """
    await tx.execute(_BEGIN_CURSOR, tx.organization_id)
    held = await tx.fetchrow(_HOLD_CURSOR, tx.organization_id)
    if held is None:
        return 0
    if held["is_beyond"]:
        raise OutboxRestored("the outbox cursor is beyond the server's transactions; run vienphi ledger rebase")
    return int(await tx.fetchval(_ENQUEUE, tx.organization_id, now, at_most))
