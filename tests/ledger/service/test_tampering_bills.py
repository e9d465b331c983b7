"""Edits of final bills and corrections by the owner, past every trigger: verification names each."""

import pytest

from billing.ledger.service.seal_rows import seal_once
from billing.visit_accounts.service.final_bills import close_visit, reopen_visit
from tests.builders import drug_line
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, find_mismatches
from tests.tampering import edit
from tests.visit_accounts.accounts import ORGANIZATION, open_visit
from tests.visit_accounts.cashiers import open_desk
from tests.visit_accounts.charged import charged_visit

pytestmark = pytest.mark.own_server

NAMED = {
    "what a final bill released": "UPDATE final_bill SET released = released + 1 WHERE number = 1",
    "who issued a final bill": "UPDATE final_bill SET acting_for = gen_random_uuid() WHERE number = 1",
    "a final bill removed": "DELETE FROM final_bill WHERE number = 2",
    "a correction's payer": "UPDATE correction SET patient = patient + 1, insurer = insurer - 1",
    "a correction removed": "DELETE FROM correction",
    "a corrected line": "UPDATE correction_line SET self_pay = self_pay + 1, fund = fund - 1",
}


@pytest.fixture
async def sealed(flow: PaymentFlow, database: DatabaseAddress) -> DatabaseAddress:
    """A visit that was closed, reopened, and closed again without one of its drugs: a correction of each payer."""
    desk = await open_desk(database, flow.context)
    visit = await charged_visit(await open_visit(flow.context), desk.desk_id, await desk.open())
    visit_id = visit.open.visit_id
    await visit.charge(drug_line(9, quantity="10", price="20000"))
    await visit.pay(1_000_000)
    await close_visit(desk.context, ORGANIZATION, visit_id, actor=desk.cashier)
    await reopen_visit(desk.context, ORGANIZATION, visit_id, reason="thuốc trả lại", actor=desk.head)
    await visit.charge(cancel=("XML2-9",))
    await close_visit(desk.context, ORGANIZATION, visit_id, actor=desk.cashier)
    await seal_once(desk.context, ORGANIZATION)
    assert await find_mismatches(desk.context.database) == {}
    return database


@pytest.mark.parametrize("name", NAMED)
async def test_edit_of_a_final_bill_under_a_seal_is_named(
    sealed: DatabaseAddress, flow: PaymentFlow, name: str
) -> None:
    await edit(sealed, NAMED[name])

    assert "seals-hold-their-rows" in await find_mismatches(flow.context.database)
