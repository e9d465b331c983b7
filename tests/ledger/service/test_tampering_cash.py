"""Edits of receipts, voids and events of shifts by the owner, past every trigger: verification names each."""

from collections.abc import AsyncIterator

import pytest

from billing.core.money import Dong
from billing.db.database import Database, DatabaseLimits
from billing.ledger.service.seal_rows import seal_once
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.receipts import void_issued_receipt
from tests.builders import DemoHospital, build_context
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.flow import find_mismatches
from tests.tampering import edit
from tests.visit_accounts.accounts import open_visit
from tests.visit_accounts.cashiers import ORGANIZATION, open_desk

pytestmark = pytest.mark.own_server

_FIRST = "(SELECT id FROM receipt ORDER BY id LIMIT 1)"

NAMED = {
    "how a payment came in": "UPDATE payment SET method = 'card' WHERE method = 'cash'",
    "the shift of a payment": "UPDATE payment SET shift_id = gen_random_uuid() WHERE method = 'cash'",
    "the deposit of an allocation": "UPDATE allocation SET deposit_id = gen_random_uuid() WHERE target = 'deposit'",
    "a receipt's number": f"UPDATE receipt SET number = 77 WHERE id = {_FIRST}",
    "a receipt's time": f"UPDATE receipt SET issued_at = issued_at - interval '1 h' WHERE id = {_FIRST}",
    "a receipt's cashier": f"UPDATE receipt SET issued_by = gen_random_uuid() WHERE id = {_FIRST}",
    "a receipt removed": f"DELETE FROM receipt WHERE id = {_FIRST}",
    "a receipt's method": f"UPDATE receipt_part SET method = 'transfer' WHERE receipt_id = {_FIRST}",
    "the reason of a void": "UPDATE receipt_void SET reason = 'another'",
    "a void removed": "DELETE FROM receipt_void",
    "a void taken back": "UPDATE receipt SET state = 'valid', void_reason = '', voided_at = NULL, voided_by = NULL",
    "an event's reason": "UPDATE shift_event SET reason = 'x'",
    "an event's kind": "UPDATE shift_event SET kind = 'paid_in' WHERE kind = 'float'",
    "an event's amount": "UPDATE shift_event SET amount = amount + 1 WHERE kind = 'collection'",
    "an event removed": "DELETE FROM shift_event WHERE kind = 'float'",
}

NAMED_BY = {"a void taken back": "receipt-voids-agree"}
"""The check that names an edit of a column that is not sealed; the seals name the others."""


@pytest.fixture(scope="module")
async def sealed_template(
    database_server: DatabaseServer, hospital_template: tuple[str, DemoHospital]
) -> AsyncIterator[str]:
    """A database with two receipts under a seal, one of them voided; nobody is connected to it."""
    template, _ = hospital_template
    address = database_server.create(template)
    database = await Database.open(address.app_url, limits=DatabaseLimits(connections_max=4))
    context = build_context(database)
    desk, visit = await open_desk(address, context), await open_visit(context)
    await desk.open(200_000)
    receipts = []
    for _ in range(2):
        part = CollectedPart(method=PartMethod.CASH, amount=Dong(50_000))
        collection = Collection(visit_id=visit.visit_id, parts=[part], amount=Dong(50_000))
        receipts.append(await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier))
    await void_issued_receipt(desk.context, ORGANIZATION, receipts[1], reason="nhầm người", actor=desk.head)
    await seal_once(desk.context, ORGANIZATION)
    await database.close()
    yield address.name
    database_server.drop_template(address.name)


@pytest.fixture
def database_template(sealed_template: str) -> str:
    """Each test has the receipts in its database."""
    return sealed_template


async def test_books_are_right_before_an_edit(app_database: Database) -> None:
    assert await find_mismatches(app_database) == {}


@pytest.mark.parametrize("name", NAMED)
async def test_edit_of_cash_under_a_seal_is_named(database: DatabaseAddress, app_database: Database, name: str) -> None:
    await edit(database, NAMED[name])

    assert NAMED_BY.get(name, "seals-hold-their-rows") in await find_mismatches(app_database)
