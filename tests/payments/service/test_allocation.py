"""Counter money and moves between deposit, invoice, credit and refund, on a real PostgreSQL."""

import pytest

from billing.core.actor import Actor
from billing.core.ids import AllocationId
from billing.core.money import Dong
from billing.invoices.store.invoices import lock_invoices
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import Destination, MoveReason, NotEnoughAllocated
from billing.payments.service.allocation import apply_deposit, move_money, release_deposit
from billing.payments.store.allocations import end_refund, lock_allocations
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.open_visits import OpenVisit, open_visit


@pytest.fixture
async def visit(flow: PaymentFlow, database: DatabaseAddress) -> OpenVisit:
    return await open_visit(flow, database.owner_url)


async def test_cash_for_a_deposit_is_in_the_drawer_and_held_for_the_visit(visit: OpenVisit) -> None:
    flow = visit.flow
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        await visit.pay(tx, 300_000)
        await visit.pay(tx, 50_000)
        deposit = await visit.deposit(tx)

    assert (deposit.received, deposit.held) == (350_000, 350_000)
    assert await visit.balances() == {"cash_drawer": 350_000, "deposit": 350_000}
    await assert_books_are_right(flow.context.database)


async def test_deposit_is_applied_to_the_invoice_oldest_money_first_and_its_rest_becomes_credit(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await flow.start_intent()
    visit = await open_visit(flow, database.owner_url)  # later: the invoice of an open account is its final bill
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        first, second = await visit.pay(tx, 100_000), await visit.pay(tx, 50_000)
        invoice = (await lock_invoices(tx, [started.invoice_id]))[started.invoice_id]
        deposit, invoice = await apply_deposit(
            tx, flow.context, await visit.deposit(tx), invoice, Dong(OWED), actor=Actor.system()
        )
        deposit = await release_deposit(tx, flow.context, deposit, deposit.held, actor=Actor.system())
        parts = await lock_allocations(tx, [first, second])

    assert (invoice.owed, invoice.allocated) == (0, OWED)
    assert (deposit.applied, deposit.returned, deposit.held) == (OWED, 150_000 - OWED, 0)
    assert sorted((part.payment_id == first, part.target, part.amount) for part in parts) == [
        (False, AllocationTarget.CREDIT, 14_000),
        (False, AllocationTarget.INVOICE, 36_000),
        (True, AllocationTarget.INVOICE, 100_000),
    ]
    balances = await visit.balances()
    assert (balances["cash_drawer"], balances["patient_credit"]) == (150_000, 14_000)
    assert balances.keys().isdisjoint({"deposit", "receivable_patient"})
    await assert_books_are_right(flow.context.database)


async def test_reserved_refund_leaves_once(visit: OpenVisit) -> None:
    flow = visit.flow
    new_id = flow.context.ids.new
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        payment_id = await visit.pay(tx, 90_000)
        await release_deposit(tx, flow.context, await visit.deposit(tx), Dong(40_000), actor=Actor.system())
        credit = [p for p in await lock_allocations(tx, [payment_id]) if p.target is AllocationTarget.CREDIT]
        await move_money(
            tx,
            flow.context,
            credit,
            Dong(40_000),
            Destination(target=AllocationTarget.REFUND, reason=MoveReason.REFUND_REQUESTED, visit_id=visit.visit_id),
            actor=Actor.system(),
        )
    assert await visit.balances() == {"cash_drawer": 90_000, "deposit": 50_000, "refund_in_transit": 40_000}
    await assert_books_are_right(flow.context.database)

    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        reserved = [p for p in await lock_allocations(tx, [payment_id]) if p.target is AllocationTarget.REFUND]
        await end_refund(tx, reserved, [AllocationId(new_id()) for _ in reserved], at=flow.context.clock())
        position = await tx.fetchrow(
            "SELECT on_deposits, refund_reserved, refunded FROM payment_position"
            " WHERE organization_id = $1 AND payment_id = $2",
            tx.organization_id,
            payment_id,
        )
        rest = await lock_allocations(tx, [payment_id])

    assert position is not None
    assert tuple(position) == (50_000, 0, 40_000)
    assert [(part.target, part.amount) for part in rest] == [(AllocationTarget.DEPOSIT, 50_000)]


async def test_more_than_a_deposit_holds_is_refused_and_nothing_moves(visit: OpenVisit) -> None:
    flow = visit.flow
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        await visit.pay(tx, 10_000)
    with pytest.raises(NotEnoughAllocated):
        async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
            await release_deposit(tx, flow.context, await visit.deposit(tx), Dong(10_001), actor=Actor.system())

    assert await visit.balances() == {"cash_drawer": 10_000, "deposit": 10_000}
    await assert_books_are_right(flow.context.database)
