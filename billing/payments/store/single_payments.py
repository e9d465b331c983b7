"""Payments that each pay one invoice under one code: read and written by one statement each.

The reads of a call are one transaction, and so are its writes, also for several organizations: every statement sets its
own. The functions that write are in `migrations/0039_single_payments.sql` and `0052_shared_commits.sql`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg

from billing.core.ids import InvoiceId, LedgerAccountId, OrganizationId
from billing.db.arrays import columns
from billing.db.database import Database
from billing.invoices.domain.invoice import Invoice
from billing.invoices.store.invoice_rows import invoice_of
from billing.ledger.domain.accounts import AccountKey, DayState
from billing.ledger.store.posting_rows import postings_of
from billing.payments.domain.event import MovementKey, PaymentEvent
from billing.payments.domain.intent import Intent
from billing.payments.store.bookings import Booking, delivery_row, payment_row
from billing.payments.store.event_keys import reference_use
from billing.payments.store.intent_rows import intent_of

_READ = """
    SELECT intent.id, intent.provider_account_id, intent.reference_code, intent.state, intent.version, intent.amount,
        intent.received, intent.created_at, intent.expires_at, target AS invoice,
        (SELECT array_agg((business_day.day, business_day.state)) FROM business_day
         WHERE business_day.organization_id = $1 AND business_day.day BETWEEN $3 AND $4) AS days,
        $5::int AS position
    FROM intent
    JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id
    JOIN invoice_state AS target ON target.organization_id = $1 AND target.id = intent_invoice.invoice_id
    WHERE intent.organization_id = $1 AND intent.reference_code = $2 AND intent.deposit_id IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRequest:
    """Requests the target of a code of one organization, and the days ever opened in a period."""

    organization_id: OrganizationId
    code: str
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleTarget:
    """The intent of a code and its only invoice, read without a lock, and the days ever opened in a period."""

    intent: Intent
    invoice: Invoice
    days: Mapping[date, DayState]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePayment:
    """One payment with its booking; `accounts` are the ledger accounts of its organization."""

    organization_id: OrganizationId
    payment_event: PaymentEvent
    booking: Booking
    accounts: Mapping[AccountKey, LedgerAccountId]


async def read_single_targets(database: Database, requests: Sequence[TargetRequest]) -> list[SingleTarget | None]:
    """The target of each request; None if no intent has the code, or it collects for several invoices or a deposit."""
    arguments = [
        (
            request.organization_id,
            (request.organization_id, request.code, request.first_day, request.last_day, position),
        )
        for position, request in enumerate(requests)
    ]
    rows: list[list[asyncpg.Record]] = [[] for _ in requests]
    for row in await database.read_each(_READ, arguments):
        rows[row["position"]].append(row)
    return [_target(found[0]) if len(found) == 1 else None for found in rows]


def _target(row: asyncpg.Record) -> SingleTarget:
    invoice = invoice_of(row["invoice"])
    return SingleTarget(
        intent=intent_of((*tuple(row)[:9], None, None, False), [InvoiceId(invoice.id)]),
        invoice=invoice,
        days={day: DayState(state) for day, state in row["days"] or ()},
    )


_PARAMETERS = ", ".join(f"${number}" for number in range(1, 60))
_WRITE = f"SELECT vienphi_write_single_payment({_PARAMETERS})"


async def write_single_payment(database: Database, payment: SinglePayment) -> bool:
    """Write the rows of one payment and commit; False if another transaction decided otherwise: nothing was written.

    A key was reserved, the invoice or the intent has changed, the day was closed, another channel reports the same bank
    account, or an outflow waits for this money. Raises what `Database.run_single` raises.
    """
    try:
        await database.run_single(payment.organization_id, _WRITE, *_parameters(payment))
    except (asyncpg.SerializationError, asyncpg.IntegrityConstraintViolationError):
        return False
    return True


_TRY = f"SELECT vienphi_try_single_payment({_PARAMETERS}) AS is_written"


async def write_single_payments(database: Database, payments: Sequence[SinglePayment]) -> list[bool]:
    """Write payments of any organizations and commit them together; whether each was written.

    One is not if `write_single_payment` would not write it, if its day is being closed, or if another transaction holds
    one of its rows for more than 100 ms. Raises what `Database.run_each` raises: nothing was written then.
    """
    arguments = [(payment.organization_id, _parameters(payment)) for payment in payments]
    return [row["is_written"] for row in await database.run_each(_TRY, arguments)]


def _parameters(single: SinglePayment) -> tuple[object, ...]:
    """The parameters of `vienphi_write_single_payment` after the organization, in its order."""
    payment_event, booking = single.payment_event, single.booking
    (delivery,) = booking.deliveries
    (payment,) = booking.payments
    (allocation,) = booking.allocations
    ((invoice, invoice_version),) = booking.invoices
    ((intent, intent_version),) = booking.intents
    (entry,) = booking.entries
    (audit,) = booking.audit
    (posting,) = postings_of(entry, single.accounts)
    _, _, debit_id, credit_id, _, visit_id, _, _, payer = posting
    messages = [(each.id, each.topic, each.payload) for each in booking.messages]
    return (
        booking.recorded_at,
        *_keys(payment_event, booking),
        *_delivery(delivery_row(delivery)),
        *_payment(payment_row(payment)),
        allocation.id,
        allocation.reason.value,
        *(invoice.id, invoice_version, invoice.version, invoice.allocated, invoice.owed),
        *(intent.id, intent_version, intent.version, intent.state.value, intent.received),
        *(entry.id, entry.kind.value, entry.accounting_date, debit_id, credit_id, visit_id, payer),
        *columns(messages, 3),
        audit.id,
        audit.action,
    )


def _keys(payment_event: PaymentEvent, booking: Booking) -> tuple[object, ...]:
    """event_key … outflow_keys: the names of the money, strong and weak, and the names that an outflow waits under."""
    keys: list[MovementKey] = sorted(payment_event.movement_keys)
    reference: tuple[object, ...] = (None, None, "", "", None, None)
    if payment_event.reference_key is not None:
        use = reference_use(payment_event, payment_event.reference_key, booking.payments[0].payment.id)
        account_id, _, name, _, _, source, strong_name, _, day, codes = use
        reference = (account_id, name, source, strong_name, day, str(codes).split())
    (code,) = booking.received_codes
    return (
        payment_event.event.key,
        payment_event.notice.fingerprint,
        [key.account_id for key in keys],
        [key.key for key in keys],
        *reference,
        code,
        list(booking.received_keys),
    )


def _delivery(row: tuple[object, ...]) -> tuple[object, ...]:
    delivery_id, account_id, received_at, verdict, _, *rest = row
    return delivery_id, account_id, received_at, verdict, *rest


def _payment(row: tuple[object, ...]) -> tuple[object, ...]:
    """The columns of a payment that are not those of its delivery, its intent or its position."""
    payment_id, _, bank_account_id, _, _, amount, provider_reference, bank_reference, occurred_at, *rest = row
    _, _, _, _, transfer_text, payer_name, payer_account, payer_bank = rest
    return (
        *(payment_id, bank_account_id, amount, provider_reference, bank_reference, occurred_at),
        *(transfer_text, payer_name, payer_account, payer_bank),
    )
