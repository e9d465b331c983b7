"""Waits for PostgreSQL to notice that a client was killed: until then its session holds its locks."""

import asyncio

import asyncpg

_HELD = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_POLL_S = 0.02
_TIMEOUT_S = 60


async def wait_for_released_locks(url: str) -> None:
    """Return once no other session of the database holds an advisory lock."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            while await connection.fetchval(_HELD):
                await asyncio.sleep(_POLL_S)
    finally:
        await connection.close()
