"""The queue in front of the desks: numbers, priority, calls of several desks at once."""

import asyncio

import pytest

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.organizations.service.desks import add_desk
from billing.visit_accounts.domain.queue_ticket import QueueLine, QueueTicket, TicketState
from billing.visit_accounts.service.queue_tickets import (
    NobodyCalled,
    call_again,
    call_next,
    end_call,
    find_desk_queue,
    find_queue_display,
    take_ticket,
)
from tests.builders import FACILITY_CODE
from tests.visit_accounts.cashiers import CashDesk

ORGANIZATION = OrganizationId(1)


async def take(desk: CashDesk, line: QueueLine = QueueLine.NORMAL) -> QueueTicket:
    return await take_ticket(desk.context, ORGANIZATION, FACILITY_CODE, line=line)


async def test_numbers_of_each_line_follow_each_other(desk: CashDesk) -> None:
    taken = [await take(desk, line) for line in (QueueLine.NORMAL, QueueLine.PRIORITY, QueueLine.NORMAL)]

    assert [ticket.shown for ticket in taken] == ["B001", "A001", "B002"]
    assert {ticket.state for ticket in taken} == {TicketState.WAITING}


async def test_numbers_taken_at_once_differ(desk: CashDesk) -> None:
    taken = await asyncio.gather(*(take(desk) for _ in range(8)))

    assert sorted(ticket.number for ticket in taken) == list(range(1, 9))


async def test_priority_is_called_first_and_the_call_before_was_served(desk: CashDesk) -> None:
    for line in (QueueLine.NORMAL, QueueLine.PRIORITY, QueueLine.NORMAL):
        await take(desk, line)

    called = [await call_next(desk.context, ORGANIZATION, desk.desk_id) for _ in range(4)]

    assert [ticket and ticket.shown for ticket in called] == ["A001", "B001", "B002", None]
    queue = await find_desk_queue(desk.context, ORGANIZATION, FACILITY_CODE, desk.desk_id)
    assert (queue.at_desk, list(queue.waiting)) == (None, [])


async def test_two_desks_that_call_at_once_get_two_numbers(desk: CashDesk) -> None:
    other = await add_desk(desk.context, ORGANIZATION, facility_code=FACILITY_CODE, name="Quầy hai", actor=desk.head)
    for _ in range(2):
        await take(desk)

    called = await asyncio.gather(*(call_next(desk.context, ORGANIZATION, each) for each in (desk.desk_id, other)))

    assert {ticket and ticket.shown for ticket in called} == {"B001", "B002"}


async def test_display_shows_the_newest_call_first_and_who_is_next(desk: CashDesk) -> None:
    other = await add_desk(desk.context, ORGANIZATION, facility_code=FACILITY_CODE, name="Quầy hai", actor=desk.head)
    for _ in range(4):
        await take(desk)
    first = await call_next(desk.context, ORGANIZATION, desk.desk_id)
    await call_next(desk.context, ORGANIZATION, other)
    assert first is not None
    await call_again(desk.context, ORGANIZATION, desk.desk_id, first.id)

    display = await find_queue_display(desk.context, ORGANIZATION, FACILITY_CODE)

    assert [(each.shown, each.desk, each.calls) for each in display.called] == [
        ("B001", "Quầy 1", 2),
        ("B002", "Quầy hai", 1),
    ]
    assert [each.shown for each in display.next] == ["B003", "B004"]


async def test_number_whose_person_is_absent_is_not_called_again(desk: CashDesk) -> None:
    await take(desk)
    called = await call_next(desk.context, ORGANIZATION, desk.desk_id)
    assert called is not None

    ended = await end_call(desk.context, ORGANIZATION, desk.desk_id, called.id, is_absent=True)

    assert ended.state is TicketState.ABSENT
    assert await call_next(desk.context, ORGANIZATION, desk.desk_id) is None
    with pytest.raises(NobodyCalled):
        await call_again(desk.context, ORGANIZATION, desk.desk_id, called.id)
    with pytest.raises(NobodyCalled):
        await end_call(desk.context, ORGANIZATION, desk.desk_id, called.id, is_absent=False)


async def test_unknown_facility_has_no_queue(desk: CashDesk) -> None:
    with pytest.raises(NotFound):
        await take_ticket(desk.context, ORGANIZATION, "00000", line=QueueLine.NORMAL)
    with pytest.raises(NotFound):
        await find_queue_display(desk.context, ORGANIZATION, "00000")
