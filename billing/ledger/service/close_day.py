"""Steps that close a business day: a closed day accepts no entry and is never reopened.

Posting transactions hold the organization's day lock shared; closing holds it exclusively. So an entry is either in the
day before it closes, or its transaction reads the day as closed and books on the next open one. Corrections of a closed
day are entries of a later one. The use case is `reconciliation/service/close_day.py`, which knows the results of the
day too. Source: docs/design.md §4, Days.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound, Refused
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.accounts import DayState
from billing.ledger.domain.day_blocker import DayBlocker
from billing.ledger.store.days import (
    DayClosing,
    close_open_day,
    lock_day,
    read_blockers,
    read_day,
    read_first_open_day,
)
from billing.ledger.store.journal import write_audit


class DayNotOver(Refused):
    """Only a day before today may close: more money may arrive today."""

    code = "day_not_over"


class DayAlreadyClosed(Refused):
    """The day was closed before; a closed day is never opened again."""

    code = "day_already_closed"


class EarlierDayOpen(Refused):
    """Days close in order: an earlier one is still open."""

    code = "earlier_day_open"


class DayIncomplete(Refused):
    """The books of the day are incomplete; `reasons` names each missing item."""

    code = "day_incomplete"

    def __init__(self, blockers: Sequence[DayBlocker | str]) -> None:
        reasons = tuple(str(each) for each in blockers)
        super().__init__("the day is not complete: " + "; ".join(reasons), field="day")
        self.reasons = reasons


async def lock_day_to_close(tx: Transaction, context: Context, day: date) -> None:
    """Lock the day of the organization and require that this day is the next one to close.

    Raises DayNotOver, NotFound (never opened), DayAlreadyClosed, EarlierDayOpen, or DatabaseBusy if a posting
    transaction does not end in time.
    """
    if day >= business_date(context.clock()):
        raise DayNotOver("only a day that is over can be closed", field="day")
    await lock_day(tx)
    row = await read_day(tx, day)
    if row is None:
        raise NotFound("no entry was ever booked on that day, so there is nothing to close", field="day")
    if row.state is DayState.CLOSED:
        raise DayAlreadyClosed("that day is closed already", field="day")
    first = await read_first_open_day(tx)
    assert first is not None, "the day itself is open"
    if first < day:
        raise EarlierDayOpen(f"close {first.isoformat()} first", field="day")


async def list_blockers(tx: Transaction, day: date) -> Sequence[DayBlocker]:
    """The reasons why the books of a day are incomplete; `str` of each is a sentence that a person can act on."""
    return await read_blockers(tx, day)


async def write_closing(tx: Transaction, context: Context, day: date, *, actor: Actor) -> DayClosing:
    """Close a locked day that has no blocker; the closing and the audit record the actor."""
    now = context.clock()
    closing = await close_open_day(tx, day, at=now, actor=actor)
    await write_audit(
        tx,
        context.ids.new(),
        recorded_at=now,
        actor=actor,
        action="day_closed",
        subject=("day", day_subject(day)),
    )
    return closing


def day_subject(day: date) -> UUID:
    """The id under which the audit names a day: its number of days since the first of year 1."""
    return UUID(int=day.toordinal())
