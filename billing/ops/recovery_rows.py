"""Rows of the recovery after a restore: polls and feeds that are due at once, and the files of each account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.ids import ProviderAccountId
from billing.db.database import Transaction
from billing.db.rows import read_row

# Open intents of any age: their callback may have arrived after the restored state. Expired ones since the timestamp:
# money may have come late. A final state needs no answer.
_SCHEDULE = """
    INSERT INTO status_poll (organization_id, intent_id, provider_account_id, started_at, due_at)
    SELECT $1, intent.id, intent.provider_account_id, $4, $4
    FROM intent
    WHERE intent.organization_id = $1 AND intent.provider_account_id = ANY ($2::uuid[]) AND NOT intent.is_standing
        AND (intent.state IN ('pending', 'unknown')
            OR intent.state IN ('created', 'expired') AND intent.created_at >= $3)
    ORDER BY intent.id
    ON CONFLICT (organization_id, intent_id) DO UPDATE
        SET due_at = excluded.due_at, started_at = excluded.started_at, last_outcome = NULL
    RETURNING intent_id
"""


async def schedule_polls_since(
    tx: Transaction, account_ids: Sequence[ProviderAccountId], *, since: datetime, now: datetime
) -> int:
    """Make a poll due at once for every intent whose outcome the restored state may lack; returns how many."""
    return len(await tx.fetch(_SCHEDULE, tx.organization_id, list(account_ids), since, now))


_COUNT_DUE = """
    SELECT count(*) FROM status_poll
    WHERE organization_id = $1 AND provider_account_id = ANY ($2::uuid[]) AND due_at <= $3
"""


async def count_due(tx: Transaction, account_ids: Sequence[ProviderAccountId], *, now: datetime) -> int:
    """How many polls are due and wait for the rate limit of their provider."""
    found: int = await tx.fetchval(_COUNT_DUE, tx.organization_id, list(account_ids), now)
    return found


_RELEASE = """
    UPDATE feed_cursor SET leased_until = NULL, failures = 0
    WHERE organization_id = $1 AND (leased_until IS NOT NULL OR failures > 0)
"""


async def release_feeds(tx: Transaction) -> None:
    """End the leases of workers that the restore has ended; each feed continues at its restored cursor."""
    await tx.execute(_RELEASE, tx.organization_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedUntil:
    """The last day that the files of an account state; None without a file."""

    name: str
    until: date | None


_STATEMENTS = """
    SELECT bank.account_number AS name, (
        SELECT max(statement.to_day) FROM bank_statement AS statement
        JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = statement.import_id
            AND import.state = 'active' AND NOT import.is_intraday
        WHERE statement.organization_id = $1 AND statement.bank_account_id = bank.id) AS until
    FROM bank_account AS bank
    WHERE bank.organization_id = $1
    ORDER BY bank.account_number
"""


async def read_statements_until(tx: Transaction) -> list[StatedUntil]:
    """The last day that the statements of each bank account state."""
    return [read_row(StatedUntil, row) for row in await tx.fetch(_STATEMENTS, tx.organization_id)]


_SETTLEMENTS = """
    SELECT account.name, (
        SELECT max((line.occurred_at AT TIME ZONE interval '7 hours')::date) FROM active_settlement_line AS line
        WHERE line.organization_id = $1 AND line.provider_account_id = account.id) AS until
    FROM provider_account AS account
    WHERE account.organization_id = $1 AND account.id = ANY ($2::uuid[])
    ORDER BY account.name
"""


async def read_settlements_until(tx: Transaction, account_ids: Sequence[ProviderAccountId]) -> list[StatedUntil]:
    """The last day that the settlement reports of each provider account state."""
    return [read_row(StatedUntil, row) for row in await tx.fetch(_SETTLEMENTS, tx.organization_id, list(account_ids))]
