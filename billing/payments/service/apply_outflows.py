"""Applies outflows to their payments, once all received money is written.

Requires a transaction that holds the day lock; opens none. An outflow whose payment is not in the books waits under the
names that lead to it, and is examined again when a payment under one of them is booked: the invoice owes again,
whichever event comes first. Source: docs/design.md §5, Where money goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import AllocationId, EntryId, PaymentId
from billing.core.money import NOTHING
from billing.db.database import Transaction
from billing.ledger.domain.accounts import (
    AccountKey,
    AccountRole,
    DayState,
    Entry,
    EntryKind,
    accounting_date,
    clearing_account,
)
from billing.payments.domain.exception import PaymentException
from billing.payments.domain.posting_rules import payment_reversed, unmatched_outflow
from billing.payments.domain.refund import RefundState
from billing.payments.domain.reversal import AllocationReversal, Outflow, reverse_allocations
from billing.payments.service.context import PaymentContext
from billing.payments.service.deposit_requests import count_less, write_request_changes
from billing.payments.service.exception_rows import new_exception
from billing.payments.service.refunding import complete, lock_with_money, write_change
from billing.payments.service.webhook_messages import intent_message, invoice_message
from billing.payments.store.bookings import Booking, Message, write_booking
from billing.payments.store.intent_rows import read_owed
from billing.payments.store.refunds import find_refund_of_outflow
from billing.payments.store.reversals import find_payment, lock_payment, write_reversal
from billing.payments.store.unmatched_outflows import add_unmatched_outflow, match_outflow, read_unmatched_outflows

_WAITING = AccountKey(AccountRole.UNEXPLAINED_OUTFLOW)


@dataclass(frozen=True, slots=True)
class NewOutflow:
    """An outflow received for the first time, with the exception it opens."""

    outflow: Outflow
    exception: PaymentException


@dataclass(frozen=True, slots=True)
class _Applied:
    outflow: Outflow
    reversal: AllocationReversal | None  # None if no known payment still has the money
    exception: PaymentException | None  # None for an outflow that waited


async def apply_outflows(
    tx: Transaction,
    new: Sequence[NewOutflow],
    waiting: Sequence[PaymentId],
    *,
    days: Mapping[date, DayState],
    context: PaymentContext,
) -> int:
    """Apply outflows that waited for the payments just booked, then new ones, in order; returns how many were matched.

    `days` are the days ever opened from the day of the oldest new outflow to today.
    """
    applied: list[_Applied] = []
    for outflow in await read_unmatched_outflows(tx, waiting) if waiting else ():
        reversal = await _take_out(tx, outflow, context, has_waited=True)
        if reversal is not None:
            applied.append(_Applied(outflow, reversal, None))
    for each in new:
        if await _complete_own_refund(tx, each.outflow, context):
            continue
        reversal = await _take_out(tx, each.outflow, context, has_waited=False)
        if reversal is None and each.outflow.is_traceable:
            await add_unmatched_outflow(tx, each.outflow, at=context.clock())
        applied.append(_Applied(each.outflow, reversal, each.exception))
    if applied:
        reference_data = await context.reference_data(
            tx, _WAITING, *{clearing_account(one.outflow.account_id) for one in applied}
        )
        exceptions = [
            new_exception(
                replace(one.exception, payment_id=one.reversal.payment_id if one.reversal else None),
                reference_data,
                context,
            )
            for one in applied
            if one.exception is not None
        ]
        booking = Booking(
            recorded_at=context.clock(),
            entries=[_entry(one, days, context) for one in applied],
            exceptions=exceptions,
            messages=await _messages(tx, [one.reversal for one in applied if one.reversal], context),
        )
        await write_booking(tx, booking, reference_data.accounts)
    return sum(one.reversal is not None for one in applied)


async def _complete_own_refund(tx: Transaction, outflow: Outflow, context: PaymentContext) -> bool:
    """Match an outflow to the refund of ours that it belongs to, if any; books it unless the refund is done already."""
    payment_id = await find_payment(tx, outflow) if outflow.is_refund else None
    refund_id = await find_refund_of_outflow(
        tx,
        codes=outflow.own_codes,
        account_id=outflow.account_id,
        keys=sorted(outflow.own_keys),
        payment_id=payment_id,
        amount=outflow.amount,
    )
    if refund_id is None:
        return False
    refund, parts, _ = await lock_with_money(tx, refund_id)
    if refund.may_leave_unrecorded:
        refund = refund.send(by=None, at=context.clock())
    if refund.outflow_id is not None or not refund.has_left:
        return False
    actor = Actor.provider(outflow.account_id)
    matched = refund.match(outflow.id)
    if refund.state in (RefundState.DONE, RefundState.RETURNED):
        await write_change(tx, context, matched, "refund_matched", actor)
        return True
    done = matched.complete(at=context.clock())
    left_from = clearing_account(outflow.account_id)
    await complete(tx, context, done, parts, left_from=left_from, actor=actor, effective_at=outflow.occurred_at)
    return True


async def _take_out(
    tx: Transaction, outflow: Outflow, context: PaymentContext, *, has_waited: bool
) -> AllocationReversal | None:
    """Reverse the payment of an outflow; None if no known payment still has the amount."""
    payment_id = await find_payment(tx, outflow)
    if payment_id is None:
        return None
    paid = await lock_payment(tx, payment_id)
    if paid.remaining < outflow.amount:
        return None
    now = context.clock()
    if has_waited and not await match_outflow(tx, outflow.id, payment_id, at=now):
        return None
    reversal = reverse_allocations(outflow.amount, paid, new_id=lambda: AllocationId(context.ids.new()))
    await write_reversal(tx, reversal, at=now)
    if paid.request is not None and reversal.request is not None:
        await write_request_changes(tx, context, [(paid.request, reversal.request)])
    for deposit in reversal.deposits:
        await count_less(tx, context, deposit)
    return reversal


def _entry(applied: _Applied, days: Mapping[date, DayState], context: PaymentContext) -> Entry:
    """The entry of an outflow: on its own day if it is new, today if it was booked earlier and is matched now.

    The first one has the id of the outflow, which its bank line will name (`post_entry`, `item_id`).
    """
    outflow, reversal = applied.outflow, applied.reversal
    now = context.clock()
    has_waited = applied.exception is None
    left_from = _WAITING if has_waited else clearing_account(outflow.account_id)
    effective_at = now if has_waited else outflow.occurred_at
    return Entry(
        id=EntryId(context.ids.new() if has_waited else outflow.id),
        kind=EntryKind.OUTFLOW_MATCHED if has_waited else EntryKind.PAYMENT_REVERSED,
        effective_at=effective_at,
        recorded_at=now,
        accounting_date=accounting_date(occurred_on=business_date(effective_at), today=business_date(now), days=days),
        actor=Actor.provider(outflow.account_id),
        postings=unmatched_outflow(outflow.amount, account_id=outflow.account_id)
        if reversal is None
        else payment_reversed(reversal, left_from=left_from),
    )


async def _messages(tx: Transaction, reversal: Sequence[AllocationReversal], context: PaymentContext) -> list[Message]:
    """Webhook messages: invoices that owe again, and the intents whose money has left. Ids and amounts only."""
    intents = [(each.intent, each.request) for each in reversal if each.intent is not None]
    owed = await read_owed(tx, [intent.id for intent, _ in intents])
    messages = [invoice_message(invoice) for each in reversal for invoice in each.invoices]
    messages += [
        intent_message(intent, owed=owed.get(intent.id) or (request.remaining if request else NOTHING))
        for intent, request in intents
    ]
    return [Message(id=context.ids.new(), topic=topic, payload=payload) for topic, payload in messages]
