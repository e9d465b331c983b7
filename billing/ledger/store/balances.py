"""Balances without reading every posting: snapshots up to a watermark, the postings after it, and locked rows.

A snapshot contains the movements of each account on each accounting date in transactions before the watermark; a
balance is the sum of these rows and of the few postings from the watermark on, read in one statement. Rows of a
transaction still running are at or above the watermark, so nothing is missed or counted twice. `checks.py` recomputes
balances from every posting. Source: docs/design.md §4, Accounts and Watermarks.
"""

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from billing.core.ids import LedgerAccountId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKind, Side
from billing.ledger.domain.balances import AccountBalance, BalanceBelowFloor, InlineMovement

_FLOOR = "balance_not_below_floor"

_EXTEND_SNAPSHOTS = """
    SELECT vienphi_extend_snapshots($1, $2)
"""


async def extend_snapshots(tx: Transaction, *, at: datetime, postings_max: int) -> int:
    """Add finished postings to the snapshots, about `postings_max` at most; returns their number.

    Writes nothing if there are none. A second caller waits for the first and continues after it.
    """
    return int(await tx.fetchval(_EXTEND_SNAPSHOTS, at, postings_max))


# The planner cannot know how few postings are above a watermark that the statement itself reads, and would read them
# all. For the rest of the transaction only index look-ups are allowed. An entry's date is read row by row for the same
# reason.
_LOOK_UP_ONLY = """
    SELECT set_config('enable_seqscan', 'off', true)
"""

# One statement, so that snapshots, their watermark and the later postings are from one database snapshot. The watermark
# is 0 if no balance snapshot was stored yet. The account number is the one of the requested day.
_BALANCES = """
    WITH unread AS MATERIALIZED (
        SELECT debit_account_id, credit_account_id, amount, (
            SELECT accounting_date FROM journal_entry WHERE organization_id = $1 AND id = posting.entry_id
        ) AS accounting_date
        FROM posting
        WHERE organization_id = $1
            AND transaction_id >= coalesce(
                (SELECT covers_until FROM balance_watermark WHERE organization_id = $1), '0'::xid8)
            AND ($4::uuid IS NULL OR $4 IN (debit_account_id, credit_account_id))
    ), later AS (
        SELECT debit_account_id, credit_account_id, amount FROM unread WHERE accounting_date <= $2
    ), moved AS (
        SELECT account_id, sum(debit) AS debit, sum(credit) AS credit FROM (
            SELECT account_id, debit, credit FROM balance_snapshot
            WHERE organization_id = $1 AND accounting_date <= $2 AND ($4::uuid IS NULL OR account_id = $4)
            UNION ALL
            SELECT debit_account_id, amount, 0 FROM later
            UNION ALL
            SELECT credit_account_id, 0, amount FROM later
        ) AS sides GROUP BY account_id
    )
    SELECT account.id, account.role, account.subject, account.kind, account.normal_side,
        coalesce(number.number, '') AS number, coalesce(number.name, '') AS name,
        coalesce(moved.debit, 0)::bigint AS debit, coalesce(moved.credit, 0)::bigint AS credit
    FROM ledger_account AS account
    LEFT JOIN LATERAL (
        SELECT ledger_number.number, ledger_number.name FROM ledger_number
        WHERE ledger_number.organization_id = $1 AND ledger_number.account_id = account.id
            AND ledger_number.valid_from <= $3
        ORDER BY ledger_number.valid_from DESC LIMIT 1
    ) AS number ON true
    LEFT JOIN moved ON moved.account_id = account.id
    WHERE account.organization_id = $1 AND ($4::uuid IS NULL OR account.id = $4)
    ORDER BY number.number, account.role, account.subject
"""


async def read_balances(
    tx: Transaction, *, until: date, chart_on: date, account_id: LedgerAccountId | None = None
) -> list[AccountBalance]:
    """The balance of every account, or of one, at the end of a business day.

    `until` is the last accounting date that counts; `chart_on` is the day whose account numbers are shown.
    """
    await tx.fetchrow(_LOOK_UP_ONLY)
    rows = await tx.fetch(_BALANCES, tx.organization_id, until, chart_on, account_id)
    return [_balance(row) for row in rows]


def _balance(row: asyncpg.Record) -> AccountBalance:
    return AccountBalance(
        account_id=LedgerAccountId(row["id"]),
        role=row["role"],
        subject=row["subject"],
        kind=AccountKind(row["kind"]),
        normal_side=Side(row["normal_side"]),
        number=row["number"],
        name=row["name"],
        debit=row["debit"],
        credit=row["credit"],
    )


_LOCK_INLINE = """
    SELECT account_id FROM inline_balance WHERE organization_id = $1 AND account_id = ANY($2::uuid[])
    ORDER BY account_id FOR UPDATE
"""

_MOVE_INLINE = """
    UPDATE inline_balance SET balance = balance + t.amount
    FROM unnest($2::uuid[], $3::bigint[]) AS t (account_id, amount)
    WHERE inline_balance.organization_id = $1 AND inline_balance.account_id = t.account_id
"""


async def move_inline_balances(tx: Transaction, movements: Sequence[InlineMovement]) -> None:
    """Update the locked rows of inline accounts, last of all locks, in order of ids; one movement for each account.

    Raises BalanceBelowFloor if the balance of an account is too low; the transaction is then rolled back.
    """
    accounts = [movement.account_id for movement in movements]
    assert len(set(accounts)) == len(accounts), "movements of one account are summed before they come here"
    locked = await tx.fetch(_LOCK_INLINE, tx.organization_id, accounts)
    assert len(locked) == len(accounts), "an inline account has its row from the day it is made"
    try:
        await tx.execute(_MOVE_INLINE, tx.organization_id, accounts, [movement.amount for movement in movements])
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != _FLOOR:
            raise
        raise BalanceBelowFloor("the account does not hold so much") from error
