"""Ledger accounts of an organization: added with their role, never changed."""

from collections.abc import Sequence
from datetime import date

from billing.core.ids import LedgerAccountId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import CHART, AccountKey, AccountKind, AccountRole

_ADD_LEDGER_ACCOUNTS = """
    INSERT INTO ledger_account (organization_id, id, role, subject, kind, normal_side)
    SELECT $1, id, role, subject, kind, side
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS t (id, role, subject, kind, side)
"""


_ADD_INLINE_BALANCES = """
    INSERT INTO inline_balance (organization_id, account_id) SELECT $1, id FROM unnest($2::uuid[]) AS t (id)
"""


_ADD_LEDGER_NUMBERS = """
    INSERT INTO ledger_number (organization_id, account_id, valid_from, number, name)
    SELECT $1, id, $3, number, name FROM unnest($2::uuid[], $4::text[], $5::text[]) AS t (id, number, name)
"""


async def add_ledger_accounts(
    tx: Transaction, accounts: Sequence[tuple[LedgerAccountId, AccountKey]], *, valid_from: date
) -> None:
    """Add ledger accounts with the proposed number and name of their role; an inline account starts at 0."""
    ids = [account_id for account_id, _ in accounts]
    keys = [key for _, key in accounts]
    terms = [CHART[key.role] for key in keys]
    await tx.execute(
        _ADD_LEDGER_ACCOUNTS,
        tx.organization_id,
        ids,
        [key.role.value for key in keys],
        [key.subject for key in keys],
        [term.kind.value for term in terms],
        [term.normal_side.value for term in terms],
    )
    inline = [account_id for account_id, term in zip(ids, terms, strict=True) if term.kind is AccountKind.INLINE]
    if inline:
        await tx.execute(_ADD_INLINE_BALANCES, tx.organization_id, inline)
    await tx.execute(
        _ADD_LEDGER_NUMBERS,
        tx.organization_id,
        ids,
        valid_from,
        [term.number for term in terms],
        [term.name for term in terms],
    )


_LEDGER_ACCOUNTS = """
    SELECT id, role, subject FROM ledger_account WHERE organization_id = $1
"""


async def read_ledger_accounts(tx: Transaction) -> dict[AccountKey, LedgerAccountId]:
    """Every ledger account of the organization; they are never changed or removed."""
    rows = await tx.fetch(_LEDGER_ACCOUNTS, tx.organization_id)
    return {AccountKey(AccountRole(row["role"]), row["subject"]): LedgerAccountId(row["id"]) for row in rows}


_ADDED_NOW = """
    SELECT role, subject FROM ledger_account
    WHERE organization_id = $1 AND xmin = pg_current_xact_id_if_assigned()::xid
"""


async def read_added_accounts(tx: Transaction) -> set[AccountKey]:
    """The ledger accounts that this transaction has added: a rollback removes them."""
    rows = await tx.fetch(_ADDED_NOW, tx.organization_id)
    return {AccountKey(AccountRole(row["role"]), row["subject"]) for row in rows}


_ADD_SUBJECT_ACCOUNT = """
    SELECT vienphi_add_ledger_account($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def add_subject_account(
    tx: Transaction, account_id: LedgerAccountId, key: AccountKey, *, valid_from: date
) -> None:
    """Add the account of a subject with the number and name that its role proposes; does nothing if it exists."""
    terms = CHART[key.role]
    await tx.execute(
        _ADD_SUBJECT_ACCOUNT,
        account_id,
        key.role.value,
        key.subject,
        terms.kind.value,
        terms.normal_side.value,
        terms.number,
        terms.name,
        valid_from,
    )
