"""The tables that a move copies: none is left out."""

import asyncpg

from billing.db.move_tables import INSTALLATION_TABLES, read_moved_tables
from tests.conftest import DatabaseAddress

_ALL = """
    SELECT relname::text AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') AND NOT relispartition
"""


async def test_every_table_moves_or_describes_the_cluster(database: DatabaseAddress) -> None:
    """A new table has a column organization_id; there is no sequence, whose position nobody would copy."""
    owner = await asyncpg.connect(database.owner_url)

    tables = await read_moved_tables(owner)
    moved = {table.name for table in tables}
    for table in tables:  # every type has a hash function
        await owner.fetch(
            f"SELECT hash_record_extended(ROW(kept.*), 0) FROM (SELECT) AS one LEFT JOIN {table.name} AS kept ON false"
        )
    names = {row["name"] for row in await owner.fetch(_ALL)}
    sequences = await owner.fetch("SELECT FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace")
    keyed = await owner.fetch(
        "SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE contype = 'p'"
        " AND connamespace = 'public'::regnamespace"
    )
    await owner.close()

    assert {"posting", "journal_entry", "audit", "payment"} <= {each.name for each in tables if each.is_dated}
    assert "invoice" not in {each.name for each in tables if each.is_dated}
    assert moved | INSTALLATION_TABLES == names
    assert not moved & INSTALLATION_TABLES
    assert sequences == []
    assert moved <= {row["name"] for row in keyed}
