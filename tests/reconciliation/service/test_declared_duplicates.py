"""Declared duplicates at the bank: the same money is expected once, and a payment that it shows is no duplicate."""

from uuid import UUID

import pytest

from billing.reconciliation.domain.exception_case import ActionNotPossible, DecisionAction
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service.decide_matches import ManualMatch, match_by_hand, revert_match
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
