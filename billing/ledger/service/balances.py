"""Reads balances now or at the end of a day, the journal as a list, and statements of account.

Also extends the snapshots, so that these need not read every posting; the worker calls it.
"""

from collections.abc import Sequence
from datetime import date

from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import EntryId, LedgerAccountId, OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, EntryKind
from billing.ledger.domain.balances import AccountBalance, EntryView, StatementCursor, StatementOfAccount
from billing.ledger.store.balances import extend_snapshots
from billing.ledger.store.balances import read_balances as read_stored_balances
from billing.ledger.store.entries import find_ledger_account, read_entries, read_entry_ids, read_statement_lines

POSTINGS_MAX = 20_000
"""Postings added to the snapshots in one transaction."""

PAGE_SIZE_MAX = 500


async def read_balances(
    context: Context, organization_id: OrganizationId, *, on: date | None = None
) -> Sequence[AccountBalance]:
    """The trial balance at the end of a business day, or now, with the account numbers of the chart on that day.

    Debits and credits of all accounts sum to the same amount, since each posting is on both sides. Raises NotFound for
    an organization that was never set up, which has no accounts.
    """
    until, chart_on = (date.max, business_date(context.clock())) if on is None else (on, on)
    async with context.database.transaction(organization_id) as tx:
        rows = await read_stored_balances(tx, until=until, chart_on=chart_on)
    if not rows:
        raise NotFound("no such organization", field="organization")
    return rows


async def list_entries(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    account: AccountKey | None = None,
    kind: EntryKind | None = None,
) -> list[EntryView]:
    """The journal, newest first; of an account or a kind where they are given. Raises NotFound for the account."""
    async with context.database.transaction(organization_id) as tx:
        account_id = None if account is None else await _account_id(tx, account)
        return await read_entries(tx, await read_entry_ids(tx, part, account_id=account_id, kind=kind))


async def find_entry(context: Context, organization_id: OrganizationId, entry_id: EntryId) -> EntryView:
    """One entry with its postings. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        found = await read_entries(tx, [entry_id])
    if not found:
        raise NotFound("no such entry", field="entry_id")
    return found[0]


async def read_statement_of_account(
    context: Context,
    organization_id: OrganizationId,
    account: AccountKey,
    *,
    first_day: date,
    last_day: date,
    after: StatementCursor | None = None,
    limit: int = 100,
) -> StatementOfAccount:
    """The opening balance of an account in a period, its movements page by page, and its closing balance.

    Days are accounting dates, both ends included. While a day of the period is open, a later page may include later
    entries than the first. Raises NotFound, InvalidValue.
    """
    _check_limit(limit)
    if last_day < first_day:
        raise InvalidValue("the period ends before it begins", field="last_day")
    async with context.database.transaction(organization_id) as tx:
        account_id = await _account_id(tx, account)
        (closing,) = await read_stored_balances(tx, until=last_day, chart_on=last_day, account_id=account_id)
        opening = 0
        if first_day > date.min:
            before = date.fromordinal(first_day.toordinal() - 1)
            (opened,) = await read_stored_balances(tx, until=before, chart_on=before, account_id=account_id)
            opening = opened.balance
        lines = await read_statement_lines(
            tx, account_id, first_day=first_day, last_day=last_day, after=after, limit=limit + 1
        )
    return StatementOfAccount(
        account=closing,
        first_day=first_day,
        last_day=last_day,
        opening=opening,
        closing=closing.balance,
        lines=tuple(lines[:limit]),
        next=lines[limit - 1].place if len(lines) > limit else None,
    )


async def snapshot_once(context: Context, organization_id: OrganizationId) -> int:
    """Add all finished postings to the snapshots, in short transactions; returns their number."""
    taken = 0
    while True:
        async with context.database.transaction(organization_id) as tx:
            added = await extend_snapshots(tx, at=context.clock(), postings_max=POSTINGS_MAX)
        taken += added
        if added < POSTINGS_MAX:
            return taken


async def _account_id(tx: Transaction, account: AccountKey) -> LedgerAccountId:
    account_id = await find_ledger_account(tx, account)
    if account_id is None:
        raise NotFound("no such account", field="account")
    return account_id


def _check_limit(limit: int) -> None:
    if not 0 < limit <= PAGE_SIZE_MAX:
        raise InvalidValue(f"a page has 1 to {PAGE_SIZE_MAX} lines", field="limit")
