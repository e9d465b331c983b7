"""Databases in two clusters for each test of moves; the clusters are started and migrated once a module."""

from collections.abc import AsyncIterator, Iterator

import pytest

from billing.db.move_tables import connect_admin
from tests.database_server import DatabaseServer
from tests.move.clusters import Cell, Clusters, running_clusters

_SUBSCRIPTIONS = """
    SELECT subname::text AS name FROM pg_subscription JOIN pg_database AS held ON held.oid = subdbid
    WHERE held.datname = current_database()
"""
_SLOTS = """
    SELECT slot_name::text AS name, active_pid FROM pg_replication_slots WHERE database = current_database()
"""


@pytest.fixture(scope="module")
def cluster_servers() -> Iterator[tuple[tuple[DatabaseServer, str], tuple[DatabaseServer, str]]]:
    """Both clusters, each with the name of a migrated template."""
    with running_clusters() as (home, north):
        servers = (DatabaseServer(home, "home"), DatabaseServer(north, "north"))
        templates = [server.create() for server in servers]
        for server, template in zip(servers, templates, strict=True):
            server.migrate(template)
        yield (servers[0], templates[0].name), (servers[1], templates[1].name)
        for server in servers:
            server.close()


@pytest.fixture
async def clusters(
    cluster_servers: tuple[tuple[DatabaseServer, str], tuple[DatabaseServer, str]],
) -> AsyncIterator[Clusters]:
    cells = []
    for server, template in cluster_servers:
        assert server.own is not None, "the cluster is our own"
        cells.append(Cell(server.own, server.create(template).name))
    yield Clusters(*cells)
    for cell in reversed(cells):
        await end_replication(cell)
    for cell, (server, _) in zip(cells, cluster_servers, strict=True):
        server.drop(cell.name)


async def end_replication(cell: Cell) -> None:
    """Drop the subscriptions and slots that an unfinished move has left: a database with one cannot be dropped."""
    connection = await connect_admin(cell.url("postgres"))
    for row in await connection.fetch(_SUBSCRIPTIONS):
        await connection.execute(f"ALTER SUBSCRIPTION {row['name']} DISABLE")
        await connection.execute(f"ALTER SUBSCRIPTION {row['name']} SET (slot_name = NONE)")
        await connection.execute(f"DROP SUBSCRIPTION {row['name']}")
    while slots := await connection.fetch(_SLOTS):
        for slot in slots:
            if slot["active_pid"] is None:
                await connection.execute("SELECT pg_drop_replication_slot($1)", slot["name"])
            else:
                await connection.execute("SELECT pg_terminate_backend($1)", slot["active_pid"])
    await connection.close()
