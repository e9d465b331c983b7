"""Edits past every trigger, as somebody with the superuser's password could make them."""

import asyncpg

from tests.conftest import DatabaseAddress


async def edit(database: DatabaseAddress, *statements: str) -> None:
    """Run statements with the triggers off; each must change a row."""
    connection = await asyncpg.connect(database.superuser_url or database.owner_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        changed = [int((await connection.execute(statement)).split()[-1]) for statement in statements]
    finally:
        await connection.close()
    assert all(changed), f"a statement changed no row: {changed}"
