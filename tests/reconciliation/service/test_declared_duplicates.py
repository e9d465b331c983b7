"""Declared duplicates at the bank: the same money is expected once, and a payment that it shows is no duplicate."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from billing.core.ids import PaymentId
from billing.db.database import Transaction
from billing.reconciliation.domain.day_result import ItemKind as HeldKind
from billing.reconciliation.domain.exception_case import ActionNotPossible, DecisionAction
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service import matching, place_money
from billing.reconciliation.service.close_day import find_results
from billing.reconciliation.service.decide_matches import match_by_hand, revert_match
from billing.reconciliation.service.matching_by_hand import ManualMatch
from billing.reconciliation.store.decided_lines import is_on_statement
from billing.reconciliation.store.declared_duplicates import lock_hold, lock_holds
from billing.reconciliation.store.line_matches import LineMatches, match_received_lines
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import (
    ORGANIZATION,
    UNKNOWN_PAID,
    ExceptionDesk,
    add_second_channel,
    open_exception_desk,
)

_WAITING = "SELECT count(*)::int FROM pg_locks WHERE NOT granted"


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    await add_second_channel(flow, database)
    return await open_exception_desk(flow, database)


async def _expected(desk: ExceptionDesk) -> set[UUID]:
    return {row["item_id"] for row in await desk.rows("SELECT item_id FROM expected_item")}


async def test_declared_duplicate_is_expected_at_the_bank_once(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_twice()
    both = await _expected(desk)

    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)

    assert await _expected(desk) == both - {payment_id}
    await desk.revert(exception_id, version=2)
    assert await _expected(desk) == both
    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE, version=3)
    assert await _expected(desk) == both - {payment_id}


async def test_payment_that_the_bank_shows_is_declared_a_duplicate_only_after_its_match_ended(
    desk: ExceptionDesk,
) -> None:
    own = MatchingFlow(desk.flow)
    exception_id, payment_id = await desk.receive_twice()
    await own.statement(own.line(UNKNOWN_PAID, "NOP TIEN"))
    [line] = await own.fetch("SELECT id FROM statement_line")
    new = ManualMatch(line_id=line["id"], items=[(ItemKind.PAYMENT, payment_id)], reason="sao kê giấy")
    match_id = await match_by_hand(desk.flow.context, ORGANIZATION, new, actor=desk.first)

    with pytest.raises(ActionNotPossible, match="the bank shows this payment"):
        await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    await revert_match(desk.flow.context, ORGANIZATION, match_id, reason="tiền của lần kia", actor=desk.first)
    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)
    assert await own.balances("bank", "clearing") == [0, UNKNOWN_PAID]
    await assert_books_are_right(desk.flow.context.database)


async def test_reverted_duplicate_that_the_bank_shows_is_held_no_more(desk: ExceptionDesk) -> None:
    own = MatchingFlow(desk.flow)
    exception_id, _ = await desk.receive_twice()
    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)
    await desk.revert(exception_id, version=2)
    await own.statement(own.line(UNKNOWN_PAID, "NOP TIEN"), own.line(UNKNOWN_PAID, "NOP TIEN LAN HAI"))
    lines, payments = await own.fetch("SELECT id FROM statement_line"), await own.fetch("SELECT id FROM payment")

    for line, payment in zip(lines, payments, strict=True):
        new = ManualMatch(line_id=line["id"], items=[(ItemKind.PAYMENT, payment["id"])], reason="sao kê giấy")
        await match_by_hand(desk.flow.context, ORGANIZATION, new, actor=desk.first)

    _, results = await find_results(desk.flow.context, ORGANIZATION, own.today)
    held = [item for each in results.accounts for item in each.items]
    assert [item for item in held if item.kind in (HeldKind.PAYMENT_HELD, HeldKind.ENTRY_HELD)] == []
    assert await own.balances("bank", "clearing", "unallocated") == [2 * UNKNOWN_PAID, 0, -2 * UNKNOWN_PAID]
    await assert_books_are_right(desk.flow.context.database)


async def _line_of_held_payment(desk: ExceptionDesk) -> tuple[MatchingFlow, UUID]:
    """A line with the bank reference of a held payment, and the exception of the payment."""
    own = MatchingFlow(desk.flow)
    exception_id, _ = await desk.receive_twice(reference="FT-A1")
    await own.statement(own.line(UNKNOWN_PAID, "NOP TIEN", "FT-A1"))
    return own, exception_id


async def test_payment_that_is_declared_while_its_line_is_matched_is_left_out(
    desk: ExceptionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision commits after the run has found the payment, and before it locks the hold."""
    own, exception_id = await _line_of_held_payment(desk)

    async def lock(tx: Transaction, payment_ids: Sequence[UUID]) -> list[UUID]:
        await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)
        return await lock_holds(tx, payment_ids)

    monkeypatch.setattr(matching, "lock_holds", lock)

    await own.match()

    assert await own.matches() == []
    assert await own.balances("bank", "clearing") == [0, UNKNOWN_PAID]
    await assert_books_are_right(desk.flow.context.database)


async def test_payment_whose_hold_is_not_locked_is_left_out_until_the_next_run(
    desk: ExceptionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment that was held after the run had locked the holds could be declared a duplicate meanwhile."""
    own, _ = await _line_of_held_payment(desk)

    async def lock(tx: Transaction, payment_ids: Sequence[UUID]) -> list[UUID]:
        return []

    monkeypatch.setattr(matching, "lock_holds", lock)
    await own.match()
    assert await own.matches() == []
    monkeypatch.undo()

    await own.match()

    assert len(await own.matches()) == 1
    assert await own.balances("bank", "clearing") == [UNKNOWN_PAID, UNKNOWN_PAID]


async def test_run_waits_for_decisions_about_its_own_payments_alone(desk: ExceptionDesk) -> None:
    """Two sessions: a decision that is open holds the lock of one payment, and a run matches lines."""
    own = MatchingFlow(desk.flow)
    _, payment_id = await desk.receive_twice(reference="FT-A1")
    await desk.flow.deliver(desk.flow.notice("T1", "NOP TIEN", amount=UNKNOWN_PAID + 1))
    await own.statement(own.line(UNKNOWN_PAID + 1, "NOP TIEN", "FT-T1"))
    async with desk.flow.context.database.transaction(ORGANIZATION) as tx:
        await lock_hold(tx, payment_id)

        unrelated = await own.match()

        await own.statement(own.line(UNKNOWN_PAID, "NOP TIEN", "FT-A1"))
        [held] = await tx.fetch("SELECT payment_id FROM payment_hold")
        related = asyncio.create_task(own.match())
        while not await tx.fetchval(_WAITING):
            assert not related.done()
            await asyncio.sleep(0.01)
        matched_meanwhile = len(await own.matches())
    await related

    assert held["payment_id"] == payment_id
    assert (unrelated.matches, matched_meanwhile, len(await own.matches())) == (1, 1, 2)
    await assert_books_are_right(desk.flow.context.database)


async def test_declaration_waits_for_a_match_under_way_and_is_refused(
    desk: ExceptionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, exception_id = await _line_of_held_payment(desk)
    declared = asyncio.Event()
    deciding: list[asyncio.Task[UUID]] = []

    async def is_shown(tx: Transaction, payment_id: PaymentId) -> bool:
        declared.set()
        return await is_on_statement(tx, payment_id)

    async def write(tx: Transaction, *arguments: Any, **named: Any) -> LineMatches:
        if arguments[0].locked and not deciding:
            deciding.append(asyncio.create_task(desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)))
            while not declared.is_set() and not await tx.fetchval(_WAITING):
                await asyncio.sleep(0.01)
        return await match_received_lines(tx, *arguments, **named)

    monkeypatch.setattr(place_money, "is_on_statement", is_shown)
    monkeypatch.setattr(matching, "match_received_lines", write)

    await own.match()

    with pytest.raises(ActionNotPossible, match="the bank shows this payment"):
        await deciding[0]
    assert len(await own.matches()) == 1
    assert await own.balances("bank", "clearing") == [UNKNOWN_PAID, UNKNOWN_PAID]
    await assert_books_are_right(desk.flow.context.database)
