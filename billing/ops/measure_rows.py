"""Measured rows of the database: queues of an organization, each counted up to a limit, and the server's replication.

Every subquery reads an index from its end and stops: the cost does not grow with the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import LedgerAccountId
from billing.db.database import ReadTransaction, Transaction
from billing.db.rows import read_row

COUNTED_MAX = 10_000
"""How far a queue is counted: a longer one needs a person in any case."""

SLOTS_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationQueues:
    """What waits in an organization. Counts end at COUNTED_MAX; a time is that of the oldest, None where none waits.

    `oldest_intent_at` is the creation of the open intent that expires first. `unsealed_since` is the time of the oldest
    row without a seal. `unallocated_account_id` is the ledger account of unallocated money.
    """

    exceptions_open: int
    exceptions_overdue: int
    oldest_exception_at: datetime | None
    oldest_intent_at: datetime | None
    webhooks_waiting: int
    oldest_webhook_at: datetime | None
    webhooks_dead: int
    dead_letters: int
    unsealed_since: datetime | None
    unallocated_account_id: LedgerAccountId | None


# LEAST ignores NULL: a kind without an unsealed row.
_QUEUES = """
    WITH sealed AS MATERIALIZED (
        SELECT coalesce(
            (SELECT covers_until FROM seal WHERE organization_id = $1 ORDER BY number DESC LIMIT 1), '0'::xid8) AS until
    ), exception AS (
        SELECT opened_at, due_at FROM exception_case
        WHERE organization_id = $1 AND state = 'open' ORDER BY opened_at LIMIT $3
    ), webhook AS (
        SELECT due_at FROM webhook_delivery WHERE organization_id = $1 AND state = 'waiting' LIMIT $3
    )
    SELECT
        (SELECT count(*) FROM exception) AS exceptions_open,
        (SELECT count(*) FROM exception WHERE due_at < $2) AS exceptions_overdue,
        (SELECT min(opened_at) FROM exception) AS oldest_exception_at,
        (SELECT created_at FROM intent
            WHERE organization_id = $1 AND state IN ('created', 'pending', 'unknown') AND expires_at IS NOT NULL
            ORDER BY expires_at LIMIT 1) AS oldest_intent_at,
        (SELECT count(*) FROM webhook) AS webhooks_waiting,
        (SELECT min(due_at) FROM webhook) AS oldest_webhook_at,
        (SELECT count(*) FROM (
            SELECT FROM webhook_delivery WHERE organization_id = $1 AND state = 'dead' LIMIT $3
        ) AS dead) AS webhooks_dead,
        (SELECT count(*) FROM (
            SELECT FROM dead_letter
            WHERE organization_id = $1 AND retried_at IS NULL AND closed_at IS NULL LIMIT $3
        ) AS letter) AS dead_letters,
        least(
            (SELECT recorded_at FROM journal_entry
                WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
                ORDER BY transaction_id LIMIT 1),
            (SELECT recorded_at FROM payment
                WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
                ORDER BY transaction_id LIMIT 1),
            (SELECT recorded_at FROM audit
                WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
                ORDER BY transaction_id LIMIT 1),
            (SELECT received_at FROM delivery
                WHERE organization_id = $1 AND transaction_id >= (SELECT until FROM sealed)
                ORDER BY transaction_id LIMIT 1)
        ) AS unsealed_since,
        (SELECT id FROM ledger_account WHERE organization_id = $1 AND role = 'unallocated' ORDER BY id LIMIT 1)
            AS unallocated_account_id
"""


async def read_queues(tx: Transaction, now: datetime) -> OrganizationQueues:
    """What waits in the organization now."""
    row = await tx.fetchrow(_QUEUES, tx.organization_id, now, COUNTED_MAX)
    assert row is not None, "a statement without FROM has a row"
    return read_row(OrganizationQueues, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSlot:
    """A reader of the WAL: a standby, or the archive of the backups. `lag_bytes` is what it has not confirmed; None
    where the server no longer keeps what it lacks.
    """

    name: str
    is_active: bool
    lag_bytes: int | None


# A standby has no current WAL position.
_SLOTS = """
    SELECT slot_name AS name, active AS is_active, CASE WHEN NOT pg_is_in_recovery()
        THEN pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(confirmed_flush_lsn, restart_lsn))::bigint END AS lag_bytes
    FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name LIMIT $1
"""


async def read_slots(reader: ReadTransaction) -> Sequence[ReplicationSlot]:
    """The replication slots of the server; every role may read them."""
    return [read_row(ReplicationSlot, row) for row in await reader.fetch(_SLOTS, SLOTS_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCheck:
    """The last check of a server's backups; None: no complete backup, or no restore drill yet."""

    server: str
    checked_at: datetime
    problems: int
    backup_ended_at: datetime | None
    drilled_at: datetime | None


_CHECKS = """
    SELECT server, checked_at, problems, backup_ended_at, drilled_at FROM backup_check ORDER BY server LIMIT $1
"""


async def read_backup_checks(reader: ReadTransaction) -> Sequence[BackupCheck]:
    """The last check of each server."""
    return [read_row(BackupCheck, row) for row in await reader.fetch(_CHECKS, SLOTS_MAX)]


_RECORD_CHECK = """
    INSERT INTO backup_check (server, checked_at, problems, backup_ended_at, drilled_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (server) DO UPDATE SET checked_at = excluded.checked_at, problems = excluded.problems,
        backup_ended_at = coalesce(excluded.backup_ended_at, backup_check.backup_ended_at),
        drilled_at = coalesce(excluded.drilled_at, backup_check.drilled_at)
    RETURNING server
"""


async def record_backup_check(reader: ReadTransaction, check: BackupCheck) -> None:
    """Replace the last check of a server. A complete backup and a drill that an earlier check found stay stated."""
    await reader.fetchval(
        _RECORD_CHECK, check.server, check.checked_at, check.problems, check.backup_ended_at, check.drilled_at
    )
