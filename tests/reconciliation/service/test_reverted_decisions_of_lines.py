"""A decision on a line that is reverted takes back its own match alone, and takes it back once."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from billing.core.errors import BillingError
from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.match_rules import AlreadyMatched, ItemKind
from billing.reconciliation.service.decide_matches import match_by_hand, revert_match
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.matching_by_hand import ManualMatch
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, ExceptionDesk, open_exception_desk

_MATCH_AGAIN = """
    INSERT INTO match (organization_id, id, rule, rule_set, run_id, state, reason, actor_kind, actor_id, acting_for,
        matched_at)
    SELECT organization_id, $2, rule, rule_set, run_id, 'live', reason, actor_kind, actor_id, acting_for, matched_at
    FROM match WHERE id = $1
"""

_ITEMS_AGAIN = """
    INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount)
    SELECT organization_id, $2, item_kind, item_id, amount FROM match_item WHERE match_id = $1
"""


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _matched_by_decision(own: MatchingFlow, desk: ExceptionDesk) -> tuple[UUID, UUID]:
    """The exception and the match of an unreadable line that a person matched with its payment."""
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.statement(own.line(OWED, "#####"))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [case] = await own.fetch("SELECT id FROM exception_case WHERE reason = 'text_unreadable'")
    await desk.decide(case["id"], DecisionAction.MATCH)
    [match] = await own.fetch("SELECT id FROM match")
    return case["id"], match["id"]


async def test_reverted_decision_leaves_the_later_match_of_its_line(own: MatchingFlow, desk: ExceptionDesk) -> None:
    exception_id, match_id = await _matched_by_decision(own, desk)
    await revert_match(own.flow.context, ORGANIZATION, match_id, reason="khớp nhầm", actor=desk.second)
    [line] = await own.fetch("SELECT id FROM statement_line")
    [payment] = await own.fetch("SELECT id FROM payment")
    new = ManualMatch(line_id=line["id"], items=[(ItemKind.PAYMENT, payment["id"])], reason="khớp lại đúng")
    later = await match_by_hand(own.flow.context, ORGANIZATION, new, actor=desk.second)

    await desk.revert(exception_id, version=2)

    assert [row["id"] for row in await own.fetch("SELECT id FROM match WHERE state = 'live'")] == [later]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_match_that_ends_while_its_decision_is_reverted_is_taken_back_once(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    """The reversal of the decision waits for the row of the match, which another person ends meanwhile."""
    exception_id, match_id = await _matched_by_decision(own, desk)
    context = own.flow.context

    async def ended(act: Any) -> str:
        try:
            await act
        except BillingError as refusal:
            return refusal.code
        return "ended"

    async with context.database.transaction(ORGANIZATION) as tx:
        await tx.fetch("SELECT id FROM match WHERE id = $1 FOR UPDATE", match_id)
        by_person = asyncio.create_task(
            ended(revert_match(context, ORGANIZATION, match_id, reason="khớp nhầm", actor=desk.second))
        )
        await _until_waiting(own, 1)
        by_decision = asyncio.create_task(ended(desk.revert(exception_id, version=2)))
        await _until_waiting(own, 2)
    outcomes = await asyncio.gather(by_person, by_decision)

    assert outcomes == ["ended", "ended"]
    assert await own.balances("bank", "clearing") == [0, OWED]
    await assert_books_are_right(context.database)


async def test_decision_on_a_line_that_another_transaction_matches_meanwhile_is_refused(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    """The decision waits for the other match of its line, and is refused once that is committed."""
    exception_id, match_id = await _matched_by_decision(own, desk)
    context = own.flow.context
    await desk.revert(exception_id, version=2)
    async with context.database.transaction(ORGANIZATION, posting=True) as tx:
        again = context.ids.new()
        await tx.execute(_MATCH_AGAIN, match_id, again)
        await tx.execute(_ITEMS_AGAIN, match_id, again)
        deciding = asyncio.create_task(desk.decide(exception_id, DecisionAction.MATCH, version=3))
        await _until_waiting(own, 1)

    with pytest.raises(AlreadyMatched):
        await deciding

    assert await own.balances("bank", "clearing") == [0, OWED]
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE match_item SET is_live = true",
        "UPDATE match SET entry_id = ending_entry_id",
        "UPDATE statement_line SET is_tentative = true",
    ],
)
async def test_what_a_match_has_posted_or_ended_is_not_changed(
    own: MatchingFlow, desk: ExceptionDesk, change: str
) -> None:
    exception_id, _ = await _matched_by_decision(own, desk)
    await desk.revert(exception_id, version=2)

    with pytest.raises(asyncpg.RestrictViolationError):
        async with own.flow.context.database.transaction(ORGANIZATION) as tx:
            await tx.execute(change)


async def _until_waiting(own: MatchingFlow, count: int) -> None:
    """Return once this many transactions wait for the match."""
    waiting = "SELECT count(*)::int AS number FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(10):
        while (await own.fetch(waiting))[0]["number"] < count:
            await asyncio.sleep(0)
