"""Applies every notice that creates or reverses a payment: a batch of deliveries is booked.

Requires a transaction that holds the day lock; opens none. Applying a delivery twice changes nothing. The lock order is
day, keys, invoices, intents; then all received money is written in one statement. Outflows come last
(`apply_outflows.py`), for every caller, by notice and not by delivery. Source: docs/design.md §5.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import AllocationId, DeliveryId, EntryId, PaymentId
from billing.core.money import Dong, dong
from billing.core.reference_code import Grammar, may_name_code
from billing.db.database import Transaction
from billing.ledger.domain.accounts import CHART, AccountKey, Entry, EntryKind, accounting_date, clearing_account
from billing.organizations.service.context import ProviderAccount
from billing.payments.domain.apply_events import BatchResult, BatchState, apply_events
from billing.payments.domain.event import (
    EventKey,
    PaymentEvent,
    Source,
    link_movements,
    relink_movements,
    without_altered_repeats,
)
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import Allocation
from billing.payments.domain.posting_rules import payment_received
from billing.payments.domain.reference_links import KnownReferences
from billing.payments.domain.reversal import outflow_of
from billing.payments.service.apply_outflows import NewOutflow, apply_outflows
from billing.payments.service.context import PaymentContext, ReferenceData
from billing.payments.service.event_names import codes_in, event_key, movement_keys, reference_key, reversed_keys
from billing.payments.service.exception_rows import new_exception
from billing.payments.service.webhook_messages import intent_message, invoice_message
from billing.payments.store.bank_references import lock_references, write_references
from billing.payments.store.bookings import (
    AuditLine,
    Booking,
    DeliveryRow,
    Message,
    PaymentRow,
    write_booking,
)
from billing.payments.store.duplicate_candidates import find_duplicate_candidates, lock_bank_accounts
from billing.payments.store.event_keys import (
    LockedState,
    codes_of,
    lock_batch_state,
    reserve_keys,
)
from billing.payments.store.payees import NamedPayee, read_own_payees
from billing.payments.store.reversals import lock_for_outflows
from billing.payments.store.unmatched_outflows import outflow_key
from providers.contract import Callback, Movement, Notice, Payer, Verdict
from providers.references import is_placeholder

_KEPT_HEADERS = frozenset({"content-type", "user-agent", "date"})
_NOBODY = Payer()
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_ACCOUNTS = tuple(AccountKey(role) for role, terms in CHART.items() if not terms.is_per_subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One verified message of a provider account with its notices."""

    id: DeliveryId
    account: ProviderAccount
    callback: Callback
    notices: tuple[Notice, ...]
    source: Source = Source.CALLBACK


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a delivery; the receipt is the same for every delivery of one event."""

    verdict: Verdict
    receipt_id: DeliveryId


async def apply_deliveries(
    tx: Transaction, deliveries: Sequence[Delivery], context: PaymentContext
) -> dict[DeliveryId, Answer]:
    """Apply a batch of one organization in order of arrival; all its rows are written when this returns."""

    def new_payment_id() -> PaymentId:
        return PaymentId(context.ids.new())

    now = context.clock()
    books = await context.books(tx, *_ACCOUNTS, *{clearing_account(delivery.account.id) for delivery in deliveries})
    payment_events, books = await _to_events(tx, deliveries, books, context)
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
    first_day = min((business_date(payment_event.occurred_at) for payment_event in payment_events), default=today)
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
        candidates=await find_duplicate_candidates(tx, suspects) if suspects else (),
        references=KnownReferences(locked.uses, reserved.references),
    )
    batch_result = apply_events(payment_events, batch_state, new_allocation_id=lambda: AllocationId(context.ids.new()))
    answers = {
        delivery.id: Answer(
            batch_result.verdicts.get(delivery.id, Verdict.STORED), batch_result.receipts.get(delivery.id, delivery.id)
        )
        for delivery in deliveries
    }
    booking = _booking(deliveries, answers, batch_result, locked, books=books, context=context)
    received = [
        payment_event
        for payment_event in payment_events
        if payment_event.moves_money and payment_event.movement is Movement.RECEIVED
    ]
    booking = replace(
        booking,
        received_codes=codes_of(received),
        received_keys=sorted(
            {outflow_key(key) for payment_event in received for key in payment_event.traces | payment_event.own_traces}
        ),
    )
    waiting = await write_booking(tx, booking, books.accounts)
    await write_references(tx, batch_result.uses, batch_result.moved_uses)
    if batch_result.outflows or waiting:
        left = _outflows(batch_result, locked)
        await apply_outflows(tx, left, waiting, days=locked.days, context=context)
    return answers


async def _to_events(
    tx: Transaction, deliveries: Sequence[Delivery], books: ReferenceData, context: PaymentContext
) -> tuple[list[PaymentEvent], ReferenceData]:
    """The payment events of the notices. Codes of a prefix that is not cached cause the prefixes to be read again."""
    own = await _own_payees(tx, deliveries)
    notices = [(each, _with_known_payee(each, notice, own)) for each in deliveries for notice in each.notices]
    payment_events = [_to_event(delivery, notice, books.grammar, own) for delivery, notice in notices]
    if any(_may_have_new_prefix(payment_event) for payment_event in payment_events):
        known, books = books, await context.reference_data_with_new_prefixes(tx, books)
        if known is not books:
            payment_events = [_to_event(delivery, notice, books.grammar, own) for delivery, notice in notices]
    return payment_events, books


def _may_have_new_prefix(payment_event: PaymentEvent) -> bool:
    codes = payment_event.codes
    return (
        payment_event.moves_money
        and not codes.field
        and not codes.direct
        and may_name_code(payment_event.transfer_text)
    )


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


async def _own_payees(tx: Transaction, deliveries: Sequence[Delivery]) -> Mapping[NamedPayee, UUID | None]:
    """Payees in messages that differ from the account's own and still are or were the organization's.

    Cached settings may be old, and money under earlier codes still arrives: this is read in the transaction.
    """
    named = [
        one
        for delivery in deliveries
        for notice in delivery.notices
        if notice.names_other_account
        for one in _payees(delivery, notice)
    ]
    return await read_own_payees(tx, named) if named else {}


def _payees(delivery: Delivery, notice: Notice) -> list[NamedPayee]:
    return [NamedPayee(delivery.account.id, setting, value) for setting, value in notice.payee]


def _with_known_payee(delivery: Delivery, notice: Notice, own: Mapping[NamedPayee, UUID | None]) -> Notice:
    """The notice, marked as foreign or not from the data of the transaction."""
    payees = _payees(delivery, notice)
    if notice.names_other_account and payees and all(payee in own for payee in payees):
        return replace(notice, names_other_account=False)
    return notice


def _to_event(
    delivery: Delivery, notice: Notice, grammar: Grammar, own: Mapping[NamedPayee, UUID | None]
) -> PaymentEvent:
    banks = [own[payee] for payee in _payees(delivery, notice) if own.get(payee) is not None]
    account = replace(delivery.account, bank_account_id=banks[0]) if banks else delivery.account
    if notice.movement_keys and notice.aliases:
        notice = replace(notice, movement_keys=notice.movement_keys | notice.aliases)
    return PaymentEvent(
        delivery_id=delivery.id,
        account_id=account.id,
        bank_account_id=account.bank_account_id,
        event=EventKey(account.id, event_key(notice)),
        fingerprint=notice.fingerprint,
        outcome=notice.outcome,
        movement=notice.movement,
        amount=dong(notice.amount),
        occurred_at=_occurred_at(notice, delivery),
        movement_keys=movement_keys(account, notice),
        reference_key=reference_key(account, notice),
        reverses=reversed_keys(account, notice),
        source=delivery.source,
        codes=codes_in(notice, grammar),
        transfer_text=notice.transfer_text,
        provider_reference=notice.provider_reference,
        bank_reference="" if is_placeholder(notice.bank_reference) else notice.bank_reference,
        payer=notice.payer,
        names_other_account=notice.names_other_account,
    )


def _occurred_at(notice: Notice, delivery: Delivery) -> datetime:
    """The time of the movement; an invalid time, as an unset clock writes it, must not prevent the booking."""
    return notice.occurred_at if _FIRST <= notice.occurred_at < _LAST else delivery.callback.received_at


def _booking(
    deliveries: Sequence[Delivery],
    answers: dict[DeliveryId, Answer],
    batch_result: BatchResult,
    locked: LockedState,
    *,
    books: ReferenceData,
    context: PaymentContext,
) -> Booking:
    now = context.clock()
    new_id = context.ids.new
    parts: dict[PaymentId, list[Allocation]] = {}
    for allocation in batch_result.allocations:
        parts.setdefault(allocation.payment_id, []).append(allocation)
    return Booking(
        recorded_at=now,
        deliveries=[
            DeliveryRow(
                id=delivery.id,
                account_id=delivery.account.id,
                callback=delivery.callback,
                kept_headers=_KEPT_HEADERS | delivery.account.evidence_headers,
                verdict=answers[delivery.id].verdict,
                receipt_id=answers[delivery.id].receipt_id,
                notices=len(delivery.notices),
            )
            for delivery in deliveries
        ],
        payments=[
            PaymentRow(
                payment=payment,
                bank_account_id=payment_event.bank_account_id,
                transfer_text=payment_event.transfer_text,
                payer=payment_event.payer or _NOBODY,
                parts=parts[payment.id],
            )
            for payment, payment_event in batch_result.payments
        ],
        allocations=batch_result.allocations,
        invoices=[
            (invoice, locked.invoices[invoice_id].version)
            for invoice_id, invoice in sorted(batch_result.invoices.items())
        ],
        intents=_with_versions(batch_result, locked),
        entries=_entries(batch_result, parts, locked, context),
        exceptions=[
            new_exception(exception, books, context)
            for exception in batch_result.exceptions
            if exception.reason is not ExceptionReason.UNEXPECTED_REVERSAL
        ],
        holds=batch_result.holds,
        attached=batch_result.attached,
        messages=_messages(batch_result, locked, context),
        audit=[
            AuditLine(
                id=new_id(),
                account_id=payment.account_id,
                action="payment_received",
                subject_kind="payment",
                subject_id=payment.id,
            )
            for payment, _ in batch_result.payments
        ],
    )


def _with_versions(batch_result: BatchResult, locked: LockedState) -> list[tuple[Intent, int]]:
    before = {intent.id: intent.version for intent in locked.intents.values()}
    return [(intent, before[intent_id]) for intent_id, intent in sorted(batch_result.intents.items())]


def _entries(
    batch_result: BatchResult, parts: dict[PaymentId, list[Allocation]], locked: LockedState, context: PaymentContext
) -> list[Entry]:
    now = context.clock()
    return [
        Entry(
            id=EntryId(context.ids.new()),
            kind=EntryKind.PAYMENT_RECEIVED,
            effective_at=payment_event.occurred_at,
            recorded_at=now,
            accounting_date=accounting_date(
                occurred_on=business_date(payment_event.occurred_at), today=business_date(now), days=locked.days
            ),
            actor=Actor.provider(payment_event.account_id),
            postings=payment_received(parts[payment.id], account_id=payment.account_id),
        )
        for payment, payment_event in batch_result.payments
    ]


def _messages(batch_result: BatchResult, locked: LockedState, context: PaymentContext) -> list[Message]:
    """Webhook messages: money received, invoices and intents that changed. Ids and amounts only."""
    payments: list[tuple[str, dict[str, object]]] = [
        ("payment.received", {"payment_id": str(payment.id), "amount": payment.amount})
        for payment, _ in batch_result.payments
    ]
    invoices = [invoice_message(invoice) for invoice in batch_result.invoices.values()]
    owed = {invoice_id: invoice.owed for invoice_id, invoice in {**locked.invoices, **batch_result.invoices}.items()}
    intents = [
        intent_message(intent, owed=Dong(sum(owed[invoice_id] for invoice_id in intent.invoices)))
        for intent in batch_result.intents.values()
    ]
    return [
        Message(id=context.ids.new(), topic=topic, payload=payload) for topic, payload in payments + invoices + intents
    ]
