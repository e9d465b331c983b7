"""The queue in front of the desks: take a number, call the next one, show the called numbers. Use cases.

Source: docs/ux.md, Cashier (queue by ticket number with a priority queue) and Patient page (queue display).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.clock import business_date
from billing.core.errors import Refused
from billing.core.ids import DeskId, OrganizationId, QueueTicketId, VisitId
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.organizations.service.facilities import require_facility
from billing.visit_accounts.domain.queue_ticket import QueueLine, QueueTicket, TicketState
from billing.visit_accounts.store.queue_tickets import (
    CalledTicket,
    NewTicket,
    add_ticket,
    call_next_ticket,
    call_ticket_again,
    end_ticket,
    read_called,
    read_facility_name,
    read_ticket,
    read_ticket_at,
    read_waiting,
)

CALLED_MAX = 8
NEXT_MAX = 8
WAITING_MAX = 200


class NobodyCalled(Refused):
    """The desk has not called this number, or it is no longer open."""

    code = "nobody_called"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDisplay:
    """The queue display of a facility: numbers and desks, no names. `called` begins with the newest call."""

    hospital: str
    called: Sequence[CalledTicket]
    next: Sequence[QueueTicket]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskQueue:
    """The queue as a desk sees it: the number it has called, and those that wait."""

    at_desk: QueueTicket | None
    waiting: Sequence[QueueTicket]


async def take_ticket(
    context: Context,
    organization_id: OrganizationId,
    facility_code: str,
    *,
    line: QueueLine,
    visit_id: VisitId | None = None,
    request: IdempotentRequest | None = None,
) -> QueueTicket:
    """Give the next number of a line of a facility today; a repeated `request` returns its earlier number.

    Raises NotFound for an unknown facility.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return await read_ticket(tx, QueueTicketId(earlier.subjects[0]))
        new = NewTicket(
            id=QueueTicketId(context.ids.new()),
            facility_id=await require_facility(tx, facility_code),
            day=business_date(now),
            line=line,
            visit_id=visit_id,
            taken_at=now,
        )
        ticket = await add_ticket(tx, new)
        await save_result(tx, request, [ticket.id], now=now)
    context.publish_change(organization_id)
    return ticket


async def call_next(
    context: Context, organization_id: OrganizationId, desk_id: DeskId, *, request: IdempotentRequest | None = None
) -> QueueTicket | None:
    """End the number that the desk has called as served, and call the next one; None if nobody waits.

    A repeated `request` returns its earlier number and passes over nobody.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return await read_ticket(tx, QueueTicketId(earlier.subjects[0]))
        await end_ticket(tx, desk_id, TicketState.SERVED, at=now)
        ticket = await call_next_ticket(tx, desk_id, business_date(now), at=now)
        if ticket is not None:
            await save_result(tx, request, [ticket.id], now=now)
    context.publish_change(organization_id)
    return ticket


async def call_again(
    context: Context, organization_id: OrganizationId, desk_id: DeskId, ticket_id: QueueTicketId
) -> QueueTicket:
    """Call the number of a desk once more. Raises NobodyCalled, also where the desk has called another one since."""
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        ticket = await call_ticket_again(tx, desk_id, ticket_id, business_date(now), at=now)
    if ticket is None:
        raise NobodyCalled("this number is not called at this desk now; open the queue again")
    context.publish_change(organization_id)
    return ticket


async def end_call(
    context: Context, organization_id: OrganizationId, desk_id: DeskId, ticket_id: QueueTicketId, *, is_absent: bool
) -> QueueTicket:
    """End the number of a desk: served, or absent because nobody came.

    Raises NobodyCalled, also where the desk has called another number since.
    """
    state = TicketState.ABSENT if is_absent else TicketState.SERVED
    async with context.database.transaction(organization_id) as tx:
        ticket = await end_ticket(tx, desk_id, state, at=context.clock(), ticket_id=ticket_id)
    if ticket is None:
        raise NobodyCalled("this number is not called at this desk now; open the queue again")
    context.publish_change(organization_id)
    return ticket


async def find_queue_display(context: Context, organization_id: OrganizationId, facility_code: str) -> QueueDisplay:
    """The called numbers of a facility today, and those that are called next. Raises NotFound."""
    day = business_date(context.clock())
    async with context.database.transaction(organization_id, read_only=True) as tx:
        facility_id = await require_facility(tx, facility_code)
        return QueueDisplay(
            hospital=await read_facility_name(tx, facility_id),
            called=await read_called(tx, facility_id, day, limit=CALLED_MAX),
            next=await read_waiting(tx, facility_id, day, limit=NEXT_MAX),
        )


async def find_desk_queue(
    context: Context, organization_id: OrganizationId, facility_code: str, desk_id: DeskId
) -> DeskQueue:
    """The number that a desk has called, and the numbers that wait at its facility. Raises NotFound."""
    day = business_date(context.clock())
    async with context.database.transaction(organization_id, read_only=True) as tx:
        facility_id = await require_facility(tx, facility_code)
        return DeskQueue(
            at_desk=await read_ticket_at(tx, desk_id, day),
            waiting=await read_waiting(tx, facility_id, day, limit=WAITING_MAX),
        )
