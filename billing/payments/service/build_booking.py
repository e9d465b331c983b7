"""The rows of a batch: what `apply_events` decided, with its entries, webhook messages and audit lines."""

from collections.abc import Sequence

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import DeliveryId, EntryId, PaymentId
from billing.core.money import Dong
from billing.ledger.domain.accounts import Entry, EntryKind, accounting_date
from billing.payments.domain.apply_events import BatchResult
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import Allocation
from billing.payments.domain.posting_rules import payment_received
from billing.payments.service.context import PaymentContext, ReferenceData
from billing.payments.service.exception_rows import new_exception
from billing.payments.service.payment_events import Answer, Delivery
from billing.payments.service.webhook_messages import intent_message, invoice_message
from billing.payments.store.bookings import (
    AuditLine,
    Booking,
    DeliveryRow,
    Message,
    PaymentRow,
)
from billing.payments.store.event_keys import (
    LockedState,
)
from providers.contract import Payer

_KEPT_HEADERS = frozenset({"content-type", "user-agent", "date"})
_NOBODY = Payer()


def build_booking(
    deliveries: Sequence[Delivery],
    answers: dict[DeliveryId, Answer],
    batch_result: BatchResult,
    locked: LockedState,
    *,
    reference_data: ReferenceData,
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
                transfer_text=payment_event.notice.transfer_text,
                payer=payment_event.notice.payer or _NOBODY,
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
            new_exception(exception, reference_data, context)
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
            effective_at=payment_event.notice.occurred_at,
            recorded_at=now,
            accounting_date=accounting_date(
                occurred_on=business_date(payment_event.notice.occurred_at), today=business_date(now), days=locked.days
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
    requests = {**locked.requests, **batch_result.requests}
    intents = [
        intent_message(
            intent,
            owed=Dong(sum(owed[invoice_id] for invoice_id in intent.invoices))
            if intent.deposit_request_id is None
            else requests[intent.deposit_request_id].remaining,
        )
        for intent in batch_result.intents.values()
    ]
    return [
        Message(id=context.ids.new(), topic=topic, payload=payload) for topic, payload in payments + invoices + intents
    ]
