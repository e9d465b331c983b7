"""A hospital on a fresh database, ready to bill and to be paid."""

import pytest

from billing.db.database import Database
from tests.builders import ACCOUNT_NAME, DemoHospital, build_context
from tests.services.flow import PaymentFlow


@pytest.fixture
async def flow(hospital: DemoHospital, app_database: Database) -> PaymentFlow:
    context = build_context(app_database)
    account = await context.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    return PaymentFlow(context, hospital, account)
