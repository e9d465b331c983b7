"""Applies every notice that creates or reverses a payment: a batch of deliveries is booked.

Requires a transaction that holds the day lock; opens none. Applying a delivery twice changes nothing. The lock order is
day, keys, invoices, intents; then all received money is written in one statement. Outflows come last
(`apply_outflows.py`), for every caller, by notice and not by delivery. Source: docs/design.md §5.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import AllocationId, DeliveryId, PaymentId
from billing.db.database import Transaction
from billing.ledger.domain.accounts import CHART, AccountKey, clearing_account
from billing.payments.domain.apply_events import BatchResult, BatchState, apply_events
from billing.payments.domain.event import (
    PaymentEvent,
    link_movements,
    relink_movements,
    without_altered_repeats,
)
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.reference_links import KnownReferences
from billing.payments.domain.reversal import outflow_of
from billing.payments.service.apply_outflows import NewOutflow, apply_outflows
from billing.payments.service.build_booking import build_booking
from billing.payments.service.context import PaymentContext
from billing.payments.service.deposit_requests import write_request_changes
from billing.payments.service.payment_events import Answer, Delivery, to_events
from billing.payments.store.bank_references import lock_references, write_references
from billing.payments.store.bookings import (
    write_booking,
)
from billing.payments.store.deposits import update_deposits
from billing.payments.store.duplicate_candidates import (
    find_duplicate_candidates,
    find_payments_of_statement,
    lock_bank_accounts,
)
from billing.payments.store.event_keys import (
    LockedState,
    codes_of,
    lock_batch_state,
    reserve_keys,
)
from billing.payments.store.outflow_locks import lock_for_outflows
from billing.payments.store.unmatched_outflows import outflow_key
from providers.contract import Movement, Verdict

_ACCOUNTS = tuple(AccountKey(role) for role, terms in CHART.items() if not terms.is_per_subject)


async def apply_deliveries(
    tx: Transaction, deliveries: Sequence[Delivery], context: PaymentContext
) -> dict[DeliveryId, Answer]:
    """Apply a batch of one organization in order of arrival; all its rows are written when this returns."""

    def new_payment_id() -> PaymentId:
        return PaymentId(context.ids.new())

    now = context.clock()
    reference_data = await context.reference_data(
        tx, *_ACCOUNTS, *{clearing_account(delivery.account.id) for delivery in deliveries}
    )
    payment_events, reference_data = await to_events(tx, deliveries, reference_data, context)
    # The set of bank accounts with several channels is cached, and read again when the keys are reserved: an account
    # that got a second channel meanwhile is locked late. If two batches then wait for each other, one of them is tried
    # again.
    thought = {one.account.bank_account_id for one in deliveries if one.account.channels > 1}
    suspects = await _lock_suspects(tx, payment_events, thought)
    unaltered = without_altered_repeats(payment_events)
    reserved_ids = link_movements(unaltered, new_payment_id)
    reserved = await reserve_keys(tx, payment_events, reserved_ids)
    new = [payment_event for payment_event in unaltered if payment_event.event in reserved.events]
    suspects += await _lock_suspects(tx, payment_events, reserved.shared - thought)
    await lock_references(tx, new, reserved)
    today = business_date(now)
    first_day = min(
        (business_date(payment_event.notice.occurred_at) for payment_event in payment_events), default=today
    )
    if any(payment_event.takes_money_out for payment_event in payment_events):
        await lock_for_outflows(tx, payment_events, codes=codes_of(payment_events))
    locked = await lock_batch_state(tx, payment_events, reserved, first_day=min(first_day, today), last_day=today)
    batch_state = BatchState(
        known_events=locked.known_events,
        booked_movements=locked.booked_movements,
        movement_ids=reserved_ids
        if len(new) == len(unaltered)
        else relink_movements(new, reserved_ids, new_payment_id),
        reserved_ids=reserved_ids,
        intents=locked.intents,
        invoices=locked.invoices,
        deposits=locked.deposits,
        requests=locked.requests,
        candidates=[
            *(await find_duplicate_candidates(tx, suspects) if suspects else ()),
            *await find_payments_of_statement(tx, locked.intents.values()),
        ],
        references=KnownReferences(locked.uses, reserved.references),
    )
    batch_result = apply_events(payment_events, batch_state, new_allocation_id=lambda: AllocationId(context.ids.new()))
    answers = {
        delivery.id: Answer(
            batch_result.verdicts.get(delivery.id, Verdict.STORED), batch_result.receipts.get(delivery.id, delivery.id)
        )
        for delivery in deliveries
    }
    booking = build_booking(deliveries, answers, batch_result, locked, reference_data=reference_data, context=context)
    received = [
        payment_event
        for payment_event in payment_events
        if payment_event.moves_money and payment_event.notice.movement is Movement.RECEIVED
    ]
    booking = replace(
        booking,
        received_codes=codes_of(received),
        received_keys=sorted(
            {outflow_key(key) for payment_event in received for key in payment_event.traces | payment_event.own_traces}
        ),
    )
    waiting = await write_booking(tx, booking, reference_data.accounts)
    if batch_result.deposits:
        await update_deposits(tx, list(batch_result.deposits.values()))
        changed = batch_result.requests.values()
        await write_request_changes(tx, context, [(locked.requests[after.id], after) for after in changed])
    await write_references(tx, batch_result.uses, batch_result.moved_uses)
    if batch_result.outflows or waiting:
        left = _outflows(batch_result, locked)
        await apply_outflows(tx, left, waiting, days=locked.days, context=context)
    return answers


async def _lock_suspects(
    tx: Transaction, payment_events: Sequence[PaymentEvent], shared: Set[UUID | None]
) -> list[PaymentEvent]:
    """Lock the bank accounts of several channels; returns the events of money that another channel may report too."""
    suspects = [
        payment_event
        for payment_event in payment_events
        if payment_event.moves_money and payment_event.bank_account_id in shared
    ]
    banks = {payment_event.bank_account_id for payment_event in suspects if payment_event.bank_account_id is not None}
    if banks:
        await lock_bank_accounts(tx, sorted(banks))
    return [payment_event for payment_event in suspects if payment_event.bank_account_id is not None]


def _outflows(batch_result: BatchResult, locked: LockedState) -> list[NewOutflow]:
    exceptions = {
        exception.payment_event.event: exception
        for exception in batch_result.exceptions
        if exception.reason is ExceptionReason.UNEXPECTED_REVERSAL
    }
    return [
        NewOutflow(
            outflow_of(movement_id, payment_event, issued=locked.intents.__contains__), exceptions[payment_event.event]
        )
        for movement_id, payment_event in batch_result.outflows
    ]
