"""Order clearance against PostgreSQL: what is read, by which policy, and the states and messages that follow."""

from datetime import date, timedelta
from typing import Any

import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.list_slice import ListSlice
from billing.db.database import Database
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.clearance import DepositExhausted, OrderClearance, PaymentTerm
from billing.visit_accounts.service.clearance_policies import (
    ClearancePolicyBackdated,
    NewClearancePolicy,
    list_clearance_policies,
    set_clearance_policy,
)
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.service.order_clearance import OrderNotFound, find_order_clearance
from tests.builders import FACILITY_CODE, DemoHospital, build_context
from tests.conftest import DatabaseAddress
from tests.persons import actors
from tests.visit_accounts.open_visits import ORGANIZATION, OpenVisit, open_visit


@pytest.fixture
async def context(hospital: DemoHospital, app_database: Database) -> PaymentContext:
    return build_context(app_database)


@pytest.fixture
async def person(context: PaymentContext, database: DatabaseAddress) -> Actor:
    (found,) = await actors(database, context, ("finance", "Trần Thị Bình"))
    return found


async def answer(context: PaymentContext, order: str = "ORDER-1") -> OrderClearance:
    return await find_order_clearance(context, ORGANIZATION, facility_code=FACILITY_CODE, order_number=order)


async def short(context: PaymentContext, order: str = "ORDER-1") -> tuple[bool, str, int]:
    found = await answer(context, order)
    return found.is_cleared, found.reason.value, sum(line.amount_due for line in found.lines)


async def set_policy(context: PaymentContext, actor: Actor, term: str, **changes: Any) -> None:
    fields = {
        "facility_code": FACILITY_CODE,
        "department": "",
        "valid_from": business_date(context.clock()),
        "deposit_exhausted": DepositExhausted.WARN,
        **changes,
    }
    await set_clearance_policy(context, ORGANIZATION, NewClearancePolicy(term=PaymentTerm(term), **fields), actor=actor)


async def test_order_is_cleared_once_its_request_is_paid(context: PaymentContext) -> None:
    visit = await open_visit(context)
    await visit.add("L1", patient=100_000)
    await visit.add("L2", patient=50_000)

    assert await short(context) == (False, "not_paid", 150_000)
    request = await visit.request(L1=100_000, L2=50_000)
    assert await short(context) == (False, "not_paid", 150_000)
    await visit.pay(request)
    assert await short(context) == (True, "paid", 0)


async def test_unknown_order_and_order_of_another_facility_are_not_found(context: PaymentContext) -> None:
    await (await open_visit(context)).add()

    with pytest.raises(OrderNotFound):
        await answer(context, "ORDER-2")
    with pytest.raises(OrderNotFound):
        await find_order_clearance(context, ORGANIZATION, facility_code="99999", order_number="ORDER-1")
    with pytest.raises(OrderNotFound):
        await answer(context, "")


async def test_order_number_used_again_means_the_open_visit(context: PaymentContext) -> None:
    old = await open_visit(context, "LK1")
    await old.add()
    await old.close()
    assert await short(context) == (False, "visit_closed", 100_000)

    new = await open_visit(context, "LK2")
    await new.add(patient=30_000)
    assert await short(context) == (False, "not_paid", 30_000)


async def test_policy_of_the_department_comes_before_that_of_the_facility(
    context: PaymentContext, person: Actor
) -> None:
    visit = await open_visit(context)
    await visit.add("L1", order="A", department="K01")
    await visit.add("L2", order="B", department="K02")
    await set_policy(context, person, "pay_after")
    await set_policy(context, person, "pay_before", department="K02")

    assert await short(context, "A") == (True, "pay_after", 100_000)
    assert await short(context, "B") == (False, "not_paid", 100_000)
    assert (await answer(context, "B")).policy.department == "K02"
    rows = await list_clearance_policies(context, ORGANIZATION, ListSlice(limit=9), facility_code=FACILITY_CODE)
    assert [row.department for row in rows] == ["K02", ""]


async def test_order_keeps_the_policy_of_its_day(context: PaymentContext, person: Actor) -> None:
    visit = await open_visit(context)
    await visit.add("L1", order="A", at=context.clock() - timedelta(days=1))
    await visit.add("L2", order="B")
    await set_policy(context, person, "pay_after")
    await set_policy(context, person, "pay_before", valid_from=business_date(context.clock()) + timedelta(days=1))

    assert await short(context, "A") == (False, "not_paid", 100_000)
    assert await short(context, "B") == (True, "pay_after", 100_000)


async def test_policy_of_an_earlier_day_or_unknown_facility_is_rejected(context: PaymentContext, person: Actor) -> None:
    with pytest.raises(ClearancePolicyBackdated):
        await set_policy(context, person, "pay_after", valid_from=date(2026, 1, 1))
    with pytest.raises(NotFound):
        await set_policy(context, person, "pay_after", facility_code="99999")
    with pytest.raises(PersonNeeded):
        await set_policy(context, Actor.system(), "pay_after")


async def test_deposit_covers_orders_and_is_used_up(context: PaymentContext, person: Actor) -> None:
    visit = await open_visit(context, is_inpatient=True)
    await visit.receive(150_000)
    await visit.add("L1", order="A", patient=100_000)
    await visit.add("L2", order="B", patient=100_000, is_elective=True)

    assert await short(context, "A") == (True, "covered_by_deposit", 100_000)
    assert await short(context, "B") == (False, "not_paid", 100_000)
    await set_policy(context, person, "pay_after")
    assert await short(context, "B") == (True, "deposit_exhausted", 100_000)
    await set_policy(context, person, "pay_after", deposit_exhausted=DepositExhausted.STOP_ELECTIVE)
    assert await short(context, "B") == (False, "deposit_exhausted", 100_000)
    await visit.receive(50_000)
    assert await short(context, "B") == (True, "pay_after", 100_000)


async def test_payment_of_orders_is_no_advance(context: PaymentContext, person: Actor) -> None:
    visit = await open_visit(context)
    await set_policy(context, person, "pay_after", deposit_exhausted=DepositExhausted.STOP_ELECTIVE)
    await visit.add("L1", order="A")
    await visit.add("L2", order="B", is_elective=True)
    await visit.collect(L1=100_000)

    assert await short(context, "B") == (True, "pay_after", 100_000)


async def messages(visit: OpenVisit) -> list[tuple[str, str]]:
    async with visit.context.database.transaction(ORGANIZATION) as tx:
        rows = await tx.fetch("SELECT topic, payload FROM outbox WHERE topic LIKE 'charge.%' ORDER BY id")
    return [(row["topic"], row["payload"]["line"]) for row in rows]


async def update(visit: OpenVisit) -> None:
    async with visit.context.database.transaction(ORGANIZATION) as tx:
        await update_clearance(tx, visit.context, visit.id)


async def test_states_and_messages_follow_the_clearance(context: PaymentContext) -> None:
    visit = await open_visit(context)
    await visit.add("L1")
    await visit.add("L2", state="started")
    await update(visit)
    assert await messages(visit) == []

    request = await visit.collect(L1=100_000)
    await update(visit)
    await update(visit)
    assert await messages(visit) == [("charge.cleared", "L1")]
    assert await visit.value("SELECT state FROM charge_item WHERE line = 'L1'") == "cleared"

    await visit.execute(
        "UPDATE deposit_request SET state = 'requested', received = 0 WHERE organization_id = 1 AND id = $1", request
    )
    await visit.execute("UPDATE deposit SET returned = received, held = 0 WHERE organization_id = 1")
    await update(visit)
    assert (await messages(visit))[1:] == [("charge.withdrawn", "L1")]
    assert await visit.value("SELECT state FROM charge_item WHERE line = 'L1'") == "ordered"
    assert await visit.value("SELECT state FROM charge_item WHERE line = 'L2'") == "started"


async def test_lines_of_a_closed_visit_keep_their_state(context: PaymentContext) -> None:
    visit = await open_visit(context)
    await visit.add("L1", state="cleared")
    await visit.close()
    await update(visit)

    assert await messages(visit) == []
    assert await visit.value("SELECT state FROM charge_item WHERE line = 'L1'") == "cleared"
