"""Statements that delete the rows which an organization has left in a cell, and compare them with its new cell before.

`ops/organization_clear.py` has the order of the steps. Every connection here is a superuser's, as in `move_tables.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.core.ids import OrganizationId
from billing.db.move_tables import INSTALLATION_TABLES, AdminConnection
from billing.db.rows import read_row

BATCH_ROWS = 5_000
_READ_AT_ONCE = 5_000

REMOVED_BY_THE_OWNER = frozenset({"webhook_endpoint"})
"""Tables from which only the owner deletes rows (`vienphi webhook remove`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftTable:
    """A table, or one partition of a table, with the column of the organization and the columns of its key.

    `is_fixed`: it is append-only, so that a row never changes. `is_purged`: rows are deleted when their retention is
    over, or on request, so that the new cell may lack some.
    """

    name: str
    column: str
    key: Sequence[str]
    is_fixed: bool
    is_purged: bool


# A partitioned table is read and deleted by partition: a ctid is unique in one only.
_TABLES = """
    SELECT coalesce(leaf.relname, found.relname)::text AS name, owned.attname::text AS column,
        (SELECT array_agg(part.attname::text ORDER BY place.number) FROM pg_constraint AS primary_key
         CROSS JOIN LATERAL unnest(primary_key.conkey) WITH ORDINALITY AS place (attnum, number)
         JOIN pg_attribute AS part ON part.attrelid = found.oid AND part.attnum = place.attnum
         WHERE primary_key.conrelid = found.oid AND primary_key.contype = 'p') AS key,
        EXISTS (SELECT FROM pg_trigger AS guard
            WHERE guard.tgrelid = found.oid AND guard.tgname = 'append_only') AS is_fixed,
        has_table_privilege('vienphi_app', found.oid, 'DELETE') OR found.relname = ANY ($2::text[]) AS is_purged
    FROM pg_class AS found
    JOIN pg_attribute AS owned ON owned.attrelid = found.oid AND NOT owned.attisdropped
        AND owned.attname = CASE found.relname WHEN 'organization' THEN 'id' ELSE 'organization_id' END
    LEFT JOIN pg_inherits AS attached ON attached.inhparent = found.oid
    LEFT JOIN pg_class AS leaf ON leaf.oid = attached.inhrelid
    WHERE found.relnamespace = 'public'::regnamespace AND NOT found.relispartition
        AND (found.relkind = 'r' OR found.relkind = 'p' AND leaf.oid IS NOT NULL)
        AND found.relname <> ALL ($1::text[])
    ORDER BY name
"""


async def read_left_tables(connection: AdminConnection) -> Mapping[str, LeftTable]:
    """Every table, and partition, with rows of organizations."""
    rows = await connection.fetch(_TABLES, sorted(INSTALLATION_TABLES), sorted(REMOVED_BY_THE_OWNER))
    return {row["name"]: read_row(LeftTable, row) for row in rows}


@dataclass(frozen=True, slots=True)
class LeftRows:
    """How many rows a table has in the old cell, and how many of them the new cell does not have."""

    table: LeftTable
    rows: int
    absent: int


async def compare_left_rows(
    old: AdminConnection, new: AdminConnection, table: LeftTable, organization_id: OrganizationId, *, is_there: bool
) -> LeftRows:
    """Compare the rows of the old cell with those of the new one, by their 64-bit hashes in order.

    A row that never changes is compared whole, another one by its key, since the new cell has its later states. Not
    `is_there`: the new cell has detached this partition, because its retention is over. Memory does not grow with the
    rows. Raises nothing for a difference; the hashes detect an accident, not an attack.
    """
    hashed = "kept" if table.is_fixed else f"ROW({', '.join(f'kept.{each}' for each in table.key)})"
    query = (
        f"SELECT hash_record_extended({hashed}, 0) AS hash FROM {table.name} AS kept"  # noqa: S608 - names of the catalogue
        f" WHERE kept.{table.column} = {organization_id:d} ORDER BY hash"
    )
    rows = absent = 0
    async with old.transaction(readonly=True), new.transaction(readonly=True):
        found = new.cursor(query if is_there else "SELECT 0::bigint AS hash WHERE false", prefetch=_READ_AT_ONCE)
        there = aiter(found)
        current = await anext(there, None)
        async for row in old.cursor(query, prefetch=_READ_AT_ONCE):
            rows += 1
            while current is not None and current["hash"] < row["hash"]:
                current = await anext(there, None)
            if current is not None and current["hash"] == row["hash"]:
                current = await anext(there, None)
            else:
                absent += 1
    return LeftRows(table, rows, absent)


async def delete_batch(connection: AdminConnection, table: LeftTable, organization_id: OrganizationId) -> int:
    """Delete rows of the organization in one transaction, BATCH_ROWS at most, past the guards of append-only tables.

    Only a superuser can: `session_replication_role` switches triggers and foreign keys off for this transaction.
    Returns the number of rows.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        deleted = await connection.execute(
            f"DELETE FROM {table.name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table.name}"  # noqa: S608 - names of the catalogue
            f" WHERE {table.column} = {organization_id:d} LIMIT {BATCH_ROWS:d}))"
        )
    return int(deleted.removeprefix("DELETE "))


_BEGIN = """
    UPDATE organization_move SET clearing_at = coalesce(clearing_at, now())
    WHERE organization_id = $1 AND state = 'left'
"""

_END = """
    UPDATE organization_move SET cleared_at = now() WHERE organization_id = $1 AND state = 'left'
"""


async def begin_clearing(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """State that the deletion has begun."""
    changed = await connection.execute(_BEGIN, organization_id)
    assert changed == "UPDATE 1", "the organization has left"


async def end_clearing(connection: AdminConnection, organization_id: OrganizationId) -> None:
    """State that no row is left, so that the organization may arrive again."""
    changed = await connection.execute(_END, organization_id)
    assert changed == "UPDATE 1", "the organization has left"
