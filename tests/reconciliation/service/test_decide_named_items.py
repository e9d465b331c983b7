"""A person names the items of a line: one line of the bank for several payments, decided and reverted."""

from uuid import UUID

import pytest

from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.match_rules import AmountsDiffer, ItemKind
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.work_list import find_work
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, ExceptionDesk, open_exception_desk


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
