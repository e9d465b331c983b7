"""Opening balances at go-live: one person proposes them from a file, another approves, and they are posted once.

They are posted on the day before the first business day, before every other entry. The balance of a bank account is the
one with which its first statement opens. Source: docs/ledger-verification.md, Opening balances.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, cast
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date, noon_of
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind
from billing.ledger.service.context import LedgerContext
from billing.ledger.service.posting import post_entry
from billing.ledger.store.chart import read_chart
from billing.ledger.store.journal import open_day
from billing.organizations.domain.approval import Approval, ApprovalKind
from billing.organizations.service.approvals import propose
from billing.reconciliation.domain.opening_balance import (
    BooksHaveBegun,
    OpeningBalance,
    OpeningNotStated,
    OpeningRow,
    build_postings,
    check_balances,
)
from billing.reconciliation.service.day_results import read_stated_balance
from billing.reconciliation.store.opening_balances import NamedAccounts, have_books_begun, read_named_accounts

_A_DAY = timedelta(days=1)


async def propose_opening_balances(
    context: LedgerContext,
    organization_id: OrganizationId,
    rows: Sequence[OpeningRow],
    *,
    first_day: date,
    actor: Actor,
) -> UUID:
    """Propose the opening balances before the first business day; the id of the proposal.

    Raises PersonNeeded, InvalidValue, OpeningUnbalanced, OpeningNotStated, BooksHaveBegun, ProposalWaiting.
    """
    require_person(actor)
    if first_day - _A_DAY > business_date(context.clock()):
        raise InvalidValue("the day before the first business day has not begun", field="first_day")
    async with context.database.transaction(organization_id) as tx:
        balances = await _resolve(tx, rows, first_day)
        check_balances(balances)
        await _require_unbegun(tx, first_day)
        await _require_stated(tx, balances, first_day)
        payload = {
            "first_day": first_day.isoformat(),
            "balances": [
                {"role": each.account.role.value, "subject": each.account.subject, "amount": each.amount}
                for each in balances
            ],
        }
        return await propose(
            tx, context, ApprovalKind.OPENING_BALANCES, UUID(int=organization_id), payload=payload, actor=actor
        )


async def post_opening_balances(tx: Transaction, context: LedgerContext, approval: Approval, actor: Actor) -> None:
    """Post approved opening balances on the day before the first business day: one entry for all accounts.

    Raises BooksHaveBegun and OpeningNotStated, where that changed since the proposal.
    """
    first_day = date.fromisoformat(str(approval.payload["first_day"]))
    listed = cast(Sequence[dict[str, Any]], approval.payload["balances"])
    balances = [
        OpeningBalance(AccountKey(AccountRole(each["role"]), each["subject"]), Dong(each["amount"])) for each in listed
    ]
    await _require_unbegun(tx, first_day)
    await _require_stated(tx, balances, first_day)
    opening_day = first_day - _A_DAY
    await open_day(tx, opening_day, at=context.clock())
    await post_entry(
        tx,
        context,
        EntryKind.OPENING_BALANCES,
        build_postings(balances),
        actor=actor,
        effective_at=noon_of(opening_day),
    )


async def _require_unbegun(tx: Transaction, first_day: date) -> None:
    if await have_books_begun(tx, first_day - _A_DAY):
        raise BooksHaveBegun(
            "the books have entries, or a day before the first business day; opening balances come first and once",
            field="first_day",
        )


async def _require_stated(tx: Transaction, balances: Sequence[OpeningBalance], first_day: date) -> None:
    """A bank account whose statements state a balance opens with it, also if no row names the account."""
    proposed = {each.account.subject: each.amount for each in balances if each.account.role is AccountRole.BANK}
    for number, bank_account_id in (await read_named_accounts(tx)).bank_accounts:
        amount = proposed.get(str(bank_account_id), Dong(0))
        stated = await read_stated_balance(tx, bank_account_id, first_day - _A_DAY, opening_balance=amount)
        if stated is None:
            continue
        balance = stated.opening if stated.closing is None else stated.closing
        if balance != amount:
            raise OpeningNotStated(
                f"bank account {number} opens with {amount} đồng, and its statement with {balance} đồng; correct the"
                " row, or import the statement that begins on the first day",
                field="balances",
            )


async def _resolve(tx: Transaction, rows: Sequence[OpeningRow], first_day: date) -> list[OpeningBalance]:
    chart = {}
    for each in await read_chart(tx):
        if each.valid_from <= first_day or each.account not in chart:
            chart[each.account] = each.number
    named = await read_named_accounts(tx)
    return [OpeningBalance(_account_of(row, chart, named), row.amount) for row in rows]


def _account_of(row: OpeningRow, chart: dict[AccountKey, str], named: NamedAccounts) -> AccountKey:
    if not row.role:
        found = [account for account, number in chart.items() if number == row.number]
        if len(found) != 1:
            raise InvalidValue(
                f"line {row.row}: {len(found)} accounts have the number {row.number}; write role and subject",
                field="balances",
            )
        return found[0]
    try:
        role = AccountRole(row.role)
    except ValueError:
        raise InvalidValue(f"line {row.row}: there is no role {row.role[:40]}", field="balances") from None
    subjects = {AccountRole.BANK: named.bank_accounts, AccountRole.CLEARING: named.provider_accounts}.get(role)
    if subjects is None:
        if row.subject and AccountKey(role, row.subject) not in chart:
            raise InvalidValue(f"line {row.row}: there is no account {role} {row.subject[:40]}", field="balances")
        return AccountKey(role, row.subject)
    ids = {str(account_id) for name, account_id in subjects if row.subject in (name, str(account_id))}
    if len(ids) != 1:
        raise InvalidValue(
            f"line {row.row}: {len(ids)} accounts are named {row.subject[:40]}; write the number of a bank account, the"
            " name of a provider account, or the id",
            field="balances",
        )
    return AccountKey(role, ids.pop())
