"""Migrations that build indexes while the service writes: files with the line `-- without-transaction`.

`CREATE INDEX CONCURRENTLY` runs outside of a transaction, so such a file holds indexes alone, and each of its
statements can be repeated: an interrupted build is dropped and done again. `migrator.py` applies the files in order.
Source: docs/decisions/0027-concurrent-indexes.md.
"""

import re
from dataclasses import dataclass

import asyncpg

_MARK = re.compile(r"^-- without-transaction$", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_CREATE = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?P<name>[a-z0-9_]+) ON (?P<table>[a-z0-9_]+)\b[^;]*")
_DROP = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS [a-z0-9_]+")

# A row of pg_index is invalid from the beginning of a concurrent build until its end.
_READ_INDEX = """
    SELECT built.indisvalid AS is_valid, on_table.relname AS table_name
    FROM pg_index AS built
    JOIN pg_class AS on_index ON on_index.oid = built.indexrelid
    JOIN pg_class AS on_table ON on_table.oid = built.indrelid
    WHERE on_index.relnamespace = 'public'::regnamespace AND on_index.relname = $1
"""


class NotAnIndex(ValueError):
    """A file without a transaction holds another statement; the message is for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class IndexStatement:
    """One statement, which begins at the character `offset` of its file; a DROP has neither index nor table."""

    text: str
    offset: int
    index: str | None = None
    table: str | None = None


def runs_without_transaction(text: str) -> bool:
    """Whether a file has the line that lets its statements run outside of a transaction."""
    return _MARK.search(text) is not None


def read_index_statements(text: str) -> list[IndexStatement]:
    """The statements of a file without a transaction. Raises NotAnIndex.

    An index is named, so that the rest of an interrupted build is found.
    """
    statements = []
    # Comments become blanks of their length: a semicolon in one ends no statement, and offsets stay those of the file.
    bare = _COMMENT.sub(lambda comment: " " * len(comment.group()), text)
    offset = 0
    for part in bare.split(";"):
        start = offset + len(part) - len(part.lstrip())
        offset += len(part) + 1
        statement = " ".join(part.split())
        if not statement:
            continue
        created = _CREATE.fullmatch(statement)
        if created is None and _DROP.fullmatch(statement) is None:
            raise NotAnIndex(
                "a file without a transaction holds CREATE INDEX CONCURRENTLY name ON table … and"
                f" DROP INDEX CONCURRENTLY IF EXISTS name alone, not: {statement[:60]}"
            )
        name, table = (None, None) if created is None else (created["name"], created["table"])
        statements.append(IndexStatement(bare[start : offset - 1].rstrip(), start, name, table))
    if not statements:
        raise NotAnIndex("a file without a transaction holds no statement")
    return statements


async def apply_index_statement(connection: "asyncpg.Connection[asyncpg.Record]", statement: IndexStatement) -> None:
    """Build or drop one index; an index that an earlier attempt has built stays, an invalid one is built again.

    After an error nothing of the index is left, unless the connection has ended: an invalid index slows down writes,
    and a unique one refuses rows. Raises asyncpg.PostgresError; it is a DuplicateTableError where another table has an
    index of this name.
    """
    if statement.index is None:
        await connection.execute(statement.text)
        return
    found = await connection.fetchrow(_READ_INDEX, statement.index)
    if found is not None and found["table_name"] == statement.table:
        if found["is_valid"]:
            return
        await connection.execute(f"DROP INDEX CONCURRENTLY public.{statement.index}")
    try:
        await connection.execute(statement.text)
    except asyncpg.PostgresError:
        if not connection.is_closed():
            left = await connection.fetchrow(_READ_INDEX, statement.index)
            if left is not None and not left["is_valid"]:
                await connection.execute(f"DROP INDEX CONCURRENTLY public.{statement.index}")
        raise
