"""A database that tests use one after another: between two of them, its rows become those of its template again.

A new database and the first statements of each new connection cost four times the processor time of a test's own work:
the server reads the catalogue, plans the statements and compiles the functions again. So the database stays, and so do
the connections of its pool. `reset` reports what rows cannot restore, a changed schema above all; the caller then drops
the database.
"""

from collections.abc import Collection

import asyncpg

_LOCK_TIMEOUT = "5s"

_TABLES = """
    SELECT relname::text AS name,
        (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname
"""

_CATALOGUES = (
    "pg_attribute", "pg_attrdef", "pg_class", "pg_constraint", "pg_db_role_setting", "pg_default_acl",
    "pg_event_trigger", "pg_extension", "pg_index", "pg_inherits", "pg_largeobject_metadata", "pg_namespace",
    "pg_policy", "pg_proc", "pg_rewrite", "pg_trigger", "pg_type",
)  # fmt: skip

_SCHEMA = (
    "SELECT ARRAY["
    + ", ".join(f"(SELECT (count(*), count(*) FILTER (WHERE age(xmin) < age($1::xid)))::text FROM {each})"
                for each in _CATALOGUES)
    + """,
        (SELECT (datacl, xmin::text)::text FROM pg_database WHERE datname = current_database())
    ]"""
)  # fmt: skip
"""How many rows each part of the catalogue has, and how many of them are younger than a transaction."""

_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        AND pid <> ALL ($1::int[])
"""


class ReusedDatabase:
    """One database and the superuser's connection that restores its rows."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", schema: list[str], born: int) -> None:
        self._connection = connection
        self._schema = schema
        self._born = born

    @classmethod
    async def open(cls, superuser_url: str) -> "ReusedDatabase":
        """Remember rows and schema of a fresh database; nothing of that is seen in its schema `public`."""
        connection = await asyncpg.connect(superuser_url, server_settings={"lock_timeout": _LOCK_TIMEOUT, "jit": "off"})
        assert not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_sequence)"), "a sequence is not set back"
        statements = []
        for table in await connection.fetch(_TABLES):
            name, columns = table["name"], table["columns"]
            statements.append(f"DELETE FROM public.{name};")
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM public.{name})"):
                await connection.execute(f"CREATE TEMP TABLE kept_{name} AS SELECT {columns} FROM public.{name}")
                statements.append(f"INSERT INTO public.{name} ({columns}) SELECT {columns} FROM pg_temp.kept_{name};")
        await connection.execute(
            "CREATE FUNCTION pg_temp.restore() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
            + "\n".join(statements)
            + " END $$"
        )
        # Past every trigger: what is appended only, and what a foreign key holds, goes too.
        await connection.execute("SET session_replication_role = replica")
        born = await connection.fetchval("SELECT pg_current_xact_id()::xid")
        return cls(connection, await connection.fetchval(_SCHEMA, born), born)

    async def reset(self, keep: Collection[int]) -> bool:
        """Restore the rows and end every other connection but those of the processes `keep`.

        False where the schema or a right was changed, or a transaction holds a lock.
        """
        await self._connection.fetch(_END_OTHERS, list(keep))
        if await self._connection.fetchval(_SCHEMA, self._born) != self._schema:
            return False
        try:
            await self._connection.execute("SELECT pg_temp.restore()")
        except asyncpg.PostgresError:
            return False
        return True

    async def close(self) -> None:
        """End the superuser's connection."""
        await self._connection.close()
