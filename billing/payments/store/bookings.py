"""Writes the result of a batch in one statement, each row once and final.

Third statement of the callback path. Invoices and intents are guarded by the version they were locked with.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.core.errors import Unavailable
from billing.core.ids import DeliveryId, LedgerAccountId, PaymentId, PersonId
from billing.db.database import Transaction
from billing.db.json_codec import encode_json
from billing.invoices.domain.invoice import Invoice
from billing.ledger.domain.accounts import AccountKey, Entry
from billing.ledger.domain.balances import inline_movements
from billing.ledger.store.balances import move_inline_balances
from billing.ledger.store.posting_rows import postings_of
from billing.payments.domain.event import BookedMovement, MovementKey
from billing.payments.domain.exception import PaymentException
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import Allocation, AllocationTarget, Payment, position_of
from billing.payments.store.booking_statement import WRITE_BATCH, arrays_of
from providers.contract import Callback, Payer, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One stored delivery: its verdict, and its raw message with the headers that prove it."""

    id: DeliveryId
    account_id: UUID
    callback: Callback
    kept_headers: Set[str]
    verdict: Verdict
    receipt_id: DeliveryId
    notices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """A payment with its separately stored values."""

    payment: Payment
    bank_account_id: UUID | None
    transfer_text: str
    payer: Payer
    parts: Sequence[Allocation]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewException:
    """An exception with its id, its due time, and its owner, if one person owns it."""

    id: UUID
    exception: PaymentException
    due_at: datetime
    owner_id: PersonId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A line of the outbox: ids and amounts only."""

    id: UUID
    topic: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """The subject of an audit line; the entry's actor states who acted."""

    id: UUID
    account_id: UUID
    action: str
    subject_kind: str
    subject_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """All rows of one batch."""

    recorded_at: datetime
    deliveries: Sequence[DeliveryRow] = ()
    payments: Sequence[PaymentRow] = ()
    allocations: Sequence[Allocation] = ()
    invoices: Sequence[tuple[Invoice, int]] = ()  # final row, version it was locked with
    intents: Sequence[tuple[Intent, int]] = ()
    entries: Sequence[Entry] = ()
    exceptions: Sequence[NewException] = ()
    holds: Sequence[tuple[PaymentId, PaymentId]] = ()
    attached: Mapping[MovementKey, BookedMovement] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    audit: Sequence[AuditLine] = ()
    received_codes: Sequence[str] = ()  # of the money received; outflows may wait for it under these
    received_keys: Sequence[str] = ()  # likewise, each as account/key


class RowChangedMeanwhile(Unavailable):
    """A locked row differs from the row that was read: the transaction is rolled back and may be tried again."""

    code = "row_changed_meanwhile"


async def write_booking(
    tx: Transaction, booking: Booking, accounts: Mapping[AccountKey, LedgerAccountId]
) -> list[PaymentId]:
    """Write all rows of a batch. `accounts` must contain every account its entries name.

    Returns the outflows that wait for money under one of the codes or keys received. The statement sees every outflow
    whose transaction held the intent of such a code before this one; of two concurrent ones that share only a key,
    neither may see the other, and `find_matchable_outflows` finds them later.

    Locked balances are moved last, summed over the batch and in order. Raises RowChangedMeanwhile if an invoice or
    intent differs from its locked version, BalanceBelowFloor.
    """
    row = await tx.fetchrow(
        WRITE_BATCH,
        tx.organization_id,
        booking.recorded_at,
        list(booking.received_codes),
        list(booking.received_keys),
        *arrays_of(_rows(booking, accounts)),
    )
    assert row is not None, "a statement without FROM answers one row"
    if row["invoices"] != len(booking.invoices) or row["intents"] != len(booking.intents):
        raise RowChangedMeanwhile("a row was changed by someone who did not take its lock")
    movements = inline_movements((posting for entry in booking.entries for posting in entry.postings), accounts)
    if movements:
        await move_inline_balances(tx, movements)
    return list(row["outflows"] or ())


def _rows(
    booking: Booking, accounts: Mapping[AccountKey, LedgerAccountId]
) -> Mapping[str, Sequence[tuple[object, ...]]]:
    return {
        "delivery": [delivery_row(row) for row in booking.deliveries],
        "payment": [payment_row(row) for row in booking.payments],
        "allocation": [_allocation(part) for part in booking.allocations],
        "invoice": [(row.id, was, row.version, row.allocated, row.owed) for row, was in booking.invoices],
        "intent": [(row.id, was, row.version, row.state.value, row.received) for row, was in booking.intents],
        "entry": [_entry(entry) for entry in booking.entries],
        "posting": [row for entry in booking.entries for row in postings_of(entry, accounts)],
        "exception": [_exception(row) for row in booking.exceptions],
        "hold": list(booking.holds),
        "attached_key": [
            (key.account_id, key.movement.value, key.key, movement.movement_id, movement.amount)
            for key, movement in booking.attached.items()
        ],
        "message": [(message.id, message.topic, message.payload) for message in booking.messages],
        "audit_line": [
            (line.id, line.account_id, line.action, line.subject_kind, line.subject_id) for line in booking.audit
        ],
    }


def delivery_row(row: DeliveryRow) -> tuple[object, ...]:
    """The columns of a delivery, in the order of `booking_statement.py`."""
    callback = row.callback
    return (
        row.id,
        row.account_id,
        callback.received_at,
        row.verdict.value,
        row.receipt_id,
        row.notices,
        callback.method,
        callback.path_suffix,
        callback.raw_query,
        encode_json([pair for pair in callback.headers if pair[0] in row.kept_headers]),
        callback.body,
        callback.source_address,
    )


def payment_row(row: PaymentRow) -> tuple[object, ...]:
    """The columns of a payment, in the order of `booking_statement.py`."""
    payment = row.payment
    position = position_of(row.parts)
    return (
        payment.id,
        payment.account_id,
        row.bank_account_id,
        payment.delivery_id,
        payment.intent_id,
        payment.amount,
        payment.provider_reference,
        payment.bank_reference,
        payment.occurred_at,
        position[AllocationTarget.INVOICE],
        position[AllocationTarget.DEPOSIT],
        position[AllocationTarget.CREDIT],
        position[AllocationTarget.UNALLOCATED],
        row.transfer_text,
        row.payer.name,
        row.payer.account,
        row.payer.bank,
    )


def _allocation(part: Allocation) -> tuple[object, ...]:
    return (
        part.id,
        part.payment_id,
        part.target.value,
        part.invoice_id,
        part.deposit_id,
        part.amount,
        part.reason.value,
    )


def _entry(entry: Entry) -> tuple[object, ...]:
    actor = entry.actor
    return (entry.id, entry.kind.value, entry.effective_at, entry.accounting_date, actor.kind.value, actor.id)


def _exception(row: NewException) -> tuple[object, ...]:
    payment_event = row.exception.payment_event
    return (
        row.id,
        row.exception.reason.value,
        row.exception.amount,
        payment_event.account_id,
        payment_event.delivery_id,
        row.exception.payment_id,
        row.exception.intent_id,
        row.due_at,
        row.owner_id,
    )
