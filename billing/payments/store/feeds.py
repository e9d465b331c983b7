"""The feed of each account: cursor, lease, and the number of reads in this minute."""

from datetime import datetime

from billing.core.ids import ProviderAccountId
from billing.db.database import Transaction

_SCHEDULE = """
    INSERT INTO feed_cursor (organization_id, provider_account_id, minute)
    VALUES ($1, $2, date_trunc('minute', $3::timestamptz))
    ON CONFLICT DO NOTHING
"""

_LEASE = """
    UPDATE feed_cursor SET leased_until = $4, minute = date_trunc('minute', $3::timestamptz),
        used = CASE WHEN minute = date_trunc('minute', $3::timestamptz) THEN used ELSE 0 END + 1
    WHERE organization_id = $1 AND provider_account_id = $2 AND (leased_until IS NULL OR leased_until <= $3)
        AND (minute <> date_trunc('minute', $3::timestamptz) OR used < $5)
    RETURNING cursor
"""


async def lease_feed(
    tx: Transaction, account_id: ProviderAccountId, *, now: datetime, until: datetime, per_minute: int
) -> str | None:
    """Lease an account's feed until a timestamp, within the reads allowed in this minute.

    Returns the cursor to read from; None if another worker reads it, or it has been read often enough.
    """
    await tx.execute(_SCHEDULE, tx.organization_id, account_id, now)
    cursor: str | None = await tx.fetchval(_LEASE, tx.organization_id, account_id, now, until, per_minute)
    return cursor


_MOVE = """
    UPDATE feed_cursor SET cursor = $4, leased_until = NULL, read_at = $5, failures = 0
    WHERE organization_id = $1 AND provider_account_id = $2 AND leased_until = $3
"""


async def move_feed(
    tx: Transaction, account_id: ProviderAccountId, *, leased_until: datetime, cursor: str, now: datetime
) -> bool:
    """Move the cursor; False if the lease had ended and another worker has leased the feed since."""
    return await tx.execute(_MOVE, tx.organization_id, account_id, leased_until, cursor, now) == "UPDATE 1"


_FAIL = """
    UPDATE feed_cursor SET failures = failures + 1,
        leased_until = $4::timestamptz + least(300, 5 * 2 ^ least(failures, 10)) * interval '1 second'
    WHERE organization_id = $1 AND provider_account_id = $2 AND leased_until = $3
    RETURNING failures
"""


async def fail_feed(tx: Transaction, account_id: ProviderAccountId, *, leased_until: datetime, now: datetime) -> int:
    """Postpone a feed that could not be read: 5 seconds, twice as long each time, 5 minutes at most.

    Returns its failures in a row; 0 if the lease had ended and another worker has leased the feed since.
    """
    failures: int | None = await tx.fetchval(_FAIL, tx.organization_id, account_id, leased_until, now)
    return failures or 0
