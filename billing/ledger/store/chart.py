"""The chart of accounts as stored: dated numbers and names of ledger accounts."""

from dataclasses import dataclass
from datetime import date

from billing.core.ids import LedgerAccountId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, AccountRole


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartNumber:
    """The number and name of one account from a day."""

    account_id: LedgerAccountId
    account: AccountKey
    number: str
    name: str
    valid_from: date


_READ_CHART = """
    SELECT account.id, account.role, account.subject, ledger_number.number, ledger_number.name, ledger_number.valid_from
    FROM ledger_account AS account
    JOIN ledger_number ON ledger_number.organization_id = $1 AND ledger_number.account_id = account.id
    WHERE account.organization_id = $1
    ORDER BY account.role, account.subject, ledger_number.valid_from
"""


async def read_chart(tx: Transaction) -> list[ChartNumber]:
    """Every number of every account, by role, subject and day."""
    return [
        ChartNumber(
            account_id=LedgerAccountId(row["id"]),
            account=AccountKey(AccountRole(row["role"]), row["subject"]),
            number=row["number"],
            name=row["name"],
            valid_from=row["valid_from"],
        )
        for row in await tx.fetch(_READ_CHART, tx.organization_id)
    ]


_ADD_NUMBER = """
    INSERT INTO ledger_number (organization_id, account_id, valid_from, number, name) VALUES ($1, $2, $3, $4, $5)
"""


async def add_number(tx: Transaction, account_id: LedgerAccountId, *, valid_from: date, number: str, name: str) -> None:
    """Number an account from a day. The database refuses a number that two persons have not approved."""
    await tx.execute(_ADD_NUMBER, tx.organization_id, account_id, valid_from, number, name)


_LAST_CLOSED_DAY = """
    SELECT max(day) FROM business_day WHERE organization_id = $1 AND state = 'closed'
"""


async def find_last_closed_day(tx: Transaction) -> date | None:
    """The last closed day; None before the first closing."""
    found: date | None = await tx.fetchval(_LAST_CLOSED_DAY, tx.organization_id)
    return found
