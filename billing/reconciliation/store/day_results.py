"""The results of days: the accounts that have one, the reasons why a day is incomplete, and the stored results.

The items of a result are read by `bank_bridges.py` and `clearing_items.py`, the certificate by `day_certificates.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import LockClass, Transaction
from billing.db.rows import read_row
from billing.ledger.domain.day_blocker import DayBlocker
from billing.reconciliation.domain.day_result import AccountDay, AccountKind, BridgeItem, DayResult, ItemKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A bank account, its clearing, a card terminal or a provider account; the name of a bank account is its number."""

    kind: AccountKind
    account_id: UUID
    name: str


# A bank account is reconciled once it has a statement, a ledger account, or a provider account with a movement.
_ACCOUNTS = """
    SELECT 'provider_account' AS kind, account.id AS account_id, account.name
    FROM provider_account AS account
    WHERE account.organization_id = $1 AND (
        EXISTS (SELECT FROM ledger_account AS ledger
            WHERE ledger.organization_id = $1 AND ledger.role = 'clearing' AND ledger.subject = account.id::text
                AND ledger.id = ANY ($2::uuid[]))
        OR EXISTS (SELECT FROM settlement_line AS line
            WHERE line.organization_id = $1 AND line.provider_account_id = account.id))
    UNION ALL
    SELECT 'bank_account', bank.id, bank.account_number
    FROM bank_account AS bank
    WHERE bank.organization_id = $1 AND (
        EXISTS (SELECT FROM ledger_account AS ledger
            WHERE ledger.organization_id = $1 AND ledger.role = 'bank' AND ledger.subject = bank.id::text
                AND ledger.id = ANY ($2::uuid[]))
        OR EXISTS (SELECT FROM bank_statement AS statement
            WHERE statement.organization_id = $1 AND statement.bank_account_id = bank.id)
        OR EXISTS (SELECT FROM provider_account AS account
            JOIN ledger_account AS ledger ON ledger.organization_id = $1 AND ledger.role = 'clearing'
                AND ledger.subject = account.id::text AND ledger.id = ANY ($2::uuid[])
            WHERE account.organization_id = $1 AND account.bank_account_id = bank.id))
    UNION ALL
    SELECT 'bank_clearing', bank.id, bank.account_number
    FROM ledger_account AS ledger
    JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id::text = ledger.subject
    WHERE ledger.organization_id = $1 AND ledger.role = 'clearing' AND ledger.id = ANY ($2::uuid[])
    UNION ALL
    SELECT 'card_terminal', terminal.id, terminal.name
    FROM ledger_account AS ledger
    JOIN card_terminal AS terminal ON terminal.organization_id = $1 AND terminal.id::text = ledger.subject
    WHERE ledger.organization_id = $1 AND ledger.role = 'clearing' AND ledger.id = ANY ($2::uuid[])
    ORDER BY kind, name
"""


async def read_accounts(tx: Transaction, moved: Sequence[UUID]) -> list[Account]:
    """The accounts that have a result on a day; `moved` are the ledger accounts with a movement until that day."""
    rows = await tx.fetch(_ACCOUNTS, tx.organization_id, list(moved))
    return [Account(kind=AccountKind(row["kind"]), account_id=row["account_id"], name=row["name"]) for row in rows]


_BLOCKERS = """
    SELECT 'unfinished_import' AS kind, 1 AS number, '' AS name, '' AS at, '' AS state
    FROM reconciliation_import WHERE organization_id = $1 AND state = 'staging'
    UNION ALL
    SELECT 'open_shift', 1, desk.name,
        to_char(shift.opened_at AT TIME ZONE interval '7 hours', 'YYYY-MM-DD HH24:MI'), shift.state
    FROM shift
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    WHERE shift.organization_id = $1 AND shift.state <> 'closed'
        AND (shift.opened_at AT TIME ZONE interval '7 hours')::date <= $2
    UNION ALL
    SELECT 'pending_hand_overs', count(*)::int, '', '', ''
    FROM hand_over
    WHERE organization_id = $1 AND state = 'pending'
        AND (requested_at AT TIME ZONE interval '7 hours')::date <= $2
    HAVING count(*) > 0
"""


async def read_day_blockers(tx: Transaction, day: date) -> list[DayBlocker]:
    """The reasons of reconciliation and cash why a day is incomplete."""
    return [read_row(DayBlocker, row) for row in await tx.fetch(_BLOCKERS, tx.organization_id, day)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftOfDay:
    """A closed shift that was opened on a day, for the closing paper; amounts in đồng."""

    desk: str
    opened_at: datetime
    counted_cash: int
    difference: int


_SHIFTS = """
    SELECT desk.name AS desk, shift.opened_at, shift.counted_cash,
        shift.counted_cash - shift.expected_cash AS difference
    FROM shift
    JOIN desk ON desk.organization_id = $1 AND desk.id = shift.desk_id
    WHERE shift.organization_id = $1 AND shift.state = 'closed'
        AND shift.opened_at >= $2::date::timestamp AT TIME ZONE interval '7 hours'
        AND shift.opened_at < ($2::date + 1)::timestamp AT TIME ZONE interval '7 hours'
    ORDER BY shift.opened_at, shift.id
"""


async def read_shifts(tx: Transaction, day: date) -> list[ShiftOfDay]:
    """The closed shifts that were opened on a day."""
    return [read_row(ShiftOfDay, row) for row in await tx.fetch(_SHIFTS, tx.organization_id, day)]


_OPEN_DAYS = """
    SELECT day FROM business_day
    WHERE organization_id = $1 AND day BETWEEN $2 AND $3 AND state = 'open'
    ORDER BY day
"""


async def read_open_days(tx: Transaction, *, first_day: date, last_day: date) -> list[date]:
    """The days of a period that are still open."""
    return [row["day"] for row in await tx.fetch(_OPEN_DAYS, tx.organization_id, first_day, last_day)]


_LOCK_IMPORTS = """
    SELECT pg_try_advisory_xact_lock($1::int, $2::int)
"""


async def lock_imports_until_commit(tx: Transaction) -> bool:
    """Let no import begin or end until this transaction ends; False if one is under way."""
    held: bool = await tx.fetchval(_LOCK_IMPORTS, LockClass.IMPORT.value, tx.organization_id)
    return held


# A payment after the cut-off is only late: it is pending, and needs a person once it is past its term.
_WITHOUT_OWNER = """
    SELECT count(*) FROM exception_case
    WHERE organization_id = $1 AND state = 'open' AND owner_id IS NULL AND reason <> 'after_cut_off'
        AND coalesce(business_day, (opened_at AT TIME ZONE interval '7 hours')::date) <= $2
"""


async def count_without_owner(tx: Transaction, day: date) -> int:
    """How many open exceptions until a day have no owner."""
    found: int = await tx.fetchval(_WITHOUT_OWNER, tx.organization_id, day)
    return found


_OPEN_EXCEPTIONS = """
    SELECT coalesce(bank_account_id, provider_account_id) AS account_id, count(*) AS open
    FROM exception_case
    WHERE organization_id = $1 AND state = 'open' AND num_nonnulls(bank_account_id, provider_account_id) > 0
        AND reason <> 'after_cut_off'
        AND coalesce(business_day, (opened_at AT TIME ZONE interval '7 hours')::date) <= $2
    GROUP BY coalesce(bank_account_id, provider_account_id)
"""


async def count_open_exceptions(tx: Transaction, day: date) -> dict[UUID, int]:
    """The number of open exceptions until a day, by account; an account without one is omitted."""
    rows = await tx.fetch(_OPEN_EXCEPTIONS, tx.organization_id, day)
    return {row["account_id"]: row["open"] for row in rows}


_ADD_RESULTS = """
    INSERT INTO day_result (organization_id, day, account_kind, account_id, result, statement_closing, ledger_balance,
        residual, open_exceptions)
    SELECT $1, $2, given.*
    FROM unnest($3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::int[]) AS given
"""

_ADD_ITEMS = """
    INSERT INTO day_result_item (organization_id, day, account_kind, account_id, position, kind, item_id, amount)
    SELECT $1, $2, given.* FROM unnest($3::text[], $4::uuid[], $5::int[], $6::text[], $7::uuid[], $8::bigint[]) AS given
"""


async def add_results(tx: Transaction, day: date, accounts: Sequence[AccountDay]) -> None:
    """Store the results of a day that is closed in this transaction."""
    results = [
        (
            each.kind.value,
            each.account_id,
            each.result.value,
            each.statement_closing,
            each.ledger_balance,
            each.residual,
            each.open_exceptions,
        )
        for each in accounts
    ]
    await tx.execute(_ADD_RESULTS, tx.organization_id, day, *columns(results, 7))
    items = [
        (each.kind.value, each.account_id, position, item.kind.value, item.item_id, item.amount)
        for each in accounts
        for position, item in enumerate(each.items, start=1)
    ]
    await tx.execute(_ADD_ITEMS, tx.organization_id, day, *columns(items, 6))


_RESULTS = """
    SELECT result.account_kind, result.account_id, result.result, result.statement_closing, result.ledger_balance,
        result.residual, result.open_exceptions, coalesce(bank.account_number, provider.name, terminal.name) AS name
    FROM day_result AS result
    LEFT JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id = result.account_id
        AND result.account_kind IN ('bank_account', 'bank_clearing')
    LEFT JOIN provider_account AS provider ON provider.organization_id = $1 AND provider.id = result.account_id
        AND result.account_kind = 'provider_account'
    LEFT JOIN card_terminal AS terminal ON terminal.organization_id = $1 AND terminal.id = result.account_id
        AND result.account_kind = 'card_terminal'
    WHERE result.organization_id = $1 AND result.day = $2
    ORDER BY result.account_kind, name
"""

_ITEMS = """
    SELECT account_kind, account_id, kind, item_id, amount FROM day_result_item
    WHERE organization_id = $1 AND day = $2
    ORDER BY account_kind, account_id, position
"""


async def read_results(tx: Transaction, day: date) -> list[AccountDay]:
    """The stored results of a closed day with their items."""
    items: dict[tuple[str, UUID], list[BridgeItem]] = {}
    for row in await tx.fetch(_ITEMS, tx.organization_id, day):
        item = BridgeItem(ItemKind(row["kind"]), row["item_id"], Dong(row["amount"]))
        items.setdefault((row["account_kind"], row["account_id"]), []).append(item)
    found = []
    for row in await tx.fetch(_RESULTS, tx.organization_id, day):
        account = AccountDay(
            kind=AccountKind(row["account_kind"]),
            account_id=row["account_id"],
            name=row["name"],
            statement_closing=row["statement_closing"],
            ledger_balance=row["ledger_balance"],
            items=tuple(items.get((row["account_kind"], row["account_id"]), ())),
            open_exceptions=row["open_exceptions"],
        )
        assert (account.residual, account.result) == (row["residual"], DayResult(row["result"])), "stored as computed"
        found.append(account)
    return found
