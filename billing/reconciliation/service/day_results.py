"""A step: the results of an open day, computed from statements, matches and the journal.

Source: docs/reconciliation.md, Result of a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountRole
from billing.ledger.domain.balances import AccountBalance
from billing.ledger.domain.day_blocker import DayBlocker, DayBlockerKind
from billing.ledger.store.balances import read_balances
from billing.ledger.store.days import read_blockers
from billing.reconciliation.domain.day_result import (
    AccountDay,
    AccountKind,
    BridgeItem,
    DayResult,
    ItemKind,
    combine_results,
    remove_direct_pairs,
)
from billing.reconciliation.domain.statement_balance import StatementBalance, find_balance
from billing.reconciliation.store.bank_bridges import (
    find_period,
    read_direct_items,
    read_line_items,
    read_opening_balance,
    sum_lines,
)
from billing.reconciliation.store.clearing_items import read_held_items, read_settlement_items, read_terminal_items
from billing.reconciliation.store.day_results import Account, count_open_exceptions, read_accounts, read_day_blockers
from billing.reconciliation.store.statements import read_chain

_ROLES: Mapping[AccountKind, AccountRole] = {
    AccountKind.BANK_ACCOUNT: AccountRole.BANK,
    AccountKind.BANK_CLEARING: AccountRole.CLEARING,
    AccountKind.CARD_TERMINAL: AccountRole.CLEARING,
    AccountKind.PROVIDER_ACCOUNT: AccountRole.CLEARING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResults:
    """The results of the accounts of a day. `blockers` keep the whole day incomplete."""

    day: date
    accounts: tuple[AccountDay, ...]
    blockers: tuple[DayBlocker, ...] = ()

    @property
    def result(self) -> DayResult:
        return combine_results(self.accounts, self.blockers)

    @property
    def reasons(self) -> tuple[DayBlocker, ...]:
        """Every reason why the day is incomplete."""
        return (*self.blockers, *(reason for each in self.accounts for reason in each.blockers))


async def compute_results(tx: Transaction, day: date) -> DayResults:
    """The results of a day as books and statements are now.

    Reads in several statements: a caller that closes the day holds the locks of the day and of imports.
    """
    blockers = (*await read_blockers(tx, day), *await read_day_blockers(tx, day))
    balances = await read_balances(tx, until=day, chart_on=day)
    ledger = {(each.role, each.subject): each for each in balances if each.debit or each.credit}
    open_exceptions = await count_open_exceptions(tx, day)
    accounts = []
    for account in await read_accounts(tx, [each.account_id for each in ledger.values()]):
        found = ledger.get((_ROLES[account.kind].value, str(account.account_id)))
        compute = _compute_bank if account.kind is AccountKind.BANK_ACCOUNT else _compute_clearing
        # An exception of a bank account belongs to its statement.
        opened = 0 if account.kind is AccountKind.BANK_CLEARING else open_exceptions.get(account.account_id, 0)
        accounts.append(await compute(tx, account, day, found, opened))
    return DayResults(day=day, accounts=tuple(accounts), blockers=blockers)


async def _compute_bank(
    tx: Transaction, account: Account, day: date, ledger: AccountBalance | None, open_exceptions: int
) -> AccountDay:
    period = await find_period(tx, account.kind.value, account.account_id, day)
    opened = Dong(0) if ledger is None else await read_opening_balance(tx, ledger.account_id)
    stated = await read_stated_balance(tx, account.account_id, day, opening_balance=opened)
    items: list[BridgeItem] = []
    if stated is not None and stated.closing is not None:
        items = await read_line_items(tx, account.account_id, period)
        if ledger is not None:
            items += await read_direct_items(tx, account.account_id, ledger.account_id, period)
        opening = Dong(stated.opening - opened)
        differences = ((ItemKind.OPENING_DIFFERENCE, opening), (ItemKind.STATEMENT_GAP, stated.gap))
        items += [BridgeItem(kind, None, amount) for kind, amount in differences if amount]
    closing = None if stated is None else stated.closing
    missing = DayBlocker(kind=DayBlockerKind.MISSING_STATEMENT, name=account.name, at=day.isoformat())
    return AccountDay(
        kind=account.kind,
        account_id=account.account_id,
        name=account.name,
        statement_closing=closing,
        ledger_balance=_balance(ledger),
        items=remove_direct_pairs(items),
        open_exceptions=open_exceptions,
        blockers=(missing,) if closing is None else (),
    )


async def read_opening_of(tx: Transaction, bank_account_id: UUID, day: date) -> Dong:
    """The opening balance of go-live of a bank account; 0 where it has none."""
    for each in await read_balances(tx, until=day, chart_on=day):
        if (each.role, each.subject) == (AccountRole.BANK.value, str(bank_account_id)):
            return await read_opening_balance(tx, each.account_id)
    return Dong(0)


async def read_stated_balance(
    tx: Transaction, bank_account_id: UUID, day: date, *, opening_balance: Dong
) -> StatementBalance | None:
    """The balance of a bank account at the end of a day as its statements state it; None without a statement."""
    stated = find_balance(await read_chain(tx, bank_account_id), day, opening_balance=opening_balance)
    if stated is None or stated.closing is None or stated.later_lines_from is None:
        return stated
    assert stated.later_lines_to is not None, "both days bound the later lines"
    later = await sum_lines(tx, bank_account_id, first_day=stated.later_lines_from, last_day=stated.later_lines_to)
    return replace(stated, closing=Dong(stated.closing - later), later_lines_from=None, later_lines_to=None)


async def _compute_clearing(
    tx: Transaction, account: Account, day: date, ledger: AccountBalance | None, open_exceptions: int
) -> AccountDay:
    period = await find_period(tx, account.kind.value, account.account_id, day)
    items: list[BridgeItem] = []
    if ledger is not None:
        read_items = read_terminal_items if account.kind is AccountKind.CARD_TERMINAL else read_held_items
        items = await read_items(tx, account, ledger.account_id, period)
    if account.kind is AccountKind.PROVIDER_ACCOUNT:
        items += await read_settlement_items(tx, account.account_id, period)
    return AccountDay(
        kind=account.kind,
        account_id=account.account_id,
        name=account.name,
        statement_closing=None,
        ledger_balance=_balance(ledger),
        items=tuple(items),
        open_exceptions=open_exceptions,
    )


def _balance(ledger: AccountBalance | None) -> Dong:
    return Dong(0 if ledger is None else ledger.debit - ledger.credit)
