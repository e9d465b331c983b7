"""A person names the items of a line: one line of the bank for several payments, decided and reverted."""

from uuid import UUID

import pytest

from billing.core.errors import InvalidValue
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.match_rules import AmountsDiffer, ItemKind
from billing.reconciliation.service.day_results import compute_results
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.work_list import find_work
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, ExceptionDesk, open_exception_desk

_OPEN_LINES = """
    SELECT id, item_id FROM exception_case
    WHERE state = 'open' AND item_kind = 'statement_line' ORDER BY amount DESC
"""


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _line_for_two(own: MatchingFlow) -> tuple[UUID, list[tuple[ItemKind, UUID]]]:
    """The exception of a line that is the sum of two payments, and the payments."""
    for number in (1, 2):
        started = await own.flow.start_intent(f"LK000{number}")
        await own.flow.deliver(own.flow.notice(f"T{number}", f"{started.code} VIEN PHI", bank_reference=""))
    await own.statement(own.line(2 * OWED, "NOP CHO HAI NGUOI", "FT-BOTH"))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [opened] = await own.fetch("SELECT id FROM exception_case WHERE amount = $1 AND state = 'open'", 2 * OWED)
    payments = await own.fetch("SELECT id FROM payment ORDER BY id")
    return opened["id"], [(ItemKind.PAYMENT, row["id"]) for row in payments]


async def test_line_is_divided_among_the_payments_that_a_person_names(own: MatchingFlow, desk: ExceptionDesk) -> None:
    exception_id, items = await _line_for_two(own)

    await desk.decide(exception_id, DecisionAction.MATCH, items=items)
    decided = await find_work(own.flow.context, ORGANIZATION, exception_id)
    await desk.revert(exception_id, version=decided.row.version)
    reverted = await find_work(own.flow.context, ORGANIZATION, exception_id)

    assert (decided.row.state, reverted.row.state) == ("closed", "open")
    assert await own.balances("bank", "clearing") == [0, 2 * OWED], "the sweep was taken back"


async def test_items_of_another_sum_are_refused_and_nothing_changes(own: MatchingFlow, desk: ExceptionDesk) -> None:
    exception_id, items = await _line_for_two(own)

    with pytest.raises(AmountsDiffer):
        await desk.decide(exception_id, DecisionAction.MATCH, items=items[:1])

    found = await find_work(own.flow.context, ORGANIZATION, exception_id)
    assert (found.row.state, found.row.version) == ("open", 1)


async def test_items_near_a_line_that_resemble_nothing_are_listed_to_divide_it(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    exception_id, items = await _line_for_two(own)

    found = await find_work(own.flow.context, ORGANIZATION, exception_id)

    listed = {(each.item_kind, each.item_id) for each in found.nearby}
    listed |= {(each.item.item_kind, each.item.item_id) for each in found.items}
    assert set(items) <= listed


async def _two_lines_for_one(own: MatchingFlow) -> tuple[list[UUID], list[UUID], tuple[ItemKind, UUID]]:
    """The exceptions and lines of two lines that are one payment together, and the payment."""
    started = await own.flow.start_intent("LK0001")
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI", bank_reference=""))
    await own.statement(own.line(OWED - 30_000, "PHAN MOT", "FT-P1"), own.line(30_000, "PHAN HAI", "FT-P2"))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    opened = await own.fetch(_OPEN_LINES)
    [payment] = await own.fetch("SELECT id FROM payment")
    return [row["id"] for row in opened], [row["item_id"] for row in opened], (ItemKind.PAYMENT, payment["id"])


async def test_lines_of_a_day_are_joined_to_one_payment_and_reverted(own: MatchingFlow, desk: ExceptionDesk) -> None:
    exceptions, lines, payment = await _two_lines_for_one(own)
    listed = await find_work(own.flow.context, ORGANIZATION, exceptions[0])

    await desk.decide(exceptions[0], DecisionAction.MATCH, items=[payment], joined=lines[1:])
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    swept = await own.balances("bank", "clearing")
    async with own.flow.context.database.transaction(ORGANIZATION) as tx:
        results = await compute_results(tx, own.today)
    states = [(await find_work(own.flow.context, ORGANIZATION, each)).row for each in exceptions]
    await desk.revert(exceptions[0], version=states[0].version)
    await find_exceptions_once(own.flow.context, ORGANIZATION)

    assert [each.id for each in listed.further_lines] == lines[1:]
    assert [row.state for row in states] == ["closed", "closed"]
    assert swept == [OWED, 0]
    assert [(each.residual, each.items) for each in results.accounts] == [(0, ())] * len(results.accounts)
    assert await own.balances("bank", "clearing") == [0, OWED], "the sweep of both lines was taken back"
    waiting = await own.fetch(_OPEN_LINES)
    assert [row["item_id"] for row in waiting] == lines
    await assert_books_are_right(own.flow.context.database)


async def test_joined_lines_of_another_sum_or_the_same_line_twice_are_refused(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    exceptions, lines, payment = await _two_lines_for_one(own)

    with pytest.raises(AmountsDiffer):
        await desk.decide(exceptions[0], DecisionAction.MATCH, items=[payment])
    with pytest.raises(InvalidValue):
        await desk.decide(exceptions[0], DecisionAction.MATCH, items=[payment], joined=[lines[1], lines[1]])
    with pytest.raises(InvalidValue):
        await desk.decide(exceptions[0], DecisionAction.MATCH, items=[payment], joined=[lines[0]])

    assert await own.balances("bank", "clearing") == [0, OWED]


async def test_lines_of_two_directions_are_not_joined(own: MatchingFlow, desk: ExceptionDesk) -> None:
    exceptions, lines, payment = await _two_lines_for_one(own)
    await own.statement(own.line(-30_000, "CHUYEN DI", "FT-OUT"))
    [out] = await own.fetch("SELECT id FROM statement_line WHERE amount < 0")

    with pytest.raises(InvalidValue) as refused:
        await desk.decide(exceptions[0], DecisionAction.MATCH, items=[payment], joined=[out["id"]])

    assert refused.value.field == "line"
    assert len(lines) == 2
