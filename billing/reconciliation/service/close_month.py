"""Closes a month whose days are closed and whose statements are complete, and reads its certificate. Use cases.

A closed month is permanent: no day is added to it, so no entry is posted into it. Source: docs/reconciliation.md,
Closing of a month.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.domain.seal import SealedKind, Value
from billing.ledger.service.audit import note
from billing.ledger.store.balances import read_balances
from billing.ledger.store.days import lock_day
from billing.ledger.store.sealed_rows import read_kind
from billing.ledger.store.seals import read_head_of_month
from billing.reconciliation.domain.day_result import AccountKind, MonthOpen
from billing.reconciliation.domain.month_closing import (
    CertifiedAccount,
    EarlierMonthOpen,
    MonthAlreadyClosed,
    MonthClosing,
    MonthContent,
    MonthIncomplete,
    MonthNotSealed,
    last_day_of,
)
from billing.reconciliation.domain.statement_chain import BreakKind
from billing.reconciliation.formats.day_certificate import hash_content
from billing.reconciliation.formats.month_certificate import write_month_certificate, write_month_content
from billing.reconciliation.service.chain_breaks import find_breaks
from billing.reconciliation.service.day_certificates import read_movements
from billing.reconciliation.service.day_results import read_opening_of, read_stated_balance
from billing.reconciliation.store.day_results import lock_imports_until_commit, read_accounts, read_open_days
from billing.reconciliation.store.month_closings import (
    add_month_closing,
    find_earlier_open_month,
    read_certified_days,
    read_month_closings,
    read_month_content,
)

_LISTED_MAX = 600


async def close_month(context: Context, organization_id: OrganizationId, month: date, *, actor: Actor) -> MonthClosing:
    """Close a month, named by its first day, permanently; its certificate is written in the same transaction.

    Raises MonthOpen (not over, or a day is open), NotFound (no day), MonthAlreadyClosed, EarlierMonthOpen,
    MonthIncomplete (a gap of the statements, or no statement of a bank account at the end), or DatabaseBusy if a
    posting transaction does not end in time; nothing is then changed.
    """
    last_day = last_day_of(month)
    if last_day >= business_date(context.clock()):
        raise MonthOpen("the month is not over", field="month")
    async with context.database.transaction(organization_id) as tx:
        await lock_day(tx)
        await _require_closable(tx, month, last_day)
        if not await lock_imports_until_commit(tx):
            raise MonthIncomplete(["a file is imported now; wait for its end"])
        days = await read_certified_days(tx, first_day=month, last_day=last_day)
        if not days:
            raise NotFound("no day of that month was ever opened", field="month")
        content = MonthContent(
            organization_id=organization_id,
            month=month,
            days=days,
            balances=await read_movements(tx, month, last_day),
            bank_accounts=await _certify_accounts(tx, month, last_day),
        )
        written = write_month_content(content)
        at = context.clock()
        await add_month_closing(tx, content, written=(written, hash_content(written)), at=at, actor=actor)
        await note(tx, context, actor, "month_closed", ("month", UUID(int=month.toordinal())))
        [closing] = await read_month_closings(tx, limit=1, month=month)
    context.publish_change(organization_id)
    return closing


async def list_months(context: Context, organization_id: OrganizationId) -> Sequence[MonthClosing]:
    """The closed months, the newest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_month_closings(tx, limit=_LISTED_MAX)


async def find_month_certificate(context: Context, organization_id: OrganizationId, month: date) -> bytes:
    """The certificate of a closed month, a JSON file that a third party checks. Raises NotFound, MonthNotSealed."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        content = await read_month_content(tx, month)
        if content is None:
            raise NotFound("that month is not closed", field="month")
        head = await read_head_of_month(tx, month)
        if head is None:
            raise MonthNotSealed("the closing of that month is not sealed yet; read it later", field="month")
        rows: list[tuple[Value, ...]] = []
        kind = SealedKind.MONTH_CLOSING
        async for piece in read_kind(tx, kind, covers_from=head.covers_from, covers_until=head.covers_until):
            rows.extend(piece)
    return write_month_certificate(content, head, {kind: rows})


async def _require_closable(tx: Transaction, month: date, last_day: date) -> None:
    if await read_month_closings(tx, limit=1, month=month):
        raise MonthAlreadyClosed("that month is closed already", field="month")
    earlier = await find_earlier_open_month(tx, month)
    if earlier is not None:
        raise EarlierMonthOpen(f"close {earlier:%Y-%m} first", field="month")
    opened = await read_open_days(tx, first_day=month, last_day=last_day)
    if opened:
        raise MonthOpen(f"{opened[0].isoformat()} is open; close it first", field="month")


async def _certify_accounts(tx: Transaction, month: date, last_day: date) -> list[CertifiedAccount]:
    """The stated balances of each bank account that has a result. Raises MonthIncomplete."""
    moved = [
        each.account_id
        for each in await read_balances(tx, until=last_day, chart_on=last_day)
        if each.debit or each.credit
    ]
    found, reasons = [], []
    for account in await read_accounts(tx, moved):
        if account.kind is not AccountKind.BANK_ACCOUNT:
            continue
        gaps = [
            each
            for each in await find_breaks(tx, account.account_id, from_day=month, to_day=last_day)
            if each.kind is BreakKind.GAP and each.before.to_day <= last_day and each.after.from_day > month
        ]
        reasons += [
            f"statements of bank account {account.name} are missing between {each.before.to_day} and "
            f"{each.after.from_day}: {each.difference} đồng"
            for each in gaps
        ]
        opening = await read_opening_of(tx, account.account_id, last_day)
        before = await read_stated_balance(tx, account.account_id, month - timedelta(days=1), opening_balance=opening)
        after = await read_stated_balance(tx, account.account_id, last_day, opening_balance=opening)
        if after is None or after.closing is None:
            reasons.append(f"no statement of bank account {account.name} covers {last_day}; import it")
            continue
        begins = after.opening if before is None or before.closing is None else before.closing
        found.append(CertifiedAccount(bank_account_id=account.account_id, opening=Dong(begins), closing=after.closing))
    if reasons:
        raise MonthIncomplete(reasons)
    return found
