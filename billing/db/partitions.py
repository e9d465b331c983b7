"""Monthly partitions: made ahead, found missing, detached after their retention."""

from datetime import date, datetime

from billing.db.database import ReadTransaction

_MISSING = """
    SELECT parent FROM unnest(ARRAY['delivery', 'delivery_body', 'outbox', 'audit']) AS parent
    WHERE NOT EXISTS (
        SELECT FROM pg_inherits AS attached
        JOIN pg_class AS partition ON partition.oid = attached.inhrelid
        WHERE attached.inhparent = to_regclass('public.' || parent)
            AND partition.relname = parent || '_' || to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYYMM'))
    ORDER BY parent
"""


async def read_missing_partitions(reader: ReadTransaction, at: datetime) -> list[str]:
    """Tables to which no partition for rows of a moment is attached: a row of then would be refused."""
    return [row["parent"] for row in await reader.fetch(_MISSING, at)]


_MAKE_PARTITIONS = """
    SELECT vienphi_make_partitions()
"""


async def make_partitions(reader: ReadTransaction) -> None:
    """Make the monthly partitions up to three months ahead; those that exist are left alone."""
    await reader.fetchval(_MAKE_PARTITIONS)


_DETACH_PARTITIONS = """
    SELECT vienphi_detach_partitions($1, $2, $3) AS name
"""


async def detach_partitions(reader: ReadTransaction, parent: str, *, before: date, drops: bool) -> list[str]:
    """Detach, or drop, the partitions of `delivery`, `delivery_body` or `outbox` that end before a day, as the owner.

    One whose rows are still needed stays. Returns the names of those that went.
    """
    return [row["name"] for row in await reader.fetch(_DETACH_PARTITIONS, parent, before, drops)]
