"""A database with a paid invoice for the tests of guards, connections of both roles, and two persons."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from billing.db.database import Database, DatabaseLimits
from billing.ledger.service.balances import snapshot_once
from billing.ledger.service.seal_rows import seal_once
from tests.builders import DemoHospital
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.flow import open_flow


@pytest.fixture(scope="session")
async def paid_template(
    database_server: DatabaseServer, hospital_template: tuple[str, DemoHospital]
) -> AsyncIterator[str]:
    """A database where one invoice of organization 1 was paid, sealed and put into snapshots; nobody is connected."""
    template, hospital = hospital_template
    address = database_server.create(template)
    database = await Database.open(address.app_url, limits=DatabaseLimits(connections_max=4))
    flow = await open_flow(database, hospital)
    intent = await flow.start_intent()
    await flow.deliver(flow.notice("T1", intent.code), flow.notice("T2", "no code"))
    await seal_once(flow.context, hospital.organization_id)
    await snapshot_once(flow.context, hospital.organization_id)
    await database.close()
    yield address.name
    database_server.drop_template(address.name)


@pytest.fixture
async def app(database: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the app role in organization 1."""
    connection = await asyncpg.connect(database.app_url)
    await connection.execute("SET vienphi.organization = '1'")
    yield connection
    await connection.close()


@pytest.fixture
async def owner(database: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("SET vienphi.organization = '1'")
    yield connection
    await connection.close()


@pytest.fixture
async def two_persons(owner: asyncpg.Connection) -> tuple[UUID, UUID]:
    first, second = uuid4(), uuid4()
    for person, name in ((first, "Lan"), (second, "Minh")):
        await owner.execute(
            "INSERT INTO person (organization_id, id, name, roles) VALUES (1, $1, $2, '{finance}')", person, name
        )
    return first, second
