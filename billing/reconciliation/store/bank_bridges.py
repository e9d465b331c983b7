"""The items of the bridge of a bank account: statement lines and entries that are not in both balances of a day.

Only rows that changed since the last closed day are read, and the items of its result: a line that was in both balances
then is in both now, unless its match ended. `clearing_items.py` reads the items of provider accounts.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.ids import LedgerAccountId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.reconciliation.domain.day_result import BridgeItem, ItemKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePeriod:
    """The day of a bridge. `closed` is the last earlier day whose result is stored; None where there is none."""

    day: date
    closed: date | None


_CLOSED = """
    SELECT max(day) FROM day_result
    WHERE organization_id = $1 AND account_kind = $2 AND account_id = $3 AND day < $4
"""


async def find_period(tx: Transaction, account_kind: str, account_id: UUID, day: date) -> BridgePeriod:
    """The day with the last earlier one that has a stored result for the account."""
    closed: date | None = await tx.fetchval(_CLOSED, tx.organization_id, account_kind, account_id, day)
    return BridgePeriod(day=day, closed=closed)


# Clocks of machines may differ, so an hour before the closing is read again: a line that both balances have is no item.
# `posted` is 1 where an entry of a match moved the line to the ledger account until the day, and none moved it back.
_LINE_ITEMS = """
    WITH candidate AS (
        SELECT id FROM statement_line
        WHERE organization_id = $1 AND bank_account_id = $2 AND booked_on > coalesce($4::date, '-infinity')
            AND booked_on <= $3
        UNION
        SELECT item_id FROM day_result_item
        WHERE organization_id = $1 AND day = $4 AND account_kind = 'bank_account' AND account_id = $2
            AND item_id IS NOT NULL
        UNION
        SELECT item.item_id FROM journal_entry AS entry
        JOIN match ON match.organization_id = $1 AND match.entry_id = entry.id
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = match.id
            AND item.item_kind = 'statement_line'
        WHERE entry.organization_id = $1 AND entry.accounting_date > coalesce($4::date, '-infinity')
            AND entry.accounting_date <= $3
        UNION
        SELECT item.item_id FROM journal_entry AS entry
        JOIN match ON match.organization_id = $1 AND match.ending_entry_id = entry.id
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = match.id
            AND item.item_kind = 'statement_line'
        WHERE entry.organization_id = $1 AND entry.accounting_date > coalesce($4::date, '-infinity')
            AND entry.accounting_date <= $3
        UNION
        SELECT line.id FROM reconciliation_import AS import
        JOIN statement_line AS line ON line.organization_id = $1 AND line.import_id = import.id
            AND line.bank_account_id = $2
        WHERE import.organization_id = $1 AND import.state = 'active' AND import.ended_at > (
            SELECT closed_at - interval '1 hour' FROM day_closing WHERE organization_id = $1 AND day = $4)
        UNION
        SELECT item.item_id FROM match
        JOIN match_item AS item ON item.organization_id = $1 AND item.match_id = match.id
            AND item.item_kind = 'statement_line'
        WHERE match.organization_id = $1 AND match.ended_at > (
            SELECT closed_at - interval '1 hour' FROM day_closing WHERE organization_id = $1 AND day = $4)
    )
    SELECT line.id, line.amount * ((line.booked_on <= $3)::int - state.posted) AS amount,
        line.booked_on <= $3 AS is_stated, state.is_matched, state.is_direct
    FROM candidate
    JOIN active_statement_line AS line ON line.organization_id = $1 AND line.id = candidate.id
        AND line.bank_account_id = $2 AND NOT line.is_tentative
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(coalesce((entry.accounting_date <= $3)::int, 0)
                - coalesce((ending.accounting_date <= $3)::int, 0)), 0) AS posted,
            coalesce(bool_or(match.state = 'live'), false) AS is_matched,
            coalesce(bool_or(match.state = 'live' AND match.entry_id IS NULL), false) AS is_direct
        FROM match_item AS item
        JOIN match ON match.organization_id = $1 AND match.id = item.match_id
        LEFT JOIN journal_entry AS entry ON entry.organization_id = $1 AND entry.id = match.entry_id
        LEFT JOIN journal_entry AS ending ON ending.organization_id = $1 AND ending.id = match.ending_entry_id
        WHERE item.organization_id = $1 AND item.item_kind = 'statement_line' AND item.item_id = line.id
    ) AS state
    WHERE (line.booked_on <= $3)::int <> state.posted
    ORDER BY line.booked_on, line.id
"""


async def read_line_items(tx: Transaction, bank_account_id: UUID, period: BridgePeriod) -> list[BridgeItem]:
    """Statement lines that are in one of the two balances only."""
    rows = await tx.fetch(_LINE_ITEMS, tx.organization_id, bank_account_id, period.day, period.closed)
    return [
        BridgeItem(_kind_of_line(row["is_stated"], row["is_matched"], row["is_direct"]), row["id"], Dong(row["amount"]))
        for row in rows
    ]


def _kind_of_line(is_stated: bool, is_matched: bool, is_direct: bool) -> ItemKind:
    if not is_stated:
        return ItemKind.LINE_POSTED_EARLIER
    if not is_matched:
        return ItemKind.LINE_UNMATCHED
    return ItemKind.LINE_OF_DIRECT_ENTRY if is_direct else ItemKind.LINE_POSTED_LATER


# Entries of matches are in the lines; the opening balance is compared with the first statement.
_DIRECT_ITEMS = """
    WITH candidate AS (
        SELECT id FROM journal_entry
        WHERE organization_id = $1 AND accounting_date > coalesce($4::date, '-infinity') AND accounting_date <= $3
            AND kind <> 'opening_balances'
        UNION
        SELECT item_id FROM day_result_item
        WHERE organization_id = $1 AND day = $4 AND account_kind = 'bank_account' AND account_id = $5
            AND kind = 'direct_entry'
    )
    SELECT candidate.id, -sum(CASE WHEN posting.debit_account_id = $2 THEN posting.amount
        ELSE -posting.amount END)::bigint AS amount
    FROM candidate
    JOIN posting ON posting.organization_id = $1 AND posting.entry_id = candidate.id
        AND $2 IN (posting.debit_account_id, posting.credit_account_id)
    WHERE NOT EXISTS (SELECT FROM match WHERE match.organization_id = $1 AND match.entry_id = candidate.id)
        AND NOT EXISTS (SELECT FROM match WHERE match.organization_id = $1 AND match.ending_entry_id = candidate.id)
    GROUP BY candidate.id
    HAVING sum(CASE WHEN posting.debit_account_id = $2 THEN posting.amount ELSE -posting.amount END) <> 0
    ORDER BY candidate.id
"""


async def read_direct_items(
    tx: Transaction, bank_account_id: UUID, ledger_account_id: LedgerAccountId, period: BridgePeriod
) -> list[BridgeItem]:
    """Entries that moved the ledger account of the bank account without a match: its balance holds them alone."""
    rows = await tx.fetch(
        _DIRECT_ITEMS, tx.organization_id, ledger_account_id, period.day, period.closed, bank_account_id
    )
    return [BridgeItem(ItemKind.DIRECT_ENTRY, row["id"], Dong(row["amount"])) for row in rows]


_SUM_LINES = """
    SELECT coalesce(sum(amount), 0)::bigint FROM active_statement_line
    WHERE organization_id = $1 AND bank_account_id = $2 AND booked_on BETWEEN $3 AND $4 AND NOT is_tentative
"""


async def sum_lines(tx: Transaction, bank_account_id: UUID, *, first_day: date, last_day: date) -> Dong:
    """The sum of the statement lines of some days, both included."""
    return Dong(await tx.fetchval(_SUM_LINES, tx.organization_id, bank_account_id, first_day, last_day))


_OPENING = """
    SELECT coalesce(sum(
        CASE WHEN posting.debit_account_id = $2 THEN posting.amount ELSE -posting.amount END), 0)::bigint
    FROM journal_entry AS entry
    JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
        AND $2 IN (posting.debit_account_id, posting.credit_account_id)
    WHERE entry.organization_id = $1 AND entry.kind = 'opening_balances' AND entry.accounting_date = (
        SELECT min(day) FROM business_day WHERE organization_id = $1)
"""


async def read_opening_balance(tx: Transaction, ledger_account_id: LedgerAccountId) -> Dong:
    """The opening balance that was posted to an account: it is on the first day of the books."""
    return Dong(await tx.fetchval(_OPENING, tx.organization_id, ledger_account_id))
