"""Requests of payers to return an excess: listed, accepted as refunds, declined; and terms that have passed.

The payment page only records the wish (`checkout/service/pay_page.py`). A person of finance accepts it, which requests
refunds as every other one: reserved, approved by a second person, sent to where the money came from. Source:
docs/visit-accounts.md, Refunds; docs/ux.md, Patient page.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import IntentId, OrganizationId, PaymentId, ProviderAccountId, RefundId
from billing.core.money import Dong
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.db.rounds import run_each
from billing.ledger.service.audit import note
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.payments.domain.refund import NothingToRefund, ProviderCannotRefund, RefundWay
from billing.payments.service.context import PaymentContext
from billing.payments.store.allocations import lock_allocations
from billing.payments.store.deposits import lock_deposits
from billing.payments.store.refunds import find_deposits_of
from billing.reconciliation.domain.surplus_return import (
    ReturnAmountChanged,
    ReturnNotWaiting,
    SurplusPayment,
    SurplusReturn,
    split_surplus,
)
from billing.reconciliation.service.deciding import MONEY_REASONS, close_cases
from billing.reconciliation.store import surplus_returns as store
from billing.reconciliation.store.exceptions import lock_cases
from billing.visit_accounts.service.refund_requests import check_new_refund, open_refund
from billing.visit_accounts.service.refund_sources import NewRefund, require_provider

LISTED_MAX = 200
"""Requests in the list, the oldest first."""

KEPT_MAX = 200
"""Terms that one round ends."""


async def list_returns(context: PaymentContext, organization_id: OrganizationId) -> Sequence[SurplusReturn]:
    """The requests that wait for finance, the oldest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await store.read_waiting(tx, limit=LISTED_MAX)


async def accept_return(
    context: PaymentContext,
    organization_id: OrganizationId,
    intent_id: IntentId,
    *,
    amount: Dong,
    in_cash: bool,
    reason: str,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> list[RefundId]:
    """Request refunds of the whole excess under a code; returns their ids, those of an earlier equal `request` too.

    The money goes back through its provider, else by a transfer to the account of its payer; `in_cash`: it is paid at
    the desk. `amount` is the excess that the person has seen. Of two persons one accepts, and a payer who has withdrawn
    the request gets nothing. Raises NotFound, ReturnNotWaiting, ReturnAmountChanged, NothingToRefund, PaymentHeld,
    DestinationNeeded, InvalidValue, PersonNeeded.
    """
    person, why = require_person(actor), read_reason(reason)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return [RefundId(each) for each in earlier.subjects]
        payments = await store.find_payments(tx, intent_id)
        planned = split_surplus(*await store.read_surplus(tx, intent_id))
    ways = await _choose_ways(context, organization_id, planned, in_cash=in_cash, reason=why)
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return [RefundId(each) for each in earlier.subjects]
        await _lock_waiting(tx, intent_id, payments)
        if split_surplus(*await store.read_surplus(tx, intent_id)) != planned:
            raise ReturnAmountChanged("the money under this code has moved meanwhile; read the list again")
        if not planned:
            raise NothingToRefund("nothing is in excess under this code any more")
        if sum(part.free for part in planned) != amount:
            raise ReturnAmountChanged("the excess is not the amount that was read; read the list again", field="amount")
        opened = []
        for new, account_id in sorted(ways.values(), key=lambda each: str(each[0].payment_id)):
            check_new_refund(new, actor=actor)
            opened.append(await open_refund(tx, context, new, account_id=account_id, actor=actor))
        await store.accept_request(tx, intent_id, by=person, at=context.clock())
        await _close_cases(tx, context, [part.payment_id for part in planned], "its return was requested as a refund")
        await note(tx, context, actor, "surplus_return_accepted", ("intent", intent_id))
        await save_result(tx, request, [refund.id for refund in opened], now=context.clock())
    context.publish_change(organization_id)
    return [refund.id for refund in opened]


async def decline_return(
    context: PaymentContext, organization_id: OrganizationId, intent_id: IntentId, *, reason: str, actor: Actor
) -> None:
    """Decline a request: the excess is kept. Raises NotFound, ReturnNotWaiting, InvalidValue, PersonNeeded."""
    person, why = require_person(actor), read_reason(reason)
    async with context.database.transaction(organization_id) as tx:
        await _lock_waiting(tx, intent_id, await store.find_payments(tx, intent_id))
        await store.decline_request(tx, intent_id, reason=why, by=person, at=context.clock())
        await note(tx, context, actor, "surplus_return_declined", ("intent", intent_id))
    context.publish_change(organization_id)


async def keep_lapsed_once(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Keep excesses whose term has passed without a request: their exceptions close, no money moves. How many.

    Raises the first failure, after the others are kept.
    """
    today = business_date(context.clock())
    async with context.database.transaction(organization_id, read_only=True) as tx:
        lapsed = await store.find_lapsed(tx, today=today, at_most=KEPT_MAX)
    return await run_each("surplus", lapsed, partial(_keep, context, organization_id, lapsed))


async def _keep(
    context: PaymentContext, organization_id: OrganizationId, intents: Mapping[UUID, IntentId], exception_id: UUID
) -> int:
    intent_id = intents[exception_id]
    async with context.database.transaction(organization_id, posting=True) as tx:
        await lock_allocations(tx, await store.find_payments(tx, intent_id))
        if await store.lock_request(tx, intent_id):
            return 0  # requested meanwhile
        await store.keep_surplus(tx, intent_id, at=context.clock())
        cases = [one for one in await lock_cases(tx, [exception_id]) if one.state is ExceptionState.OPEN]
        await close_cases(tx, context, cases, reason="the term for a return has passed; the excess is kept as credit")
    context.publish_change(organization_id)
    return len(cases)


async def _choose_ways(
    context: PaymentContext,
    organization_id: OrganizationId,
    planned: Sequence[SurplusPayment],
    *,
    in_cash: bool,
    reason: str,
) -> Mapping[PaymentId, tuple[NewRefund, ProviderAccountId | None]]:
    """The refund of each payment, with the account whose provider returns it; found before the transaction."""
    ways: dict[PaymentId, tuple[NewRefund, ProviderAccountId | None]] = {}
    requested_sum = Dong(sum(part.free for part in planned))
    for part in planned:
        wanted = [RefundWay.CASH] if in_cash else [RefundWay.PROVIDER, RefundWay.MANUAL_TRANSFER]
        for way in wanted:
            new = NewRefund(
                amount=part.free, way=way, reason=reason, payment_id=part.payment_id, requested_sum=requested_sum
            )
            try:
                ways[part.payment_id] = (new, await require_provider(context, organization_id, new))
            except ProviderCannotRefund:
                continue  # a transfer by hand to the account of the payer
            break
    return ways


async def _lock_waiting(tx: Transaction, intent_id: IntentId, payments: Sequence[PaymentId]) -> None:
    """Lock the money under a code, then its request. Raises NotFound, ReturnNotWaiting."""
    await lock_deposits(tx, await find_deposits_of(tx, payments))
    await lock_allocations(tx, payments)
    is_waiting = await store.lock_request(tx, intent_id)
    if is_waiting is None:
        raise NotFound("no payer has chosen anything for this code", field="intent_id")
    if not is_waiting:
        raise ReturnNotWaiting("the payer has withdrawn this request, or another person has decided it")


async def _close_cases(tx: Transaction, context: PaymentContext, payments: Sequence[PaymentId], reason: str) -> None:
    reasons: Sequence[ExceptionReason] = MONEY_REASONS
    found = await lock_cases(tx, await store.find_open_cases(tx, payments, reasons))
    open_ones = [one for one in found if one.state is ExceptionState.OPEN]
    await close_cases(tx, context, open_ones, reason=reason)
