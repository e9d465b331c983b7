"""What opening balances are checked against: the beginning of the books, and the accounts that a row may name."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.db.database import Transaction

_FIRST_DAY = """
    SELECT CASE WHEN EXISTS (SELECT FROM journal_entry WHERE organization_id = $1) THEN '-infinity'::date
        ELSE coalesce((SELECT min(day) FROM business_day WHERE organization_id = $1), 'infinity') END <= $2
"""


async def have_books_begun(tx: Transaction, opening_day: date) -> bool:
    """Whether the books have an entry, or a day that is not after the day of the opening balances."""
    begun: bool = await tx.fetchval(_FIRST_DAY, tx.organization_id, opening_day)
    return begun


@dataclass(frozen=True, slots=True)
class NamedAccounts:
    """The ids of bank accounts by number and of provider accounts by name; a number of two banks has two ids."""

    bank_accounts: tuple[tuple[str, UUID], ...]
    provider_accounts: tuple[tuple[str, UUID], ...]


_BANK_ACCOUNTS = """
    SELECT account_number AS name, id FROM bank_account WHERE organization_id = $1 ORDER BY id
"""

_PROVIDER_ACCOUNTS = """
    SELECT name, id FROM provider_account WHERE organization_id = $1 ORDER BY id
"""


async def read_named_accounts(tx: Transaction) -> NamedAccounts:
    """Every bank account and provider account of the organization."""
    banks = await tx.fetch(_BANK_ACCOUNTS, tx.organization_id)
    providers = await tx.fetch(_PROVIDER_ACCOUNTS, tx.organization_id)
    return NamedAccounts(
        tuple((row["name"], row["id"]) for row in banks), tuple((row["name"], row["id"]) for row in providers)
    )
