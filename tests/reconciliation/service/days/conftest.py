"""A hospital whose clock stands, for the results of its days."""

import pytest

from billing.db.database import Database
from tests.builders import add_demo_hospital
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, open_flow


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def flow(database: DatabaseAddress, app_database: Database, clock: StandingClock) -> PaymentFlow:
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    return await open_flow(app_database, hospital, clock=clock)
