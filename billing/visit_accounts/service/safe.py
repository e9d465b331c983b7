"""The safe as the treasurer sees it: hand-overs that wait, its cash, bank accounts and the last deposits. Use cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, AccountRole
from billing.ledger.store.balances import read_balances
from billing.ledger.store.entries import find_ledger_account
from billing.visit_accounts.store.safe import (
    BankDeposit,
    NamedBankAccount,
    read_bank_accounts,
    read_bank_deposits,
)
from billing.visit_accounts.store.shift_pages import NamedHandOver, read_recent_hand_overs

_DECIDED_SHOWN = timedelta(days=2)
_DEPOSITS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Safe:
    """The safe of the organization. `cash` in đồng is None for a person of some facilities only."""

    hand_overs: Sequence[NamedHandOver]
    cash: int | None
    bank_accounts: Sequence[NamedBankAccount]
    deposits: Sequence[BankDeposit]


async def find_safe(
    context: Context, organization_id: OrganizationId, *, facility_codes: frozenset[str] | None
) -> Safe:
    """Hand-overs of the person's facilities; cash and deposits of the organization for a person of all facilities."""
    since = context.clock() - _DECIDED_SHOWN
    async with context.database.transaction(organization_id, read_only=True) as tx:
        hand_overs = await read_recent_hand_overs(tx, facility_codes=facility_codes, since=since)
        if facility_codes is not None:
            return Safe(hand_overs=hand_overs, cash=None, bank_accounts=(), deposits=())
        return Safe(
            hand_overs=hand_overs,
            cash=await _cash(tx, on=business_date(context.clock())),
            bank_accounts=await read_bank_accounts(tx),
            deposits=await read_bank_deposits(tx, limit=_DEPOSITS_SHOWN),
        )


async def _cash(tx: Transaction, *, on: date) -> int:
    account_id = await find_ledger_account(tx, AccountKey(AccountRole.SAFE))
    if account_id is None:
        return 0
    [balance] = await read_balances(tx, until=date.max, chart_on=on, account_id=account_id)
    return balance.debit - balance.credit


async def list_bank_accounts(context: Context, organization_id: OrganizationId) -> list[NamedBankAccount]:
    """The bank accounts of the organization, for a transfer or a deposit."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_bank_accounts(tx)
