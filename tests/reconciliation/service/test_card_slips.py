"""Card payments that no batch of their terminal states: found after their term, and closed once a batch states them."""

from datetime import timedelta

from billing.core.money import Dong
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.visit_accounts.domain.collection import CollectedPart
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.card_batches import NewBatch, record_batch
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.builders import MatchingFlow
from tests.visit_accounts.accounts import open_visit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk, open_desk
from tests.visit_accounts.service.test_collections import take, terminal


async def _found(own: MatchingFlow) -> list[int]:
    """The amounts of the open exceptions of money that only the ledger has, after a round."""
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    rows = await own.fetch(
        "SELECT amount, payment_id = item_id AS is_payment FROM exception_case "
        "WHERE reason = 'ledger_only' AND state = 'open' ORDER BY amount"
    )
    assert all(row["is_payment"] for row in rows)
    return [row["amount"] for row in rows]


async def _record(desk: CashDesk, own: MatchingFlow, slips: dict[str, int] | None, *, gross: int) -> None:
    [row] = await own.fetch("SELECT DISTINCT terminal_id, day FROM card_slip")
    batch = NewBatch(
        terminal_id=row["terminal_id"],
        day=row["day"],
        batch_number="001",
        count=1,
        gross=Dong(gross),
        fee=Dong(0),
        slips=None if slips is None else {code: Dong(amount) for code, amount in slips.items()},
    )
    await record_batch(desk.context, ORGANIZATION, batch, actor=desk.treasurer)


async def _take_two(flow: PaymentFlow, database: DatabaseAddress) -> CashDesk:
    """Card payments of 100 000 and 200 000 đồng at one terminal."""
    desk = await open_desk(database, flow.context)
    visit = await open_visit(flow.context)
    await desk.open()
    terminal_id = await terminal(desk)
    for code, amount in (("A1", 100_000), ("A2", 200_000)):
        card = CollectedPart(method=PartMethod.CARD, amount=Dong(amount), terminal_id=terminal_id, approval_code=code)
        await take(desk, visit, card, amount=Dong(amount))
    return desk


async def test_card_payment_that_no_batch_states_is_of_the_ledger_only_after_its_term(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    own = MatchingFlow(flow)
    desk = await _take_two(flow, database)
    await own.statement(own.line(1_000))
    at_once = await _found(own)
    now = flow.context.clock()
    flow.context.clock = lambda: now + timedelta(days=5)

    assert (at_once, await _found(own)) == ([], [100_000, 200_000])
    await _record(desk, own, {"A1": 100_000}, gross=100_000)
    assert await _found(own) == [200_000]


async def test_batch_without_slips_names_its_difference_itself(flow: PaymentFlow, database: DatabaseAddress) -> None:
    own = MatchingFlow(flow)
    desk = await _take_two(flow, database)
    await own.statement(own.line(1_000))
    now = flow.context.clock()
    flow.context.clock = lambda: now + timedelta(days=5)
    assert await _found(own) == [100_000, 200_000]

    await _record(desk, own, None, gross=250_000)

    assert await _found(own) == []
