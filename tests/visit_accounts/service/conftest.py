"""A desk, and an open visit with or without charges."""

import pytest

from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.visit_accounts.accounts import OpenVisit, open_visit
from tests.visit_accounts.cashiers import CashDesk, open_desk
from tests.visit_accounts.charged import charged_visit
from tests.visit_accounts.stay import Stay


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> CashDesk:
    return await open_desk(database, flow.context)


@pytest.fixture
async def visit(flow: PaymentFlow) -> OpenVisit:
    return await open_visit(flow.context)


@pytest.fixture
async def stay(desk: CashDesk, visit: OpenVisit) -> Stay:
    shift_id = await desk.open()
    return Stay(await charged_visit(visit, desk.desk_id, shift_id), desk)
