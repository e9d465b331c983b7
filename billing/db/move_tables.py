"""Statements of a move of one organization that concern its tables: which ones, their replication, their comparison.

`move_states.py` has the states of a move, `ops/organization_move.py` the order of the steps. Every connection here is a
superuser's: row security does not apply, and each statement names the organization.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from billing.core.ids import OrganizationId

AdminConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CONNECT_TIMEOUT_S = 10.0

INSTALLATION_TABLES = frozenset(
    {"schema_migration", "transaction_rebase", "organization_move", "organization_rebase", "backup_check"}
)
"""Tables that a move leaves: they describe a cluster. `tests/db/test_move_tables.py` compares with the catalogue."""


async def connect_admin(url: str) -> AdminConnection:
    """Connect as the superuser. Both sides write values as the same text, which the comparison depends on."""
    return await asyncpg.connect(
        url,
        timeout=_CONNECT_TIMEOUT_S,
        server_settings={
            "application_name": "vienphi move",
            "timezone": "UTC",
            "datestyle": "ISO, YMD",
            "bytea_output": "hex",
            "extra_float_digits": "1",
            "statement_timeout": "0",
            "synchronous_commit": "on",
            "jit": "off",
        },
    )


@dataclass(frozen=True, slots=True)
class MovedTable:
    """A table with rows of organizations, and its column with their number.

    `is_dated`: it is append-only, and each row has the id of its transaction. Its rows below a watermark never change.
    """

    name: str
    column: str
    is_dated: bool

    def filter(self, organization_id: OrganizationId) -> str:
        """The condition of its rows of one organization; the names are identifiers of the catalogue."""
        return f"{self.column} = {organization_id:d}"


_TABLES = """
    SELECT found.relname::text AS name, key.attname::text AS column,
        EXISTS (SELECT FROM pg_attribute AS dated WHERE dated.attrelid = found.oid
            AND dated.attname = 'transaction_id' AND dated.attnotnull)
        AND EXISTS (SELECT FROM pg_trigger AS guard WHERE guard.tgrelid = found.oid
            AND guard.tgname = 'append_only') AS is_dated
    FROM pg_class AS found
    JOIN pg_attribute AS key ON key.attrelid = found.oid AND NOT key.attisdropped
        AND key.attname = CASE found.relname WHEN 'organization' THEN 'id' ELSE 'organization_id' END
    WHERE found.relnamespace = 'public'::regnamespace AND found.relkind IN ('r', 'p') AND NOT found.relispartition
        AND found.relname <> ALL ($1::text[])
    ORDER BY found.relname
"""


async def read_moved_tables(connection: AdminConnection) -> list[MovedTable]:
    """Every table with rows of organizations, by name."""
    rows = await connection.fetch(_TABLES, sorted(INSTALLATION_TABLES))
    return [MovedTable(row["name"], row["column"], row["is_dated"]) for row in rows]


_MIGRATIONS = """
    SELECT number, checksum FROM schema_migration ORDER BY number
"""


async def read_migrations(connection: AdminConnection) -> list[tuple[int, str]]:
    """Number and checksum of every migration."""
    return [(row["number"], row["checksum"]) for row in await connection.fetch(_MIGRATIONS)]


_PREFIXES = """
    SELECT 'prefix ' || prefix AS taken FROM organization_prefix
    WHERE prefix = ANY ($1::text[]) AND organization_id <> $3
    UNION ALL
    SELECT 'bank account of ' || bank_bin FROM bank_account_owner
    WHERE bank_bin || ' ' || account_number = ANY ($2::text[]) AND organization_id <> $3
"""

_OWN_PREFIXES = """
    SELECT (SELECT coalesce(array_agg(prefix::text), '{}') FROM organization_prefix
         WHERE organization_id = $1) AS prefixes,
        (SELECT coalesce(array_agg(bank_bin || ' ' || account_number), '{}') FROM bank_account_owner
         WHERE organization_id = $1) AS accounts
"""


async def find_taken(
    source: AdminConnection, target: AdminConnection, organization_id: OrganizationId
) -> Sequence[str]:
    """Prefixes and bank accounts of the organization that belong to another one in the target."""
    row = await source.fetchrow(_OWN_PREFIXES, organization_id)
    assert row is not None, "a statement without FROM answers one row"
    rows = await target.fetch(_PREFIXES, row["prefixes"], row["accounts"], organization_id)
    return [each["taken"] for each in rows]


_PARTITIONS = """
    SELECT child.relname::text AS name FROM pg_inherits AS attached
    JOIN pg_class AS child ON child.oid = attached.inhrelid
    JOIN pg_class AS parent ON parent.oid = attached.inhparent
    WHERE parent.relkind = 'p' AND parent.relnamespace = 'public'::regnamespace
"""


async def read_partitions(connection: AdminConnection) -> set[str]:
    """The names of the attached partitions; they end with their month."""
    return {row["name"] for row in await connection.fetch(_PARTITIONS)}


async def make_partitions_since(connection: AdminConnection, month: str) -> None:
    """Make the partitions from a month (YYYYMM) on, however old it is."""
    await connection.execute("SELECT vienphi_make_partitions_from(to_date($1, 'YYYYMM'))", month)


async def find_rows(
    connection: AdminConnection, tables: Sequence[MovedTable], organization_id: OrganizationId
) -> list[str]:
    """The tables that have a row of the organization."""
    found = " UNION ALL ".join(
        f"SELECT '{table.name}' WHERE EXISTS (SELECT FROM {table.name} WHERE {table.filter(organization_id)})"  # noqa: S608 - names of the catalogue
        for table in tables
    )
    return [str(row[0]) for row in await connection.fetch(found)]


async def delete_rows(
    connection: AdminConnection, tables: Sequence[MovedTable], organization_id: OrganizationId
) -> None:
    """Delete every row of the organization in one transaction, past the guards of append-only tables.

    Only for a copy that nobody has used: that of a move that was cancelled.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table in tables:
            await connection.execute(f"DELETE FROM {table.name} WHERE {table.filter(organization_id)}")  # noqa: S608 - names of the catalogue


@dataclass(frozen=True, slots=True)
class Content:
    """How many rows a table has of an organization, and the sum of their 64-bit hashes."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Part:
    """The rows to compare: the `is_older` ones of dated tables below a watermark, or all others."""

    is_older: bool
    watermark: int

    def filter(self, table: MovedTable, organization_id: OrganizationId) -> str:
        """The condition of the rows of a table."""
        condition = table.filter(organization_id)
        if table.is_dated:
            condition += f" AND transaction_id {'<' if self.is_older else '>='} '{self.watermark:d}'"
        return condition


async def read_watermark(connection: AdminConnection, organization_id: OrganizationId) -> int:
    """The transaction id of the organization below which every transaction of this server is over."""
    await connection.execute(f"SET vienphi.organization = '{organization_id:d}'")
    watermark: int = await connection.fetchval("SELECT vienphi_watermark()::text::bigint")
    return watermark


async def read_contents(
    connection: AdminConnection, tables: Sequence[MovedTable], organization_id: OrganizationId, part: Part
) -> Mapping[str, Content]:
    """The content of a part of the tables, in one statement.

    The sums of 64-bit hashes of the rows detect an accident, not an attack. Hashing a record takes 0.4 times as long as
    hashing its text (500,000 rows of seven columns).
    """
    contents = " UNION ALL ".join(
        f"SELECT '{table.name}' AS name, count(*) AS rows,"  # noqa: S608 - names of the catalogue
        f" coalesce(sum(hash_record_extended(kept, 0)), 0)::text AS hash"
        f" FROM {table.name} AS kept WHERE {part.filter(table, organization_id)}"
        for table in tables
        if table.is_dated or not part.is_older
    )
    return {row["name"]: Content(row["rows"], row["hash"]) for row in await connection.fetch(contents)}


_SEAL_HEAD = """
    SELECT number, encode(hash, 'hex') AS hash FROM seal WHERE organization_id = $1 ORDER BY number DESC LIMIT 1
"""


async def read_seal_head(connection: AdminConnection, organization_id: OrganizationId) -> tuple[int, str]:
    """Number and hash of the last seal; zero and nothing before the first."""
    row = await connection.fetchrow(_SEAL_HEAD, organization_id)
    return (0, "") if row is None else (row["number"], row["hash"])
