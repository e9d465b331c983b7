"""A hospital whose clock stands, for the results of its days."""

import pytest

from billing.db.database import Database
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def flow(database: DatabaseAddress, app_database: Database, clock: StandingClock) -> PaymentFlow:
    hospital = await add_demo_hospital(database.owner_url, clock=clock)
    context = build_context(app_database, clock=clock)
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return PaymentFlow(context, hospital, account)
