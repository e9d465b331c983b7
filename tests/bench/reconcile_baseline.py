"""What the measurement of reconciliation is compared with: COPY of the same lines, and one join with the same matches.

The tables of lines have the columns, keys, foreign keys, indexes and checks of ours. They have no row security, under
which COPY is not possible, and none of our triggers: ours on these tables are of updates and deletions. The tables of
matches have everything that ours have, and the role of the service writes them: foreign keys, triggers, row security.
"""

from collections.abc import Sequence
from tempfile import TemporaryFile

import asyncpg

from tests.bench.stopwatch import Spent, Stopwatch

_IMPORTED = ("statement_line", "statement_line_text", "settlement_line")
_FOREIGN_KEYS = """
    SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = $1::text::regclass AND contype = 'f' ORDER BY conname
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


_COPIES = {"match": "joined_match", "match_item": "joined_item"}
_TRIGGERS = """
    SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal
"""
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
        AND has_column_privilege('vienphi_app', attrelid, attnum, 'INSERT')
"""


async def join_and_write_matches(connection: "asyncpg.Connection[asyncpg.Record]", watch: Stopwatch) -> Spent:
    """What one hash join of the statement with the month needs, and the writing of the match rows that exist.

    The rows are written once each and in one transaction, into tables with the columns, defaults, keys, indexes,
    checks, foreign keys, triggers and row security of ours, by the role of the service.
    """
    for table, copied in _COPIES.items():
        await _copy_table(connection, table, copied)
    writes = [
        f"INSERT INTO {copied} ({columns}) SELECT {columns} FROM {table}"
        for table, copied in _COPIES.items()
        if (columns := await connection.fetchval(_COLUMNS, table))
    ]
    await connection.execute("CHECKPOINT", timeout=600)
    started = watch.read()
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_nestloop = off")
        await connection.execute("SET LOCAL enable_mergejoin = off")
        await connection.fetchval(_JOIN, timeout=3600)
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE vienphi_app; SET LOCAL vienphi.organization = '1'")
        for write in writes:
            await connection.execute(write, timeout=3600)
    spent = watch.read() - started
    await connection.execute("DROP TABLE joined_item, joined_match")
    return spent


async def _copy_table(connection: "asyncpg.Connection[asyncpg.Record]", table: str, copied: str) -> None:
    """An empty table like another one, with its foreign keys among the copies, its triggers and its row security."""
    await connection.execute(f"CREATE TABLE {copied} (LIKE {table} INCLUDING ALL)")
    for row in await connection.fetch(_FOREIGN_KEYS, table):
        definition = row["definition"].replace("REFERENCES match(", "REFERENCES joined_match(")
        await connection.execute(f"ALTER TABLE {copied} ADD {definition}")
    for row in await connection.fetch(_TRIGGERS, table):
        await connection.execute(row["definition"].replace(f" ON public.{table} ", f" ON {copied} "))
    await connection.execute(f"SELECT vienphi_isolate_tenant('{copied}')")
    await connection.execute(f"GRANT INSERT ON {copied} TO vienphi_app")


async def count_rows(connection: "asyncpg.Connection[asyncpg.Record]", tables: Sequence[str]) -> dict[str, int]:
    """The rows of each table."""
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}", timeout=600) for table in tables}
