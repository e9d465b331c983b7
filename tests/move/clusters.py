"""Two clusters as cells: `home` and `north`, each of its own with the settings that a move needs.

`open_clusters` starts both; the fixture `clusters` gives each test two databases of clusters that a module shares.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE, DATABASE_NAME, OWNER_ROLE, SUPERUSER, EmbeddedPostgres
from billing.ops.move_sides import Side

HOME, NORTH = "home", "north"

REPLICATION: Mapping[str, str] = {
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_logical_replication_workers": "8",
    "max_sync_workers_per_subscription": "4",
    "wal_retrieve_retry_interval": "200ms",
    "max_connections": "200",
}
"""What both clusters need; the last one shortens the pause after a worker was killed."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One migrated database of a cluster."""

    server: EmbeddedPostgres
    name: str = DATABASE_NAME

    @property
    def owner_url(self) -> str:
        return self.url(OWNER_ROLE)

    @property
    def app_url(self) -> str:
        return self.url(APP_ROLE)

    def url(self, role: str) -> str:
        return self.server.url(role, self.name)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Two running clusters with migrated databases."""

    home: Cell
    north: Cell

    @property
    def both(self) -> tuple[Cell, Cell]:
        return self.home, self.north

    @property
    def sides(self) -> tuple[Side, Side]:
        """The source and the target of a move from home."""
        return Side(HOME, self.home.url(SUPERUSER)), Side(NORTH, self.north.url(SUPERUSER))

    @property
    def cells(self) -> dict[str, str]:
        """The further cells, as the service takes them."""
        return {NORTH: self.north.app_url}


@contextmanager
def running_clusters(*, durable: bool = False) -> Iterator[tuple[EmbeddedPostgres, EmbeddedPostgres]]:
    with (
        EmbeddedPostgres(durable=durable, settings=REPLICATION) as home,
        EmbeddedPostgres(durable=durable, settings=REPLICATION) as north,
    ):
        yield home, north


@asynccontextmanager
async def open_clusters(*, durable: bool = False) -> AsyncIterator[Clusters]:
    """Start both clusters and migrate them."""
    with running_clusters(durable=durable) as (home, north):
        for each in (home, north):
            await migrate(each.owner_url)
        yield Clusters(Cell(home), Cell(north))
