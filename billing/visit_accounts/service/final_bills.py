"""Close a visit with its final bill, open it again with a reason, and read what it owes. Use cases.

The visit is built from its account and priced with nothing locked; the final bill is made if the account has still the
version that was priced, otherwise all of this is repeated. Source: docs/visit-accounts.md, Final bill.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.ids import OrganizationId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import NOTHING, Dong, sum_shares
from billing.core.reasons import read_reason
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.invoices.store.corrections import (
    ListedCorrection,
    read_billed_shares,
    read_corrections,
    read_reduced,
    read_visit_invoices,
)
from billing.ledger.service.audit import note
from billing.ledger.store.journal import write_message
from billing.payments.domain.deposit import DepositState
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import lock_deposit_of_visit, read_deposit_of_visit, update_deposits
from billing.payments.store.visit_payments import read_credit_of_visit
from billing.visit_accounts.domain.account import AccountState, VisitAccount, require_account
from billing.visit_accounts.domain.final_bill import BillAmounts, FinalBill, VisitBusy, VisitNotClosed, bill_amounts
from billing.visit_accounts.domain.guarantee import BearersOfShare
from billing.visit_accounts.service.closing import PricedAccount, close_account
from billing.visit_accounts.service.visit_snapshot import build_visit, lock_content, read_content, snapshot_document
from billing.visit_accounts.store.accounts import lock_account, read_account, update_account
from billing.visit_accounts.store.final_bills import (
    ClosedVisitWithMoney,
    add_reopening,
    read_closed_with_money,
    read_final_bills,
)
from billing.visit_accounts.store.guarantees import read_bearers

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitBill:
    """What a visit owes now, with all that bears a part of it, its corrections and its final bills."""

    account: VisitAccount
    amounts: BillAmounts
    bearers: BearersOfShare
    corrections: Sequence[ListedCorrection]
    final_bills: Sequence[FinalBill]


async def find_final_bill(context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId) -> VisitBill:
    """What the final bill of an open visit would collect or return, or what a closed visit owes. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = require_account(await read_account(tx, visit_id))
        invoices = await read_visit_invoices(tx, visit_id)
        billed, reduced = await read_billed_shares(tx, visit_id), await read_reduced(tx, visit_id)
        bearers = await read_bearers(tx, visit_id)
        deposit = await read_deposit_of_visit(tx, visit_id)
        credit = await read_credit_of_visit(tx, visit_id)
        corrections = await read_corrections(tx, visit_id)
        bills = await read_final_bills(tx, visit_id)
    counted = frozenset(key for parts in reduced.values() for key in parts)
    return VisitBill(
        account=account,
        amounts=bill_amounts(
            account.shares if account.state is AccountState.OPEN else sum_shares(billed.values()),
            bearers.reductions(business_date(context.clock()), counted),
            paid=Dong(sum(invoice.allocated for invoice in invoices)),
            deposit=NOTHING if deposit is None else deposit.held,
            credit=credit,
        ),
        bearers=bearers,
        corrections=corrections,
        final_bills=bills,
    )


async def close_visit(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Make the final bill of a visit; returns its id. A repeated `request` returns the earlier one.

    Raises NotFound, VisitClosed (with who and when), DischargeBlocked, MoneyOwed, VisitBusy, refusals of the price,
    idempotency errors.
    """
    for _ in range(_ATTEMPTS):
        priced = await _price(context, organization_id, visit_id)
        async with context.database.transaction(organization_id, posting=True) as tx:
            earlier = await find_previous_result(tx, request)
            if earlier is not None:
                return earlier.subjects[0]
            account = await lock_account(tx, visit_id)
            assert account is not None, "an account is never removed"
            account.require_open()
            await lock_content(tx, account)
            if priced is None or account.version != priced.account.version:
                continue
            bill = await close_account(tx, context, replace(priced, account=account), actor=actor)
            await save_result(tx, request, [bill.id], now=context.clock())
        context.publish_change(organization_id)
        return bill.id
    raise VisitBusy("the visit changes all the time; send the request again")


async def reopen_visit(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId, *, reason: str, actor: Actor
) -> None:
    """Open a closed visit and its deposit again, by the decision of a person.

    Raises PersonNeeded, InvalidValue, NotFound, VisitNotClosed (with who reopened it and when).
    """
    require_person(actor)
    text, now = read_reason(reason), context.clock()
    async with context.database.transaction(organization_id) as tx:
        account = require_account(await lock_account(tx, visit_id))
        bills = await read_final_bills(tx, visit_id)
        if account.state is AccountState.OPEN or not bills:
            raise VisitNotClosed(f"visit {account.ma_lk} is open{bills[-1].reopening if bills else ''}")
        deposit = await lock_deposit_of_visit(tx, visit_id)
        opened = replace(account, state=AccountState.OPEN, ended_at=None, version=account.version + 1)
        await update_account(tx, opened)
        if deposit is not None:
            await update_deposits(tx, [deposit.with_state(DepositState.OPEN)])
        await add_reopening(tx, context.ids.new(), bills[-1], text, actor=actor, at=now)
        await note(tx, context, actor, "visit_reopened", ("visit", visit_id))
        payload = {"visit_id": str(visit_id), "version": opened.version}
        await write_message(tx, context.ids.new(), topic="visit.reopened", payload=payload)
    context.publish_change(organization_id)


async def list_closed_with_money(
    context: PaymentContext, organization_id: OrganizationId, part: ListSlice
) -> list[ClosedVisitWithMoney]:
    """Closed visits with an open deposit, credit, request or amount owed."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_closed_with_money(tx, part)


async def _price(context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId) -> PricedAccount | None:
    """The account as read now with its price; None where it is closed. Raises NotFound, refusals of the price."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = require_account(await read_account(tx, visit_id))
        if account.state is AccountState.CLOSED:
            return None
        content = await read_content(tx, account)
        visit = await build_visit(snapshot_document(account, content))
        [terms] = await load_pricing_inputs(tx, context, [visit])
    collected = await asyncio.to_thread(terms.price_for_collection, visit)
    return PricedAccount(account=account, visit=visit, collected=collected, terms=terms)
