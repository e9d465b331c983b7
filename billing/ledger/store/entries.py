"""Reads the journal: entries page by page, and the lines of one account in a period."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import asyncpg

from billing.core.ids import EntryId, LedgerAccountId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind
from billing.ledger.domain.balances import EntryView, PostingView, StatementCursor, StatementLine

_FIND_ACCOUNT = """
    SELECT id FROM ledger_account WHERE organization_id = $1 AND role = $2 AND subject = $3
"""


async def find_ledger_account(tx: Transaction, key: AccountKey) -> LedgerAccountId | None:
    """The id of an account."""
    found = await tx.fetchval(_FIND_ACCOUNT, tx.organization_id, key.role.value, key.subject)
    return None if found is None else LedgerAccountId(found)


# Newest first. Ids contain their timestamp, so the primary key gives the order.
_ENTRY_IDS = """
    SELECT entry.id FROM journal_entry AS entry
    WHERE entry.organization_id = $1 AND ($2::uuid IS NULL OR entry.id < $2) AND ($3::uuid IS NULL OR entry.id >= $3)
        AND ($5::uuid IS NULL OR EXISTS (SELECT FROM posting
            WHERE posting.organization_id = $1 AND posting.entry_id = entry.id
                AND $5 IN (posting.debit_account_id, posting.credit_account_id)))
        AND ($6::text IS NULL OR entry.kind = $6)
    ORDER BY entry.id DESC LIMIT $4
"""


async def read_entry_ids(
    tx: Transaction, part: ListSlice, *, account_id: LedgerAccountId | None, kind: EntryKind | None
) -> list[EntryId]:
    """The newest entries of a slice; for a named account, only those that move it."""
    rows = await tx.fetch(_ENTRY_IDS, tx.organization_id, part.before, part.first, part.limit, account_id, kind)
    return [EntryId(row["id"]) for row in rows]


_ENTRIES = """
    SELECT entry.id, entry.kind, entry.effective_at, entry.recorded_at, entry.accounting_date, entry.actor_kind,
        entry.actor_id, entry.acting_for, correcting.reversed_entry_id AS reverses, corrected.entry_id AS reversed_by
    FROM journal_entry AS entry
    LEFT JOIN reversal AS correcting ON correcting.organization_id = $1 AND correcting.entry_id = entry.id
    LEFT JOIN reversal AS corrected ON corrected.organization_id = $1 AND corrected.reversed_entry_id = entry.id
    WHERE entry.organization_id = $1 AND entry.id = ANY($2::uuid[])
"""

_POSTINGS = """
    SELECT posting.entry_id, posting.line, posting.amount, posting.visit_id, posting.invoice_id, posting.payment_id,
        posting.payer, debited.role AS debit_role, debited.subject AS debit_subject, credited.role AS credit_role,
        credited.subject AS credit_subject
    FROM posting
    JOIN ledger_account AS debited ON debited.organization_id = $1 AND debited.id = posting.debit_account_id
    JOIN ledger_account AS credited ON credited.organization_id = $1 AND credited.id = posting.credit_account_id
    WHERE posting.organization_id = $1 AND posting.entry_id = ANY($2::uuid[])
    ORDER BY posting.entry_id, posting.line
"""


async def read_entries(tx: Transaction, entry_ids: Sequence[EntryId]) -> list[EntryView]:
    """Entries with their postings, in the order of the ids; ids without an entry in the organization are omitted."""
    rows = {row["id"]: row for row in await tx.fetch(_ENTRIES, tx.organization_id, entry_ids)}
    postings: dict[EntryId, list[PostingView]] = {}
    for row in await tx.fetch(_POSTINGS, tx.organization_id, entry_ids):
        postings.setdefault(row["entry_id"], []).append(_posting(row))
    return [
        EntryView(**dict(rows[entry_id]), postings=tuple(postings.get(entry_id, ())))
        for entry_id in entry_ids
        if entry_id in rows
    ]


def _posting(row: asyncpg.Record) -> PostingView:
    return PostingView(
        line=row["line"],
        debit=_key(row["debit_role"], row["debit_subject"]),
        credit=_key(row["credit_role"], row["credit_subject"]),
        amount=Dong(row["amount"]),
        visit_id=row["visit_id"],
        invoice_id=row["invoice_id"],
        payment_id=row["payment_id"],
        payer=row["payer"],
    )


def _key(role: Any, subject: Any) -> AccountKey:
    return AccountKey(AccountRole(role), subject)


_STATEMENT_LINES = """
    SELECT entry.accounting_date, posting.entry_id, posting.line, entry.kind, entry.effective_at, posting.amount,
        posting.debit_account_id = $2 AS is_debit, other.role, other.subject, posting.visit_id, posting.invoice_id,
        posting.payment_id
    FROM journal_entry AS entry
    JOIN posting ON posting.organization_id = $1 AND posting.entry_id = entry.id
    JOIN ledger_account AS other ON other.organization_id = $1 AND other.id =
        CASE WHEN posting.debit_account_id = $2 THEN posting.credit_account_id ELSE posting.debit_account_id END
    WHERE entry.organization_id = $1 AND entry.accounting_date BETWEEN $3 AND $4
        AND $2 IN (posting.debit_account_id, posting.credit_account_id)
        AND ($5::date IS NULL OR (entry.accounting_date, entry.id) >= ($5, $6::uuid))
        AND ($5::date IS NULL OR (entry.accounting_date, entry.id, posting.line) > ($5, $6::uuid, $7::int))
    ORDER BY entry.accounting_date, entry.id, posting.line LIMIT $8
"""


async def read_statement_lines(
    tx: Transaction,
    account_id: LedgerAccountId,
    *,
    first_day: date,
    last_day: date,
    after: StatementCursor | None,
    limit: int,
) -> list[StatementLine]:
    """The movements of an account in a period of accounting dates, both ends included, in order, after a cursor."""
    place = (None, None, None) if after is None else (after.accounting_date, after.entry_id, after.line)
    rows = await tx.fetch(_STATEMENT_LINES, tx.organization_id, account_id, first_day, last_day, *place, limit)
    return [_statement_line(row) for row in rows]


def _statement_line(row: asyncpg.Record) -> StatementLine:
    amount, nothing = Dong(row["amount"]), Dong(0)
    return StatementLine(
        place=StatementCursor(row["accounting_date"], EntryId(row["entry_id"]), row["line"]),
        kind=row["kind"],
        effective_at=row["effective_at"],
        other=_key(row["role"], row["subject"]),
        debit=amount if row["is_debit"] else nothing,
        credit=nothing if row["is_debit"] else amount,
        visit_id=row["visit_id"],
        invoice_id=row["invoice_id"],
        payment_id=row["payment_id"],
    )
