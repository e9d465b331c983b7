"""The bank accounts of the organization and the cash of the safe that was paid into them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBankAccount:
    """A bank account of the organization."""

    id: UUID
    bank_bin: str
    account_number: str
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankDeposit:
    """Cash of the safe that was paid into a bank account."""

    amount: Dong
    slip: str
    account_number: str
    recorded_by: str
    recorded_at: datetime


_BANK_ACCOUNTS = """
    SELECT id, bank_bin, account_number, holder FROM bank_account WHERE organization_id = $1
    ORDER BY bank_bin, account_number
"""


async def read_bank_accounts(tx: Transaction) -> list[NamedBankAccount]:
    """Every bank account of the organization."""
    return [read_row(NamedBankAccount, row) for row in await tx.fetch(_BANK_ACCOUNTS, tx.organization_id)]


_BANK_DEPOSITS = """
    SELECT deposit.amount, deposit.slip, account.account_number, person.name AS recorded_by, deposit.recorded_at
    FROM bank_deposit AS deposit
    JOIN bank_account AS account ON account.organization_id = $1 AND account.id = deposit.bank_account_id
    JOIN person ON person.organization_id = $1 AND person.id = deposit.recorded_by
    WHERE deposit.organization_id = $1 ORDER BY deposit.id DESC LIMIT $2
"""


async def read_bank_deposits(tx: Transaction, *, limit: int) -> list[BankDeposit]:
    """The last deposits, the newest first."""
    return [read_row(BankDeposit, row) for row in await tx.fetch(_BANK_DEPOSITS, tx.organization_id, limit)]
