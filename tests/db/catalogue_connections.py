"""A migrated database of a module of tests, with a connection of the owner and one of the app role."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tests.conftest import DatabaseAddress, DatabaseServer


@pytest.fixture(scope="module")
def database(database_server: DatabaseServer, migrated_template: str) -> Iterator[DatabaseAddress]:
    """One database for all questions: none of them writes."""
    address = database_server.create(migrated_template)
    yield address
    database_server.drop(address.name)


@pytest.fixture(scope="module")
async def connections(database: DatabaseAddress) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """One connection of the owner and one of the app role for all questions: the first ones of each are slow."""
    opened = await asyncpg.connect(database.owner_url), await asyncpg.connect(database.app_url)
    yield opened
    for each in opened:
        await each.close()


@pytest.fixture
async def owner(connections: tuple[asyncpg.Connection, asyncpg.Connection]) -> AsyncIterator[asyncpg.Connection]:
    yield connections[0]
    await connections[0].reset()


@pytest.fixture
async def app(connections: tuple[asyncpg.Connection, asyncpg.Connection]) -> AsyncIterator[asyncpg.Connection]:
    yield connections[1]
    await connections[1].reset()
