"""A report that adds lines to a payout in the instant in which the payout is posted: each line is in one credit."""

import asyncio
from datetime import timedelta

import pytest

from billing.core.actor import Actor
from billing.core.ids import PersonId
from billing.db.database import Database, DatabaseLimits, Transaction
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service.matching_by_hand import ManualMatch, write_manual_match
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow

NET = OWED - 500


@pytest.fixture
async def own(flow: PaymentFlow) -> MatchingFlow:
    """A payout of one payment with its line of the bank, which is not matched yet; a second payment is paid."""
    own = MatchingFlow(flow)
    for number in range(2):
        started = await flow.start_intent(f"LK{number}")
        await flow.deliver(flow.notice(f"T{number}", f"{started.code} VIEN PHI", bank_reference=""))
    await own.report(row(own, 0))
    await own.statement(own.line(NET, "THANH TOAN", "PO1"))
    return own


def row(own: MatchingFlow, number: int, *, days: int = 0) -> str:
    return own.report_row(f"T{number}", OWED, fee=500, paid_out_on=own.today + timedelta(days=days))


async def wait_for(tx: Transaction, task: "asyncio.Task[object]", *, waiting: int) -> None:
    """Until the task is done or so many sessions wait for a lock."""
    while not task.done() and await tx.fetchval("SELECT count(*)::int FROM pg_locks WHERE NOT granted") < waiting:
        await asyncio.sleep(0.01)


async def test_line_that_a_report_adds_while_a_person_posts_the_payout_is_a_further_payout(own: MatchingFlow) -> None:
    context, organization = own.flow.context, own.flow.hospital.organization_id
    [line] = await own.fetch("SELECT id FROM statement_line")
    [payout] = await own.fetch("SELECT id FROM payout")
    [key] = await own.fetch("SELECT id, person_id FROM api_key LIMIT 1")
    new = ManualMatch(line_id=line["id"], items=[(ItemKind.PAYOUT, payout["id"])], reason="sao kê giấy")

    async with context.database.transaction(organization, posting=True) as tx:
        await write_manual_match(tx, context, new, Actor.key(key["id"], acting_for=PersonId(key["person_id"])))
        importing: asyncio.Task[object] = asyncio.create_task(own.report(row(own, 0), row(own, 1)))
        await wait_for(tx, importing, waiting=1)
    await importing
    await own.statement(own.line(NET, "THANH TOAN", "PO2"))
    await own.match()

    assert await own.balances("bank", "payment_fees", "clearing") == [2 * NET, 1_000, 0]
    await assert_books_are_right(context.database)


async def test_run_does_not_post_a_payout_that_a_report_changes_meanwhile(
    own: MatchingFlow, database: DatabaseAddress
) -> None:
    """The import waits in this test after it has decided that its line belongs to the first payout."""
    context, organization = own.flow.context, own.flow.hospital.organization_id
    [payout] = await own.fetch("SELECT provider_account_id FROM payout")
    other = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=1))
    try:
        with pytest.raises(ValueError, match="by this test"):
            async with other.transaction(organization) as tx:
                tomorrow = own.today + timedelta(days=1)
                await tx.execute(_ADD_PAYOUT, organization, context.ids.new(), payout["provider_account_id"], tomorrow)
                importing: asyncio.Task[object] = asyncio.create_task(own.report(row(own, 1), row(own, 2, days=1)))
                await wait_for(tx, importing, waiting=1)
                running: asyncio.Task[object] = asyncio.create_task(own.match())
                await wait_for(tx, running, waiting=2)
                raise ValueError("by this test")
        await asyncio.gather(importing, running)
    finally:
        await other.close()

    assert [rule for rule, _, _ in await own.matches() if rule == "payout"] == []
    assert await own.balances("bank") == [0]
    await assert_books_are_right(context.database)


_ADD_PAYOUT = "INSERT INTO payout (organization_id, id, provider_account_id, paid_out_on) VALUES ($1, $2, $3, $4)"
