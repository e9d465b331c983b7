"""The poll schedule: overdue intents, scheduled polls, and the budget of each account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import IntentId, ProviderAccountId
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.exception import ExceptionPolicy, ExceptionReason
from billing.payments.domain.intent import Intent, IntentState
from billing.payments.store.intent_rows import intent_of
from providers.contract import Outcome

# An UNKNOWN intent is overdue only if its provider has answered a poll that there is no such payment.
_LOCK_OVERDUE = """
    SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at,
        deposit_id, deposit_request_id, is_standing
    FROM intent
    WHERE organization_id = $1 AND expires_at <= $2
        AND (state IN ('created', 'pending') OR state = 'unknown' AND EXISTS (
            SELECT FROM status_poll WHERE status_poll.organization_id = $1 AND status_poll.intent_id = intent.id
                AND status_poll.due_at IS NULL AND status_poll.last_outcome = 'not_found'))
    ORDER BY id
    LIMIT $3
    FOR NO KEY UPDATE OF intent SKIP LOCKED
"""


async def lock_overdue_intents(tx: Transaction, *, now: datetime, at_most: int) -> list[Intent]:
    """Lock open intents whose time is over, skipping rows that are locked already. Without their invoices."""
    return [intent_of(tuple(row), ()) for row in await tx.fetch(_LOCK_OVERDUE, tx.organization_id, now, at_most)]


_EXPIRE = """
    UPDATE intent SET state = t.state, version = t.version
    FROM unnest($2::uuid[], $3::int[], $4::int[], $5::text[]) AS t (id, version_before, version, state)
    WHERE intent.organization_id = $1 AND intent.id = t.id AND intent.version = t.version_before
"""


async def expire_intents(tx: Transaction, changed: Sequence[tuple[Intent, Intent]]) -> None:
    """Write locked intents: state before and state now."""
    rows: list[tuple[object, ...]] = [
        (after.id, before.version, after.version, after.state.value) for before, after in changed
    ]
    done = await tx.execute(_EXPIRE, tx.organization_id, *columns(rows, 4))
    assert done == f"UPDATE {len(rows)}", "rows that are held do not change"


_SCHEDULE = """
    INSERT INTO status_poll (organization_id, intent_id, provider_account_id, started_at, due_at)
    SELECT $1, intent_id, account_id, $4, $5
    FROM unnest($2::uuid[], $3::uuid[]) AS t (intent_id, account_id)
    ORDER BY intent_id
    ON CONFLICT (organization_id, intent_id) DO UPDATE SET due_at = excluded.due_at, started_at = excluded.started_at
    WHERE status_poll.last_outcome IS NULL
"""


async def schedule_polls(
    tx: Transaction, intents: Sequence[Intent], *, started_at: datetime, due_at: datetime | None
) -> None:
    """Put intents on the schedule, also intents that were polled while they were open.

    A poll that was answered stays as it is.
    """
    rows: list[tuple[object, ...]] = [(intent.id, intent.account_id) for intent in intents]
    await tx.execute(_SCHEDULE, tx.organization_id, *columns(rows, 2), started_at, due_at)


_SCHEDULE_UNKNOWN = """
    INSERT INTO status_poll (organization_id, intent_id, provider_account_id, started_at, due_at)
    SELECT $1, intent.id, intent.provider_account_id, $2, $3
    FROM intent
    WHERE intent.organization_id = $1 AND intent.state = 'unknown' AND NOT EXISTS (
        SELECT FROM status_poll WHERE status_poll.organization_id = $1 AND status_poll.intent_id = intent.id
            AND (status_poll.due_at IS NOT NULL OR status_poll.last_outcome IS NOT NULL))
    ORDER BY intent.id
    LIMIT $4
    ON CONFLICT (organization_id, intent_id) DO UPDATE SET due_at = excluded.due_at
    WHERE status_poll.due_at IS NULL AND status_poll.last_outcome IS NULL
"""


async def schedule_polls_unknown(
    tx: Transaction, *, started_at: datetime, due_at: datetime | None, at_most: int
) -> None:
    """Put every UNKNOWN intent on the schedule that has neither a scheduled nor an answered poll."""
    await tx.execute(_SCHEDULE_UNKNOWN, tx.organization_id, started_at, due_at, at_most)


_RESTART = """
    UPDATE status_poll SET due_at = $3, last_outcome = NULL
    WHERE organization_id = $1 AND intent_id = $2 AND due_at IS NULL AND last_outcome = 'not_found'
"""


async def restart_poll(tx: Transaction, intent_id: IntentId, *, due_at: datetime) -> bool:
    """Put an intent back on the schedule whose provider answered that it does not know it; False for any other.

    Only one of several callers receives True.
    """
    return await tx.execute(_RESTART, tx.organization_id, intent_id, due_at) == "UPDATE 1"


# An open intent that was never polled; if its payer reported a transfer, it is on the schedule already.
_SCHEDULE_OPEN = """
    INSERT INTO status_poll (organization_id, intent_id, provider_account_id, started_at, due_at)
    SELECT $1, intent.id, intent.provider_account_id, $3, $3
    FROM intent
    WHERE intent.organization_id = $1 AND intent.provider_account_id = $2 AND intent.state = 'pending'
        AND NOT intent.is_standing AND intent.created_at <= $4 AND (intent.expires_at IS NULL OR intent.expires_at > $3)
        AND NOT EXISTS (SELECT FROM status_poll WHERE status_poll.organization_id = $1
            AND status_poll.intent_id = intent.id)
    ORDER BY intent.id
    LIMIT $5
    ON CONFLICT DO NOTHING
"""


async def schedule_polls_open(
    tx: Transaction, account_id: ProviderAccountId, *, now: datetime, created_by: datetime, at_most: int
) -> None:
    """Put an account's open intents on the schedule that were created by a timestamp, due at once."""
    await tx.execute(_SCHEDULE_OPEN, tx.organization_id, account_id, now, created_by, at_most)


_DUE_ACCOUNTS = """
    SELECT account.id, account.name FROM provider_account AS account
    WHERE account.organization_id = $1 AND EXISTS (
        SELECT FROM status_poll WHERE status_poll.organization_id = $1 AND status_poll.provider_account_id = account.id
            AND status_poll.due_at <= $2)
    ORDER BY account.id
"""


async def read_due_accounts(tx: Transaction, *, now: datetime) -> list[tuple[ProviderAccountId, str]]:
    """Provider accounts with a poll due, and their names."""
    rows = await tx.fetch(_DUE_ACCOUNTS, tx.organization_id, now)
    return [(ProviderAccountId(row["id"]), row["name"]) for row in rows]


_ADD_RATE_LIMIT = """
    INSERT INTO poll_rate_limit (organization_id, provider_account_id, minute, used)
    VALUES ($1, $2, date_trunc('minute', $3::timestamptz), 0)
    ON CONFLICT DO NOTHING
"""

_LOCK_RATE_LIMIT = """
    SELECT CASE WHEN minute = date_trunc('minute', $3::timestamptz) THEN used ELSE 0 END AS used
    FROM poll_rate_limit
    WHERE organization_id = $1 AND provider_account_id = $2
    FOR UPDATE
"""

_USE_RATE_LIMIT = """
    UPDATE poll_rate_limit SET minute = date_trunc('minute', $3::timestamptz), used = $4
    WHERE organization_id = $1 AND provider_account_id = $2
"""

# MATERIALIZED: joined to the table, the inner query could run once for each row and so lease more than its limit.
_LEASE = """
    WITH due AS MATERIALIZED (
        SELECT status_poll.intent_id, intent.reference_code AS reference, intent.state, intent.amount, intent.received,
            intent.created_at, coalesce(intent.instruction ->> 'provider_reference', '') AS provider_reference
        FROM status_poll
        JOIN intent ON intent.organization_id = $1 AND intent.id = status_poll.intent_id
        WHERE status_poll.organization_id = $1 AND status_poll.provider_account_id = $2 AND status_poll.due_at <= $3
        ORDER BY intent.state IN ('created', 'pending'), status_poll.due_at, status_poll.intent_id
        LIMIT $5
        FOR NO KEY UPDATE OF status_poll SKIP LOCKED
    )
    UPDATE status_poll SET due_at = $4
    FROM due
    WHERE status_poll.organization_id = $1 AND status_poll.intent_id = due.intent_id
    RETURNING due.intent_id, due.reference, due.state, due.amount, due.received, due.created_at,
        due.provider_reference, status_poll.started_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollTask:
    """An intent to poll, with its state when it was leased."""

    intent_id: IntentId
    reference: str
    state: IntentState
    amount: Dong
    received: Dong
    created_at: datetime
    provider_reference: str
    started_at: datetime


async def lease_polls(
    tx: Transaction, account_id: ProviderAccountId, *, now: datetime, until: datetime, at_most: int, per_minute: int
) -> list[PollTask]:
    """Lease due polls until a timestamp, within the number of polls that the account allows in this minute.

    The row of the budget is locked first, so that workers that poll one account count together.
    """
    await tx.execute(_ADD_RATE_LIMIT, tx.organization_id, account_id, now)
    used: int = await tx.fetchval(_LOCK_RATE_LIMIT, tx.organization_id, account_id, now)
    left = max(0, min(at_most, per_minute - used))
    if left == 0:
        return []
    rows = await tx.fetch(_LEASE, tx.organization_id, account_id, now, until, left)
    await tx.execute(_USE_RATE_LIMIT, tx.organization_id, account_id, now, used + len(rows))
    return [read_row(PollTask, row) for row in rows]


_STATE = "SELECT state FROM intent WHERE organization_id = $1 AND id = $2"


async def read_state(tx: Transaction, intent_id: IntentId) -> IntentState:
    """The state of an intent now."""
    return IntentState(await tx.fetchval(_STATE, tx.organization_id, intent_id))


_RECORD = """
    UPDATE status_poll SET due_at = $4, attempts = attempts + 1, polled_at = $5, last_outcome = $6,
        started_at = CASE WHEN $7 THEN $5 ELSE started_at END
    WHERE organization_id = $1 AND intent_id = $2 AND due_at = $3
"""


async def record_answer(
    tx: Transaction,
    intent_id: IntentId,
    *,
    leased_until: datetime,
    due_at: datetime | None,
    now: datetime,
    outcome: Outcome | None,
    is_open: bool = False,
) -> bool:
    """Record the outcome of a poll; False if the lease had ended and another worker has polled since.

    Without `due_at` and `outcome`: polled only because the payer reported a transfer, and it may be scheduled again.
    The schedule of an open intent (`is_open`) restarts with each poll: once it is no longer open, a whole day of polls
    follows.
    """
    done = await tx.execute(
        _RECORD, tx.organization_id, intent_id, leased_until, due_at, now, outcome.value if outcome else None, is_open
    )
    return done == "UPDATE 1"


_OPEN_CASE = """
    INSERT INTO exception_case (organization_id, id, reason, state, amount, provider_account_id, intent_id, opened_at,
        due_at, owner_id)
    VALUES ($1, $2, $8, 'open', $3, $4, $5, $6, $7, $9)
    ON CONFLICT DO NOTHING
"""


async def open_exception(
    tx: Transaction,
    exception_id: UUID,
    task: PollTask,
    account_id: ProviderAccountId,
    *,
    at: datetime,
    policy: ExceptionPolicy,
) -> None:
    """Open an exception for an intent that no provider answers for."""
    amount = max(0, task.amount - task.received)
    await tx.execute(
        _OPEN_CASE,
        tx.organization_id,
        exception_id,
        amount,
        account_id,
        task.intent_id,
        at,
        at + policy.due,
        ExceptionReason.STATUS_UNRESOLVED.value,
        policy.owner_id,
    )
