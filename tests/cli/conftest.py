"""One durable server for the tests of commands, and databases on it; `serve` and `worker` refuse any other server."""

from collections.abc import Iterator

import pytest

from billing.devserver.embedded import EmbeddedPostgres
from tests.cli.durable import DurableDatabase, DurableServer


@pytest.fixture(scope="session")
def durable_server() -> Iterator[DurableServer]:
    """The durable server of this worker, started at its first use."""
    with EmbeddedPostgres() as own:
        server = DurableServer(own)
        yield server
        server.close()


@pytest.fixture(scope="module")
def durable_database(durable_server: DurableServer) -> DurableDatabase:
    """A database of the module's own with the schema and nothing else."""
    return durable_server.create_migrated()
