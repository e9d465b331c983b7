"""What the measurement of reconciliation is compared with: COPY of the same lines, and one join with the same matches.

The tables have the columns, keys, foreign keys, indexes and checks of ours. They have no row security, under which
COPY is not possible, and none of our triggers: ours on these tables are of updates and deletions.
"""

from collections.abc import Sequence
from tempfile import TemporaryFile

import asyncpg

from tests.bench.stopwatch import Spent, Stopwatch

_IMPORTED = ("statement_line", "statement_line_text", "settlement_line")
_FOREIGN_KEYS = """
    SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = $1::regclass AND contype = 'f' ORDER BY conname
"""
_JOIN = """
    SELECT count(*) FROM statement_line AS line
    JOIN bench_item AS item ON item.bank_reference = line.bank_reference AND item.amount = line.amount
"""


async def copy_lines(
    connection: "asyncpg.Connection[asyncpg.Record]", watch: Stopwatch, *, has_foreign_keys: bool = True
) -> Spent:
    """What COPY needs for the imported lines, into tables of their own.

    Without foreign keys they are not what the same rows are stored in: that time is reported for comparison alone.
    """
    spent = Spent()
    for table in _IMPORTED:
        copied = f"copied_{table}"
        await connection.execute(f"CREATE TABLE {copied} (LIKE {table} INCLUDING ALL)")
        for row in await connection.fetch(_FOREIGN_KEYS, table) if has_foreign_keys else ():
            await connection.execute(f"ALTER TABLE {copied} ADD {row['definition']}")
        with TemporaryFile() as stored:
            await connection.copy_from_table(table, output=stored, format="binary", timeout=3600)
            stored.seek(0)
            await connection.execute("CHECKPOINT", timeout=600)
            started = watch.read()
            await connection.copy_to_table(copied, source=stored, format="binary", timeout=3600)
            spent += watch.read() - started
        await connection.execute(f"DROP TABLE {copied}")
    return spent


async def join_and_write_matches(connection: "asyncpg.Connection[asyncpg.Record]", watch: Stopwatch) -> Spent:
    """What one hash join of the statement with the month needs, and the writing of the match rows that exist."""
    await connection.execute(
        """
        CREATE TABLE joined_match (LIKE match INCLUDING ALL, FOREIGN KEY (organization_id, rule_set)
            REFERENCES match_rule_set (organization_id, version),
            FOREIGN KEY (organization_id, entry_id) REFERENCES journal_entry (organization_id, id));
        CREATE TABLE joined_item (LIKE match_item INCLUDING ALL, FOREIGN KEY (organization_id, match_id)
            REFERENCES joined_match (organization_id, id));
        CHECKPOINT;
        """,
        timeout=600,
    )
    started = watch.read()
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_nestloop = off")
        await connection.execute("SET LOCAL enable_mergejoin = off")
        await connection.fetchval(_JOIN, timeout=3600)
        await connection.execute("INSERT INTO joined_match SELECT * FROM match", timeout=3600)
        await connection.execute("INSERT INTO joined_item SELECT * FROM match_item", timeout=3600)
    spent = watch.read() - started
    await connection.execute("DROP TABLE joined_item, joined_match")
    return spent


async def count_rows(connection: "asyncpg.Connection[asyncpg.Record]", tables: Sequence[str]) -> dict[str, int]:
    """The rows of each table."""
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}", timeout=600) for table in tables}
