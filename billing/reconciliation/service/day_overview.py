"""A day of reconciliation in three totals, with the bridge from ledger to bank and the reasons of open exceptions.

`work_list.py` lists the rows, `close_day.py` closes the day. Source: docs/reconciliation.md, Result of a day.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountRole, DayState
from billing.ledger.store.balances import read_balances
from billing.ledger.store.days import read_day
from billing.reconciliation.domain.day_overview import BankAccountName, BridgeLine, DayBridge, DayOverview
from billing.reconciliation.domain.day_result import AccountDay, AccountKind
from billing.reconciliation.service.day_results import compute_results
from billing.reconciliation.store.day_overview import (
    count_decided,
    has_more_lines,
    read_bank_account_names,
    read_bank_total,
    read_last_import,
    read_provider_total,
)
from billing.reconciliation.store.day_results import read_open_days, read_results
from billing.reconciliation.store.work_list import count_open

_FIRST, _LAST = date(1970, 1, 1), date(9000, 1, 1)
_OPEN_DAYS_MAX = 31
LINES_AT_ONCE = 1_000
"""Lines since the last closed day with which the result of a day is a part of its page: some 30 ms."""


async def list_bank_accounts(context: Context, organization_id: OrganizationId) -> Sequence[BankAccountName]:
    """The bank accounts of the organization, for the filter of a page."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_bank_account_names(tx)


async def list_open_days(context: Context, organization_id: OrganizationId) -> Sequence[date]:
    """The days that are not closed, the oldest first, at most 31."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return (await read_open_days(tx, first_day=_FIRST, last_day=_LAST))[:_OPEN_DAYS_MAX]


async def is_result_slow(context: Context, organization_id: OrganizationId, day: date) -> bool:
    """Whether the result of an open day reads so many lines that a page loads it after itself."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        opened = await read_day(tx, day)
        is_open = opened is not None and opened.state is DayState.OPEN
        return is_open and await has_more_lines(tx, day, LINES_AT_ONCE)


async def read_day_overview(
    context: Context, organization_id: OrganizationId, day: date, *, bank_account_id: UUID | None = None
) -> DayOverview:
    """The totals of a day, of all bank accounts or of one. Raises NotFound for a bank account of nobody here."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        accounts = await _accounts(tx, bank_account_id)
        opened = await read_day(tx, day)
        return DayOverview(
            day=day,
            state=None if opened is None else opened.state,
            provider=await read_provider_total(tx, day, bank_account_id),
            bank=await read_bank_total(tx, day, accounts),
            last_import=await read_last_import(tx, day, accounts),
            ledger=await _moved(tx, day, accounts),
            reasons=tuple(await count_open(tx, day)),
            decided_count=await count_decided(tx, day),
        )


async def read_day_bridge(
    context: Context, organization_id: OrganizationId, day: date, *, bank_account_id: UUID | None = None
) -> DayBridge:
    """The bridge at the end of a day. It reads every line since the last closed day: a page loads it after its rows.

    Raises NotFound for a bank account of nobody here.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        accounts = await _accounts(tx, bank_account_id)
        opened = await read_day(tx, day)
        results = await _results(tx, day, None if opened is None else opened.state, accounts)
    return DayBridge(lines=_bridge(results), residual=_residual(results))


async def _accounts(tx: Transaction, bank_account_id: UUID | None) -> list[UUID]:
    """The bank accounts of a page. Raises NotFound."""
    accounts = [each.id for each in await read_bank_account_names(tx)]
    if bank_account_id is None:
        return accounts
    if bank_account_id not in accounts:
        raise NotFound("no such bank account", field="account")
    return [bank_account_id]


async def _results(
    tx: Transaction, day: date, state: DayState | None, bank_account_ids: Sequence[UUID]
) -> list[AccountDay]:
    """The results of the bank accounts: stored with the closing, or as they are now."""
    if state is None:
        return []
    accounts = await read_results(tx, day) if state is DayState.CLOSED else (await compute_results(tx, day)).accounts
    return [each for each in accounts if each.kind is AccountKind.BANK_ACCOUNT and each.account_id in bank_account_ids]


async def _moved(tx: Transaction, day: date, bank_account_ids: Sequence[UUID]) -> int:
    """What the ledger moved on the bank accounts on a day: debits less credits."""
    subjects = {str(each) for each in bank_account_ids}

    async def until(last: date) -> int:
        return sum(
            each.debit - each.credit
            for each in await read_balances(tx, until=last, chart_on=day)
            if each.role == AccountRole.BANK.value and each.subject in subjects
        )

    return await until(day) - await until(day - timedelta(days=1))


def _bridge(accounts: Sequence[AccountDay]) -> tuple[BridgeLine, ...]:
    """The items of the accounts, summed by kind in the order of the kinds."""
    sums: dict[str, tuple[int, int]] = {}
    for item in (item for each in accounts for item in each.items if item.is_bridging):
        count, amount = sums.get(item.kind.value, (0, 0))
        sums[item.kind.value] = (count + 1, amount + item.amount)
    return tuple(BridgeLine(kind=kind, count=count, amount=amount) for kind, (count, amount) in sums.items())


def _residual(accounts: Sequence[AccountDay]) -> int | None:
    """The part that no item explains; None where a statement is missing."""
    if not accounts or any(each.statement_closing is None for each in accounts):
        return None
    return sum(each.residual for each in accounts)
