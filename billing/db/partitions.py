"""Monthly partitions: created in advance, checked, detached after their retention."""

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
    """Tables without an attached partition for a timestamp: a row of that time would be rejected."""
    return [row["parent"] for row in await reader.fetch(_MISSING, at)]


_MAKE_PARTITIONS = """
    SELECT vienphi_make_partitions()
"""


async def make_partitions(reader: ReadTransaction) -> None:
    """Create the monthly partitions up to three months ahead; existing ones are not changed."""
    await reader.fetchval(_MAKE_PARTITIONS)


_DETACH_PARTITIONS = """
    SELECT vienphi_detach_partitions($1, $2, $3) AS name
"""


async def detach_partitions(reader: ReadTransaction, parent: str, *, before: date, drops: bool) -> list[str]:
    """Detach, or drop, the partitions of `delivery`, `delivery_body` or `outbox` that end before a day, as the owner.

    A partition whose rows are still needed stays. Returns the names of the detached or dropped ones.
    """
    return [row["name"] for row in await reader.fetch(_DETACH_PARTITIONS, parent, before, drops)]
