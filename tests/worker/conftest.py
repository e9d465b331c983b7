"""A hospital that tells, on a fresh database and a clock that is turned by hand."""

import pytest

from billing.storage.database import Database
from tests.builders import add_demo_hospital, build_context
from tests.conftest import DatabaseAddress
from tests.worker.telling import Telling, TurnedClock


@pytest.fixture
async def telling(database: DatabaseAddress, app_database: Database) -> Telling:
    clock = TurnedClock()
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    context = build_context(app_database, clock=clock)
    return Telling(context=context, hospital=hospital, owner_url=database.owner_url, clock=clock)
