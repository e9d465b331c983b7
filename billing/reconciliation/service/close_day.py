"""Closes a business day with its results, and reads the result of a day.

A day closes with every result but `incomplete`, if each open exception has an owner. The results and the certificate
are written in the transaction that closes the day. Source: docs/design.md §4, Days; docs/reconciliation.md, Result of
a day.
"""

from datetime import date, timedelta

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.accounts import DayState
from billing.ledger.service.close_day import DayIncomplete, lock_day_to_close, write_closing
from billing.ledger.store.days import DayClosing, read_closings, read_day
from billing.reconciliation.domain.day_result import ExceptionsWithoutOwner, MonthOpen
from billing.reconciliation.service.day_certificates import add_day_certificate, read_day_certificate
from billing.reconciliation.service.day_results import DayResults, compute_results
from billing.reconciliation.store.day_results import (
    ShiftOfDay,
    add_results,
    count_without_owner,
    lock_imports_until_commit,
    read_open_days,
    read_results,
    read_shifts,
)

__all__ = [
    "DayClosing",
    "DayResults",
    "ShiftOfDay",
    "close_day",
    "find_certificate",
    "find_closing",
    "find_month",
    "find_results",
    "find_shifts",
]


async def close_day(context: Context, organization_id: OrganizationId, day: date, *, actor: Actor) -> DayClosing:
    """Close one business day with its results; the closing and the audit record the actor.

    Raises DayNotOver, NotFound (never opened), DayAlreadyClosed, EarlierDayOpen, DayIncomplete, ExceptionsWithoutOwner,
    or DatabaseBusy if a posting transaction does not end in time; nothing is then changed.
    """
    async with context.database.transaction(organization_id) as tx:
        await lock_day_to_close(tx, context, day)
        if not await lock_imports_until_commit(tx):
            raise DayIncomplete(["a file is imported now; wait for its end"])
        results = await compute_results(tx, day)
        if results.reasons:
            raise DayIncomplete(results.reasons)
        unowned = await count_without_owner(tx, day)
        if unowned:
            raise ExceptionsWithoutOwner(
                f"{unowned} open exceptions until {day.isoformat()} have no owner; assign each to a person", field="day"
            )
        closing = await write_closing(tx, context, day, actor=actor)
        await add_results(tx, day, results.accounts)
        await add_day_certificate(tx, closing, results)
    context.publish_change(organization_id)
    return closing


async def find_closing(context: Context, organization_id: OrganizationId, day: date) -> DayClosing:
    """The closing of one day. Raises NotFound if the day is not closed."""
    async with context.database.transaction(organization_id) as tx:
        return await _read_closing(tx, day)


async def find_results(context: Context, organization_id: OrganizationId, day: date) -> tuple[DayState, DayResults]:
    """The results of a day: stored with its closing, or as they are now. Raises NotFound if it was never opened."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_day(tx, day)
        if row is None:
            raise NotFound("no entry was ever booked on that day", field="day")
        if row.state is DayState.CLOSED:
            return row.state, DayResults(day=day, accounts=tuple(await read_results(tx, day)))
        return row.state, await compute_results(tx, day)


async def find_shifts(context: Context, organization_id: OrganizationId, day: date) -> list[ShiftOfDay]:
    """The closed shifts that were opened on a day, for its closing paper."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_shifts(tx, day)


async def find_month(context: Context, organization_id: OrganizationId, first_day: date) -> list[DayClosing]:
    """The closings of a month, the oldest first. Raises MonthOpen, NotFound for a month without a day."""
    next_month = (first_day + timedelta(days=31)).replace(day=1)
    if next_month > business_date(context.clock()):
        raise MonthOpen("the month is not over", field="month")
    async with context.database.transaction(organization_id, read_only=True) as tx:
        opened = await read_open_days(tx, first_day=first_day, last_day=next_month - timedelta(days=1))
        if opened:
            raise MonthOpen(f"{opened[0].isoformat()} is open; close it first", field="month")
        closings = await read_closings(tx, before=next_month, limit=31)
    found = [each for each in reversed(closings) if each.day >= first_day]
    if not found:
        raise NotFound("no day of that month was ever opened", field="month")
    return found


async def find_certificate(context: Context, organization_id: OrganizationId, day: date) -> bytes:
    """The certificate of a closed day, a JSON file that a third party checks. Raises NotFound, DayNotSealed."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_day_certificate(tx, day)


async def _read_closing(tx: Transaction, day: date) -> DayClosing:
    found = await read_closings(tx, before=day + timedelta(days=1), limit=1)
    if not found or found[0].day != day:
        raise NotFound("that day is not closed", field="day")
    return found[0]
