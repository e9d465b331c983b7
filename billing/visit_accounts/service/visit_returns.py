"""Money of a visit that goes back: what is free, the effect of refunding lines, and the refunds by the way it came.

Use cases. `line_refunds.py` frees the money of a line; `refunds.py` sends what is requested here. Source:
docs/visit-accounts.md, Refunds.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from billing.core.actor import Actor
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId, PaymentId, ProviderAccountId, RefundId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import NOTHING, Dong, Shares, half_up_dong
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.payments.domain.refund import BankDestination, Refund, RefundFilter, RefundWay
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import read_deposit_of_visit
from billing.payments.store.refund_needs import read_needed_for_orders
from billing.payments.store.refunds import list_refunds
from billing.payments.store.visit_payments import find_payments_of_visit
from billing.visit_accounts.domain.account import AccountState, VisitAccount, require_account
from billing.visit_accounts.domain.charge import Charge, UnknownCharge
from billing.visit_accounts.domain.plan import Known, plan_cancellation
from billing.visit_accounts.domain.visit_return import PlannedReturn, ReturnablePayment, find_free_money, plan_returns
from billing.visit_accounts.service.account_pricing import price_account
from billing.visit_accounts.service.refund_requests import check_new_refund, open_refund
from billing.visit_accounts.service.refund_sources import NewRefund, lock_sources, require_provider
from billing.visit_accounts.service.visit_snapshot import build_visit, read_content, snapshot_document
from billing.visit_accounts.store.accounts import read_account
from billing.visit_accounts.store.patients import read_patient
from billing.visit_accounts.store.visit_returns import read_paid_lines, read_payment_money

_REFUNDS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidLine:
    """A charge with what was paid for it by requests that name it, in đồng."""

    charge: Charge
    paid: Dong

    @property
    def patient(self) -> Dong | None:
        """The patient's part of the price of the line, None without a price."""
        amount = self.charge.patient_amount
        return None if amount is None else half_up_dong(amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitReturns:
    """The lines of a visit, the money of it that is free now, and its refunds, the newest first."""

    account: VisitAccount
    patient: str
    lines: Sequence[PaidLine]
    free: Sequence[ReturnablePayment]
    refunds: Sequence[Refund]

    @property
    def total(self) -> Dong:
        """What can be returned now, in đồng."""
        return Dong(sum(payment.free for payment in self.free))

    @property
    def is_closed(self) -> bool:
        """Whether the visit has its final bill."""
        return self.account.state is AccountState.CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPreview:
    """The shares of the visit with all its lines, and without those that would be refunded, in đồng."""

    lines: Sequence[str]
    before: Shares
    after: Shares

    @property
    def freed(self) -> Dong:
        """What the patient pays less; nothing where the share grows."""
        return Dong(max(0, self.before.patient - self.after.patient))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReturn:
    """Money of a visit to return, in đồng. Cash goes back in cash, other money by `other_way`."""

    amount: Dong
    reason: str
    other_way: RefundWay
    destination: BankDestination | None = None


async def find_visit_returns(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId
) -> VisitReturns:
    """What a visit can return and has returned. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = require_account(await read_account(tx, visit_id))
        content = await read_content(tx, account)
        patient = await read_patient(tx, account.patient_id)
        paid = await read_paid_lines(tx, visit_id)
        free = await _read_free(tx, visit_id)
        refunds = await list_refunds(tx, ListSlice(limit=_REFUNDS_MAX), RefundFilter(visit_id=visit_id))
    charges = sorted(content.charges.values(), key=lambda charge: (charge.stt, charge.line))
    return VisitReturns(
        account=account,
        patient="" if patient is None else patient.name,
        lines=[PaidLine(charge=charge, paid=paid.get(charge.line, NOTHING)) for charge in charges],
        free=free,
        refunds=refunds,
    )


async def preview_line_refund(
    context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId, lines: Collection[str]
) -> RefundPreview:
    """The whole visit priced again without some lines; nothing is written.

    Raises NotFound, UnknownCharge, VisitClosed, InvalidValue where the rest has no price.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        account = require_account(await read_account(tx, visit_id))
        known = Known(account=account, content=await read_content(tx, account))
        for line in sorted(lines):
            if line not in known.content.charges:
                raise UnknownCharge(f"visit {account.ma_lk} has no charge of line {line}", field="lines")
            plan = plan_cancellation(known, line, "preview", at=context.clock())
            known = replace(known, account=plan.account, content=plan.content)
        visit = await build_visit(snapshot_document(known.account, known.content))
        [terms] = await load_pricing_inputs(tx, context, [visit])
    price = await asyncio.to_thread(price_account, visit, terms)
    if price.shares is None:
        raise InvalidValue(f"the visit has no price without these lines: {price.error}", field="lines")
    return RefundPreview(lines=sorted(lines), before=account.shares, after=price.shares)


async def request_return(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    new: NewReturn,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> list[RefundId]:
    """Request one refund for each payment whose money goes back, all or none; returns their ids.

    A repeated `request` returns the earlier ones. Raises NotFound, NothingToRefund, PaymentHeld, ProviderCannotRefund,
    DestinationNeeded, InvalidValue, PersonNeeded.
    """
    async with context.database.transaction(organization_id, read_only=True) as tx:
        require_account(await read_account(tx, visit_id))
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return [RefundId(each) for each in earlier.subjects]
        free = await _read_free(tx, visit_id)
    planned = plan_returns(free, new.amount, other_way=new.other_way)
    wanted = [_new_refund(each, new) for each in planned]
    accounts: dict[PaymentId | None, ProviderAccountId | None] = {}
    for refund in wanted:
        check_new_refund(refund, actor=actor)
        accounts[refund.payment_id] = await require_provider(context, organization_id, refund)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return [RefundId(each) for each in earlier.subjects]
        # All positions are locked before the first refund is posted: payment position comes before ledger account.
        await lock_sources(tx, NewRefund(amount=new.amount, way=RefundWay.CASH, reason=new.reason, visit_id=visit_id))
        opened = [
            await open_refund(tx, context, refund, account_id=accounts[refund.payment_id], actor=actor)
            for refund in sorted(wanted, key=lambda one: str(one.payment_id))
        ]
        await save_result(tx, request, [refund.id for refund in opened], now=context.clock())
    context.publish_change(organization_id)
    return [refund.id for refund in opened]


def _new_refund(planned: PlannedReturn, new: NewReturn) -> NewRefund:
    is_transfer = planned.way is RefundWay.MANUAL_TRANSFER
    return NewRefund(
        amount=planned.amount,
        way=planned.way,
        reason=new.reason,
        payment_id=planned.payment.payment_id,
        destination=new.destination if is_transfer else None,
    )


async def _read_free(tx: Transaction, visit_id: VisitId) -> list[ReturnablePayment]:
    deposit = await read_deposit_of_visit(tx, visit_id)
    free_deposit = NOTHING
    if deposit is not None:
        needed = await read_needed_for_orders(tx, deposit.id) if deposit.takes_money else NOTHING
        free_deposit = Dong(max(0, deposit.held - needed))
    payments = await read_payment_money(tx, await find_payments_of_visit(tx, visit_id))
    return find_free_money(payments, free_deposit=free_deposit)
