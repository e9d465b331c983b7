"""A callback pays a standing code: the worker updates the stored clearance of the visit."""

import pytest

from billing.core.ids import VisitId
from billing.core.reference_code import reference_code
from billing.db.connection_errors import DatabaseBusy
from billing.db.context import Context
from billing.db.database import Transaction
from billing.organizations.store.organizations import read_prefixes
from billing.visit_accounts.service import clearance_updates
from billing.visit_accounts.service.clearance_updates import update_clearances_once
from billing.visit_accounts.service.clearing import ClearingResult, update_clearance
from billing.visit_accounts.store.clearance import _VISITS_TO_CLEAR, find_visits_to_clear
from tests.flow import PaymentFlow
from tests.visit_accounts.open_visits import ORGANIZATION, OpenVisit, open_visit

_ADD_STANDING_INTENT = """
    INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, created_at,
        deposit_id, is_standing)
    VALUES (1, $1, $2, $3, 'created', 1, 0, $4, $5, true)
"""


@pytest.fixture
async def visit(flow: PaymentFlow) -> OpenVisit:
    return await open_visit(flow.context)


async def pay_standing_code(flow: PaymentFlow, visit: OpenVisit, amount: int) -> None:
    context = visit.context
    async with context.database.transaction(ORGANIZATION) as tx:
        [prefix, *_] = await read_prefixes(tx)
    code = reference_code(prefix, 12_345)
    deposit_id = await visit.deposit()
    await visit.execute(_ADD_STANDING_INTENT, context.ids.new(), flow.account.id, code, context.clock(), deposit_id)
    await flow.deliver(flow.notice("T1", code, amount=amount))
    assert await visit.value("SELECT held FROM deposit") == amount


async def update(visit: OpenVisit) -> int:
    return await update_clearances_once(visit.context, ORGANIZATION)


async def stored(visit: OpenVisit) -> tuple[list[str], list[str] | None]:
    """The states of the lines, and the topics of the messages about charges."""
    states = await visit.value("SELECT array_agg(state ORDER BY line) FROM charge_item")
    return states, await visit.value("SELECT array_agg(topic ORDER BY id) FROM outbox WHERE topic LIKE 'charge.%'")


async def test_money_under_a_standing_code_clears_waiting_orders_once(flow: PaymentFlow, visit: OpenVisit) -> None:
    await visit.add("L1", patient=100_000)
    await visit.add("L2", patient=150_000)
    assert await update(visit) == 0, "an empty deposit clears nothing"
    await pay_standing_code(flow, visit, 120_000)
    assert await stored(visit) == (["ordered", "ordered"], None)

    assert await update(visit) == 1
    assert await stored(visit) == (["cleared", "ordered"], ["charge.cleared"])
    assert await update(visit) == 0
    assert await stored(visit) == (["cleared", "ordered"], ["charge.cleared"])


async def test_visit_without_charges_is_updated_once(flow: PaymentFlow, visit: OpenVisit) -> None:
    await pay_standing_code(flow, visit, 120_000)

    assert (await update(visit), await update(visit)) == (1, 0)


async def test_visit_that_fails_does_not_stop_the_others(
    flow: PaymentFlow, visit: OpenVisit, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await open_visit(flow.context, "LK0002")
    for each in (visit, other):
        await each.add("L1", patient=100_000)
        await each.receive(100_000)
        await each.execute("UPDATE deposit SET version = version + 1 WHERE visit_id = $1", each.id)

    async def fail(tx: Transaction, context: Context, visit_id: VisitId) -> ClearingResult:
        if visit_id == visit.id:
            raise DatabaseBusy("another transaction holds the lock")
        return await update_clearance(tx, context, visit_id)

    with monkeypatch.context() as patch:
        patch.setattr(clearance_updates, "update_clearance", fail)
        with pytest.raises(DatabaseBusy):
            await update(visit)
    states = "SELECT array_agg(state ORDER BY visit_id) FROM charge_item"
    assert await visit.value(states) == ["ordered", "cleared"]
    assert (await update(visit), await visit.value(states)) == (1, ["cleared", "cleared"])


async def test_deposits_to_clear_are_read_from_an_index(flow: PaymentFlow, visit: OpenVisit) -> None:
    await visit.add("L1", patient=100_000)
    await pay_standing_code(flow, visit, 120_000)

    async with visit.context.database.transaction(ORGANIZATION) as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        plan = await tx.fetch(f"EXPLAIN {_VISITS_TO_CLEAR}", ORGANIZATION, 10)
        listed = await find_visits_to_clear(tx, at_most=10)

    assert "deposit_to_clear" in "".join(row[0] for row in plan)
    assert listed == [visit.id]


async def test_closed_visit_is_not_updated(flow: PaymentFlow, visit: OpenVisit) -> None:
    await visit.add("L1", patient=100_000)
    await pay_standing_code(flow, visit, 120_000)
    await visit.close()

    assert await update(visit) == 0
    assert await stored(visit) == (["ordered"], None)
