"""A day that closes while its lines are matched, and files that state a day after it was closed."""

import asyncio
from collections.abc import Sequence

import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.db.database import Transaction
from billing.ledger.service.context import LedgerContext
from billing.reconciliation.domain.day_result import DayResult, ItemKind
from billing.reconciliation.domain.sweep import SweepTotal
from billing.reconciliation.service import matching
from billing.reconciliation.service.sweeping import post_totals
from tests.clock import StandingClock
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.days.days import DAY, accounts_of, close, listed, pay

_WAITING = "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def test_day_closes_after_the_match_that_is_under_way_and_with_it(
    flow: PaymentFlow, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    day, own = business_date(clock()), MatchingFlow(flow)
    await pay(flow, "T1")
    await own.statement(own.line(OWED, reference="FT-T1"))
    clock.forward(DAY)
    closing: list[asyncio.Task[None]] = []

    async def post(tx: Transaction, context: LedgerContext, totals: Sequence[SweepTotal], *, actor: Actor) -> None:
        closing.append(asyncio.create_task(close(flow, day)))
        while not await tx.fetchval(_WAITING):
            await asyncio.sleep(0)
        await post_totals(tx, context, totals, actor=actor)

    monkeypatch.setattr(matching, "post_totals", post)

    await own.match()
    await closing[0]

    bank, provider = await accounts_of(flow, day)
    assert (bank.result, bank.statement_closing, bank.ledger_balance, bank.items) == (
        DayResult.RECONCILED,
        OWED,
        OWED,
        (),
    )
    assert (provider.ledger_balance, provider.items, provider.residual) == (0, (), 0)
    await assert_books_are_right(flow.context.database)


async def test_line_of_a_closed_day_is_an_item_of_the_next_until_it_is_matched_there(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    """A callback of the closed day was matched with nothing; a later file of the same day brings its line."""
    day, own = business_date(clock()), MatchingFlow(flow)
    await pay(flow, "T1")
    await own.statement(own.line(7_000, reference="FT-X"), own.line(-7_000, reference="FT-Y"))
    clock.forward(DAY)
    await close(flow, day)
    stored = await accounts_of(flow, day)

    await pay(flow, "T2", "LK0002")
    await own.statement(own.line(OWED, reference="FT-T1", days=-1))
    await own.statement(own.line(1_000, reference="FT-Z"))

    def unmatched(*amounts: int) -> list[tuple[ItemKind, int]]:
        return sorted((ItemKind.LINE_UNMATCHED, amount) for amount in amounts)

    bank, _ = await accounts_of(flow, day + DAY)
    assert sorted(listed(bank)) == unmatched(OWED, 7_000, -7_000, 1_000)
    assert (bank.statement_closing, bank.residual) == (OWED + 1_000, 0)
    await own.match()
    bank, provider = await accounts_of(flow, day + DAY)
    assert sorted(listed(bank)) == unmatched(7_000, -7_000, 1_000)
    assert (bank.ledger_balance, bank.residual) == (OWED, 0)
    assert (listed(provider), provider.residual) == ([(ItemKind.PAYMENT_HELD, OWED)], 0)
    assert await accounts_of(flow, day) == stored
    await assert_books_are_right(flow.context.database)
