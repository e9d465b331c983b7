"""Partitions: which tables lack the one that rows of a moment need (`organizations.make_partitions` makes them)."""

from datetime import datetime

from billing.db.database import Reader

_MISSING = """
    SELECT parent FROM unnest(ARRAY['delivery', 'delivery_body', 'outbox', 'audit']) AS parent
    WHERE NOT EXISTS (
        SELECT FROM pg_inherits AS attached
        JOIN pg_class AS partition ON partition.oid = attached.inhrelid
        WHERE attached.inhparent = to_regclass('public.' || parent)
            AND partition.relname = parent || '_' || to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYYMM'))
    ORDER BY parent
"""


async def read_missing_partitions(reader: Reader, at: datetime) -> list[str]:
    """Tables to which no partition for rows of a moment is attached: a row of then would be refused."""
    return [row["parent"] for row in await reader.fetch(_MISSING, at)]
