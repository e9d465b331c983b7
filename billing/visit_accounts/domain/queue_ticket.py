"""A number of the queue in front of the desks: two lines, one of them with priority.

Source: docs/ux.md, Cashier and Patient page.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.core.ids import DeskId, QueueTicketId, VisitId


class QueueLine(StrEnum):
    """The line of a ticket. `A` is called before `B`."""

    PRIORITY = "A"
    NORMAL = "B"


class TicketState(StrEnum):
    """waiting → called → served | absent."""

    WAITING = "waiting"
    CALLED = "called"
    SERVED = "served"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTicket:
    """A ticket. `desk_id` and `called_at` are None while it waits; `calls` is how often it was called."""

    id: QueueTicketId
    line: QueueLine
    number: int
    visit_id: VisitId | None
    state: TicketState
    taken_at: datetime
    desk_id: DeskId | None
    calls: int
    called_at: datetime | None

    @property
    def shown(self) -> str:
        """The number as it is called and printed, as `B036`."""
        return f"{self.line}{self.number:03}"
