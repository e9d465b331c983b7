"""Business days and their closing. `journal.open_day` opens a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.actor import Actor
from billing.db.database import LockClass, Transaction
from billing.db.rows import read_row
from billing.ledger.domain.accounts import DayState
from billing.ledger.domain.day_blocker import DayBlocker

_LOCK_DAY = """
    SELECT pg_advisory_xact_lock($1::int, $2::int)
"""


async def lock_day(tx: Transaction) -> None:
    """Wait for every posting transaction of the organization and block new ones until this transaction ends.

    Only later statements see the rows committed meanwhile, so nothing may be read before this. Raises DatabaseBusy,
    through the transaction, if a posting transaction takes too long.
    """
    await tx.execute(_LOCK_DAY, LockClass.DAY.value, tx.organization_id)


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day that was ever opened."""

    day: date
    state: DayState
    opened_at: datetime
    closed_at: datetime | None


_DAY = """
    SELECT day, state, opened_at, closed_at FROM business_day WHERE organization_id = $1 AND day = $2
"""


async def read_day(tx: Transaction, day: date) -> DayRow | None:
    """One day; None if it was never opened."""
    row = await tx.fetchrow(_DAY, tx.organization_id, day)
    return None if row is None else DayRow(row["day"], DayState(row["state"]), row["opened_at"], row["closed_at"])


_FIRST_OPEN_DAY = """
    SELECT day FROM business_day WHERE organization_id = $1 AND state = 'open' ORDER BY day LIMIT 1
"""


async def read_first_open_day(tx: Transaction) -> date | None:
    """The oldest day that is open: the next one to close."""
    day: date | None = await tx.fetchval(_FIRST_OPEN_DAY, tx.organization_id)
    return day


_BLOCKERS = """
    SELECT 'empty_entries' AS kind, count(*)::int AS number
    FROM journal_entry AS entry
    WHERE entry.organization_id = $1 AND entry.accounting_date = $2 AND NOT EXISTS (
        SELECT FROM posting WHERE posting.organization_id = $1 AND posting.entry_id = entry.id)
    HAVING count(*) > 0
    UNION ALL
    SELECT 'dead_letters', count(*)::int
    FROM dead_letter
    WHERE organization_id = $1 AND retried_at IS NULL AND closed_at IS NULL
        AND (received_at AT TIME ZONE interval '7 hours')::date <= $2
    HAVING count(*) > 0
"""


async def read_blockers(tx: Transaction, day: date) -> Sequence[DayBlocker]:
    """The reasons why the books of a day are incomplete; empty if they are complete."""
    return [read_row(DayBlocker, row) for row in await tx.fetch(_BLOCKERS, tx.organization_id, day)]


_TOTALS = """
    SELECT count(DISTINCT entry.id) AS entries, coalesce(sum(posting.amount), 0)::bigint AS amount
    FROM journal_entry AS entry
    JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
    WHERE entry.organization_id = $1 AND entry.accounting_date = $2
"""

_CLOSE = """
    UPDATE business_day SET state = 'closed', closed_at = $3
    WHERE organization_id = $1 AND day = $2 AND state = 'open'
"""

_ADD_CLOSING = """
    INSERT INTO day_closing (organization_id, day, closed_at, actor_kind, actor_id, acting_for, entries, amount)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayClosing:
    """A closed day and its totals: `amount` is the sum of its postings, in đồng."""

    day: date
    closed_at: datetime
    entries: int
    amount: int


async def close_open_day(tx: Transaction, day: date, *, at: datetime, actor: Actor) -> DayClosing:
    """Close an open day and write its closing; the day lock must be held by an earlier statement."""
    totals = await tx.fetchrow(_TOTALS, tx.organization_id, day)
    assert totals is not None, "an aggregate answers one row"
    closing = DayClosing(day=day, closed_at=at, entries=totals["entries"], amount=totals["amount"])
    flipped = await tx.execute(_CLOSE, tx.organization_id, day, at)
    assert flipped == "UPDATE 1", "the day was read as open under its lock"
    await tx.execute(
        _ADD_CLOSING,
        tx.organization_id,
        day,
        at,
        actor.kind.value,
        actor.id,
        actor.person,
        closing.entries,
        closing.amount,
    )
    return closing


_CLOSINGS = """
    SELECT day, closed_at, entries, amount FROM day_closing
    WHERE organization_id = $1 AND ($2::date IS NULL OR day < $2) ORDER BY day DESC LIMIT $3
"""


async def read_closings(tx: Transaction, *, before: date | None, limit: int) -> list[DayClosing]:
    """Closed days, the newest first."""
    return [DayClosing(**dict(row)) for row in await tx.fetch(_CLOSINGS, tx.organization_id, before, limit)]
