"""Databases on a durable server that many tests share: a server takes longer to start than most commands to run."""

from dataclasses import dataclass
from itertools import count

import asyncpg

from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE, OWNER_ROLE, EmbeddedPostgres
from tests.database_server import Loop


@dataclass(frozen=True, slots=True)
class DurableDatabase:
    """One database of a durable server, and its addresses."""

    server: EmbeddedPostgres
    name: str

    @property
    def owner_url(self) -> str:
        return self.url(OWNER_ROLE)

    @property
    def app_url(self) -> str:
        return self.url(APP_ROLE)

    def url(self, role: str, name: str | None = None) -> str:
        """The address of this database, or of another one of the server, for a role."""
        return self.server.url(role, name or self.name)


class DurableServer:
    """Makes databases on a durable server; they are removed with it."""

    def __init__(self, own: EmbeddedPostgres) -> None:
        self._own = own
        self._numbers = count(1)
        self._loop = Loop()
        self._migrated: DurableDatabase | None = None

    def close(self) -> None:
        self._loop.close()

    def create(self) -> DurableDatabase:
        """An empty database."""
        return self._create("template1")

    def create_migrated(self) -> DurableDatabase:
        """A database with the schema: a copy of one that is migrated at the first call."""
        if self._migrated is None:
            self._migrated = self.create()
            self._loop.run(migrate(self._migrated.owner_url))
        return self._create(self._migrated.name)

    def _create(self, template: str) -> DurableDatabase:
        database = DurableDatabase(self._own, f"vienphi_{next(self._numbers)}")
        self._loop.run(
            _execute(
                self._own.url(OWNER_ROLE, "postgres"),
                f"CREATE DATABASE {database.name} TEMPLATE {template}",
                f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC",
            )
        )
        return database


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
