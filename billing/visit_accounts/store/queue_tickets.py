"""Tickets of the queue of a facility on a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.ids import DeskId, FacilityId, QueueTicketId, VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.queue_ticket import QueueLine, QueueTicket, TicketState

_NEXT_NUMBER = """
    INSERT INTO queue_counter (organization_id, facility_id, day, line, last) VALUES ($1, $2, $3, $4, 1)
    ON CONFLICT (organization_id, facility_id, day, line) DO UPDATE SET last = queue_counter.last + 1
    RETURNING last
"""

_ADD = """
    INSERT INTO queue_ticket (organization_id, id, facility_id, day, line, number, visit_id, state, taken_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8)
    RETURNING id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """A ticket to be added; its number follows the last one of its line."""

    id: QueueTicketId
    facility_id: FacilityId
    day: date
    line: QueueLine
    visit_id: VisitId | None
    taken_at: datetime


async def add_ticket(tx: Transaction, new: NewTicket) -> QueueTicket:
    """Give the next number of a line. The counter is locked until the transaction ends."""
    number = await tx.fetchval(_NEXT_NUMBER, tx.organization_id, new.facility_id, new.day, new.line.value)
    row = await tx.fetchrow(
        *(_ADD, tx.organization_id, new.id, new.facility_id, new.day, new.line.value, number),
        *(new.visit_id, new.taken_at),
    )
    assert row is not None, "an INSERT returns its row"
    return read_row(QueueTicket, row)


_TICKET = """
    SELECT id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
    FROM queue_ticket WHERE organization_id = $1 AND id = $2
"""


async def read_ticket(tx: Transaction, ticket_id: QueueTicketId) -> QueueTicket:
    """A ticket that exists."""
    row = await tx.fetchrow(_TICKET, tx.organization_id, ticket_id)
    assert row is not None, "tickets are never deleted"
    return read_row(QueueTicket, row)


_CALL_NEXT = """
    UPDATE queue_ticket SET state = 'called', desk_id = $2, calls = 1, called_at = $4
    WHERE queue_ticket.organization_id = $1 AND queue_ticket.id = (
        SELECT waiting.id FROM queue_ticket AS waiting
        JOIN desk ON desk.organization_id = $1 AND desk.id = $2 AND desk.facility_id = waiting.facility_id
        WHERE waiting.organization_id = $1 AND waiting.day = $3 AND waiting.state = 'waiting'
        ORDER BY waiting.line, waiting.number LIMIT 1
        FOR UPDATE OF waiting SKIP LOCKED)
    RETURNING id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
"""


async def call_next_ticket(tx: Transaction, desk_id: DeskId, day: date, *, at: datetime) -> QueueTicket | None:
    """Call the first waiting ticket to a desk, those with priority first; None if nobody waits.

    Two desks that call at once get two tickets.
    """
    row = await tx.fetchrow(_CALL_NEXT, tx.organization_id, desk_id, day, at)
    return None if row is None else read_row(QueueTicket, row)


_CALL_AGAIN = """
    UPDATE queue_ticket SET calls = calls + 1, called_at = $3
    WHERE organization_id = $1 AND desk_id = $2 AND id = $5 AND state = 'called' AND day = $4
    RETURNING id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
"""


async def call_ticket_again(
    tx: Transaction, desk_id: DeskId, ticket_id: QueueTicketId, day: date, *, at: datetime
) -> QueueTicket | None:
    """Call the ticket of a desk once more; None if it is not the one that the desk has called today."""
    row = await tx.fetchrow(_CALL_AGAIN, tx.organization_id, desk_id, at, day, ticket_id)
    return None if row is None else read_row(QueueTicket, row)


_END = """
    UPDATE queue_ticket SET state = $3, ended_at = $4
    WHERE organization_id = $1 AND desk_id = $2 AND state = 'called' AND ($5::uuid IS NULL OR id = $5)
    RETURNING id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
"""


async def end_ticket(
    tx: Transaction, desk_id: DeskId, state: TicketState, *, at: datetime, ticket_id: QueueTicketId | None = None
) -> QueueTicket | None:
    """End the ticket that a desk has called, whichever it is or just `ticket_id`; None if it has not called it."""
    row = await tx.fetchrow(_END, tx.organization_id, desk_id, state.value, at, ticket_id)
    return None if row is None else read_row(QueueTicket, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledTicket:
    """A called number with the name of its desk."""

    line: QueueLine
    number: int
    desk: str
    calls: int

    @property
    def shown(self) -> str:
        return f"{self.line}{self.number:03}"


_CALLED = """
    SELECT queue_ticket.line, queue_ticket.number, desk.name AS desk, queue_ticket.calls
    FROM queue_ticket
    JOIN desk ON desk.organization_id = $1 AND desk.id = queue_ticket.desk_id
    WHERE queue_ticket.organization_id = $1 AND queue_ticket.facility_id = $2 AND queue_ticket.day = $3
        AND queue_ticket.state = 'called'
    ORDER BY queue_ticket.called_at DESC LIMIT $4
"""


async def read_called(tx: Transaction, facility_id: FacilityId, day: date, *, limit: int) -> Sequence[CalledTicket]:
    """The numbers that are called now, the newest first."""
    return [read_row(CalledTicket, row) for row in await tx.fetch(_CALLED, tx.organization_id, facility_id, day, limit)]


_WAITING = """
    SELECT id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
    FROM queue_ticket
    WHERE organization_id = $1 AND facility_id = $2 AND day = $3 AND state = 'waiting'
    ORDER BY line, number LIMIT $4
"""


async def read_waiting(tx: Transaction, facility_id: FacilityId, day: date, *, limit: int) -> Sequence[QueueTicket]:
    """The tickets that wait, in the order in which they will be called."""
    return [read_row(QueueTicket, row) for row in await tx.fetch(_WAITING, tx.organization_id, facility_id, day, limit)]


_AT_DESK = """
    SELECT id, line, number, visit_id, state, taken_at, desk_id, calls, called_at
    FROM queue_ticket
    WHERE organization_id = $1 AND desk_id = $2 AND state = 'called' AND day = $3
"""


async def read_ticket_at(tx: Transaction, desk_id: DeskId, day: date) -> QueueTicket | None:
    """The ticket that a desk has called today and not ended."""
    row = await tx.fetchrow(_AT_DESK, tx.organization_id, desk_id, day)
    return None if row is None else read_row(QueueTicket, row)


_FACILITY_NAME = "SELECT name FROM facility WHERE organization_id = $1 AND id = $2"


async def read_facility_name(tx: Transaction, facility_id: FacilityId) -> str:
    """The name of a facility, as people know it."""
    return str(await tx.fetchval(_FACILITY_NAME, tx.organization_id, facility_id))
