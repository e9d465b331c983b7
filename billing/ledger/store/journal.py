"""Writes the journal: opened days, entries with their postings, outbox and audit lines of single use cases.

The callback path writes the same rows in its own statement (`payments/store/bookings.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import LedgerAccountId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, AccountKind, DayState, Entry, Side
from billing.ledger.domain.balances import AccountBalance, inline_movements
from billing.ledger.store.balances import move_inline_balances
from billing.ledger.store.posting_rows import postings_of

_OPEN_DAY = """
    INSERT INTO business_day (organization_id, day, state, opened_at) VALUES ($1, $2, 'open', $3)
    ON CONFLICT DO NOTHING
"""


async def open_day(tx: Transaction, day: date, *, at: datetime) -> None:
    """Open a day of the books unless it was ever opened; the day lock must be held."""
    await tx.execute(_OPEN_DAY, tx.organization_id, day, at)


_DAYS = """
    SELECT day, state FROM business_day WHERE organization_id = $1 AND day BETWEEN $2 AND $3
"""


async def read_days(tx: Transaction, *, first_day: date, last_day: date) -> dict[date, DayState]:
    """The days ever opened in a period, both ends included; the day lock must be held by an earlier statement."""
    rows = await tx.fetch(_DAYS, tx.organization_id, first_day, last_day)
    return {row["day"]: DayState(row["state"]) for row in rows}


_WRITE_ENTRIES = """
    WITH entry AS (
        INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind,
            actor_id, acting_for)
        SELECT $1, id, kind, effective_at, recorded_at, accounting_date, actor_kind, actor_id, acting_for
        FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::date[], $7::text[], $8::uuid[],
            $9::uuid[])
        AS t (id, kind, effective_at, recorded_at, accounting_date, actor_kind, actor_id, acting_for)
    )
    INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id,
        invoice_id, payment_id, payer)
    SELECT $1, entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, payer
    FROM unnest($10::uuid[], $11::int[], $12::uuid[], $13::uuid[], $14::bigint[], $15::uuid[], $16::uuid[], $17::uuid[],
        $18::text[])
    AS t (entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, payer)
"""


async def write_entries(
    tx: Transaction, entries: Sequence[Entry], accounts: Mapping[AccountKey, LedgerAccountId]
) -> None:
    """Write entries with their postings and update the locked balances they move. Raises BalanceBelowFloor."""
    rows = [
        (
            entry.id,
            entry.kind.value,
            entry.effective_at,
            entry.recorded_at,
            entry.accounting_date,
            entry.actor.kind.value,
            entry.actor.id,
            entry.actor.person,
        )
        for entry in entries
    ]
    postings = [row for entry in entries for row in postings_of(entry, accounts)]
    await tx.execute(_WRITE_ENTRIES, tx.organization_id, *columns(rows, 8), *columns(postings, 9))
    movements = inline_movements([posting for entry in entries for posting in entry.postings], accounts)
    if movements:
        await move_inline_balances(tx, movements)


_WRITE_MESSAGE = """
    INSERT INTO outbox (organization_id, id, topic, payload) VALUES ($1, $2, $3, $4)
"""


async def write_message(tx: Transaction, message_id: UUID, *, topic: str, payload: Mapping[str, object]) -> None:
    """Write a message to the outbox: ids and amounts only."""
    await tx.execute(_WRITE_MESSAGE, tx.organization_id, message_id, topic, dict(payload))


_WRITE_AUDIT = """
    INSERT INTO audit (organization_id, id, recorded_at, actor_kind, actor_id, acting_for, action, subject_kind,
        subject_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def write_audit(
    tx: Transaction,
    audit_id: UUID,
    *,
    recorded_at: datetime,
    actor: Actor,
    action: str,
    subject: tuple[str, UUID],
) -> None:
    """Record the action of an actor on a subject; `subject` is its kind and id."""
    await tx.execute(
        _WRITE_AUDIT,
        tx.organization_id,
        audit_id,
        recorded_at,
        actor.kind.value,
        actor.id,
        actor.person,
        action,
        *subject,
    )


_TRIAL_BALANCE = """
    SELECT account.id AS account_id, account.role, account.subject, account.kind, account.normal_side,
        coalesce(number.number, '') AS number, coalesce(number.name, '') AS name,
        coalesce(moved.debit, 0)::bigint AS debit, coalesce(moved.credit, 0)::bigint AS credit
    FROM ledger_account AS account
    LEFT JOIN LATERAL (
        SELECT ledger_number.number, ledger_number.name FROM ledger_number
        WHERE ledger_number.organization_id = $1 AND ledger_number.account_id = account.id
            AND ledger_number.valid_from <= $2
        ORDER BY ledger_number.valid_from DESC LIMIT 1
    ) AS number ON true
    LEFT JOIN (
        SELECT account_id, sum(debit) AS debit, sum(credit) AS credit FROM (
            SELECT debit_account_id AS account_id, amount AS debit, 0 AS credit FROM posting WHERE organization_id = $1
            UNION ALL
            SELECT credit_account_id, 0, amount FROM posting WHERE organization_id = $1
        ) AS sides GROUP BY account_id
    ) AS moved ON moved.account_id = account.id
    WHERE account.organization_id = $1
    ORDER BY number.number, account.role, account.subject
"""


async def read_trial_balance(tx: Transaction, *, on: date) -> Sequence[AccountBalance]:
    """Debits and credits of every account recomputed from the first posting on, with its account number on a day.

    Reads every posting: for checks and tests. `balances.py` returns the same from snapshots.
    """
    return [
        AccountBalance(**{**row, "kind": AccountKind(row["kind"]), "normal_side": Side(row["normal_side"])})
        for row in await tx.fetch(_TRIAL_BALANCE, tx.organization_id, on)
    ]
