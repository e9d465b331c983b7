"""Line refunds (hoàn thu dịch vụ): the room states that an order was not performed, and its money is free again.

The charge is cancelled and the visit is priced again, in the way of `visit_messages.py`: planned, priced with nothing
locked, planned again under lock. After the final bill a reopening and a correction are the way. Source:
docs/visit-accounts.md, Final bill.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.core.money import NOTHING, Dong
from billing.core.reasons import read_reason
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.invoices.store.corrections import lock_visit_invoices, read_reduced
from billing.payments.service.allocation import release_deposit
from billing.payments.service.context import PaymentContext
from billing.payments.store.deposits import lock_deposit_of_visit
from billing.visit_accounts.domain.account import AccountState, VisitAccount, require_account
from billing.visit_accounts.domain.charge import OrderCancelled
from billing.visit_accounts.domain.final_bill import ReopeningNeeded, VisitBusy, bill_amounts
from billing.visit_accounts.domain.plan import Known, Plan, plan_cancellation
from billing.visit_accounts.service.account_pricing import price_account
from billing.visit_accounts.service.account_writes import announce, write_plan
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.service.visit_snapshot import build_visit, lock_content, read_content, snapshot_document
from billing.visit_accounts.store.accounts import lock_account, read_account
from billing.visit_accounts.store.guarantees import lock_bearers
from billing.visit_accounts.store.line_refunds import LineRefund, add_line_refund, read_line_refund

_ATTEMPTS = 10
_CONFIRMATION_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLineRefund:
    """Why a line is refunded, and who of the room confirms that it was not performed.

    `is_released`: the freed money becomes credit, from which it is refunded; otherwise it stays in the deposit.
    """

    line: str
    reason: str
    room_confirmation: str
    is_released: bool = True


async def refund_line(
    context: PaymentContext,
    organization_id: OrganizationId,
    visit_id: VisitId,
    new: NewLineRefund,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Cancel a charge that was not performed and free its money; returns the id of the line refund.

    Raises PersonNeeded, InvalidValue, NotFound, UnknownCharge, OrderCancelled, ReopeningNeeded, VisitBusy, idempotency
    errors.
    """
    require_person(actor)
    reason = read_reason(new.reason)
    confirmation = " ".join(new.room_confirmation.split())
    if not 0 < len(confirmation) <= _CONFIRMATION_LENGTH_MAX or not confirmation.isprintable():
        raise InvalidValue("the room confirms in 1 to 200 printable characters", field="room_confirmation")
    at = context.clock()
    for _ in range(_ATTEMPTS):
        async with context.database.transaction(organization_id, read_only=True) as tx:
            account = require_account(await read_account(tx, visit_id))
            known = Known(account=account, content=await read_content(tx, account))
            is_cancelled = new.line in known.content.charges and known.content.charges[new.line].is_cancelled
            plan = None if is_cancelled or account.state is AccountState.CLOSED else _plan(known, new.line, reason, at)
            document = snapshot_document(account, known.content if plan is None else plan.content)
            visit = await build_visit(document)
            [terms] = await load_pricing_inputs(tx, context, [visit])
        price = await asyncio.to_thread(price_account, visit, terms)
        async with context.database.transaction(organization_id, posting=True) as tx:
            earlier = await find_previous_result(tx, request)
            if earlier is not None:
                return earlier.subjects[0]
            locked = await lock_account(tx, visit_id)
            assert locked is not None, "an account is never removed"
            known = Known(account=locked, content=await lock_content(tx, locked))
            again = _plan(known, new.line, reason, at)
            if snapshot_document(again.account, again.content) != document:
                continue
            changed, _content = await write_plan(tx, context, actor, again, known=known, price=price)
            freed = Dong(max(0, locked.patient_share - changed.patient_share))
            # Where a line lost its price, the share fell by more than the refunded line: the deposit keeps it.
            is_released = new.is_released and not changed.price_error
            released = await _release(tx, context, changed, freed, actor) if is_released else NOTHING
            refund = LineRefund(
                id=context.ids.new(),
                visit_id=visit_id,
                line=new.line,
                reason=reason,
                room_confirmation=confirmation,
                freed=freed,
                released=released,
                recorded_at=at,
            )
            await add_line_refund(tx, refund, actor)
            await update_clearance(tx, context, visit_id)
            await announce(tx, context, actor, changed, "line_refunded")
            await save_result(tx, request, [refund.id], now=at)
        context.publish_change(organization_id)
        return refund.id
    raise VisitBusy("the visit changes all the time; send the request again")


async def find_line_refund(context: PaymentContext, organization_id: OrganizationId, refund_id: UUID) -> LineRefund:
    """One line refund. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await read_line_refund(tx, refund_id)
    if found is None:
        raise NotFound("no such line refund", field="id")
    return found


def _plan(known: Known, line: str, reason: str, at: datetime) -> Plan:
    """Raises ReopeningNeeded, UnknownCharge, OrderCancelled."""
    if known.account.state is AccountState.CLOSED:
        raise ReopeningNeeded(
            f"visit {known.account.ma_lk} has its final bill; reopen it, cancel the line, and close it again: the "
            "correction frees the money",
            field="line",
        )
    plan = plan_cancellation(known, line, reason, at=at)
    if plan.is_unchanged:
        raise OrderCancelled(f"line {line} is cancelled", field="line")
    return plan


async def _release(tx: Transaction, context: PaymentContext, account: VisitAccount, freed: Dong, actor: Actor) -> Dong:
    """Release what was freed and the visit does not need: at most what the deposit holds above the amount to pay."""
    invoices = await lock_visit_invoices(tx, account.visit_id)
    deposit = await lock_deposit_of_visit(tx, account.visit_id)
    if deposit is None:
        return NOTHING
    reduced = await read_reduced(tx, account.visit_id)
    counted = frozenset(key for parts in reduced.values() for key in parts)
    reductions = (await lock_bearers(tx, account.visit_id)).reductions(business_date(context.clock()), counted)
    paid = Dong(sum(invoice.allocated for invoice in invoices))
    amounts = bill_amounts(account.shares, reductions, paid=paid, deposit=deposit.held)
    released = Dong(min(freed, amounts.to_return, deposit.held))
    await release_deposit(tx, context, deposit, released, actor=actor)
    return released
