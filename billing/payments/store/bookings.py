"""Writes the result of a batch in one statement, each row once and final.

Third statement of the callback path. Invoices and intents are guarded by the version they were locked with.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.core.errors import Unavailable
from billing.core.ids import DeliveryId, LedgerAccountId, PaymentId, PersonId
from billing.db.arrays import columns
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


# Rows of one statement may refer to each other: foreign keys are checked when it ends. Parameters come in the order
# of `_parameters`.
_WRITE = """
    WITH incoming AS (
        SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::timestamptz[], $6::text[], $7::uuid[], $8::int[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::bytea[], $14::text[])
            AS t (id, account_id, received_at, verdict, receipt_id, notices,
                method, path_suffix, query, headers, body, source)
    ), deliveries AS (
        INSERT INTO delivery (organization_id, id, provider_account_id, received_at, verdict, receipt_id, notices)
        SELECT $1, id, account_id, received_at, verdict, receipt_id, notices FROM incoming
    ), bodies AS (
        INSERT INTO delivery_body (organization_id, id, method, path_suffix, query, headers, body, source_address)
        SELECT $1, id, method, path_suffix, query, headers::jsonb, body, source FROM incoming
    ), paid AS (
        SELECT * FROM unnest($15::uuid[], $16::uuid[], $17::uuid[], $18::uuid[], $19::uuid[], $20::bigint[],
            $21::text[], $22::text[], $23::timestamptz[], $24::bigint[], $25::bigint[],
            $26::bigint[], $27::text[], $28::text[], $29::text[], $30::text[])
            AS t (id, account_id, bank_account_id, delivery_id, intent_id, amount, provider_reference, bank_reference,
                occurred_at, on_invoices, credit, unallocated, transfer_text, payer_name, payer_account, payer_bank)
    ), payments AS (
        INSERT INTO payment (organization_id, id, provider_account_id, bank_account_id, delivery_id, intent_id, amount,
            provider_reference, bank_reference, occurred_at, recorded_at)
        SELECT $1, id, account_id, bank_account_id, delivery_id, intent_id, amount, provider_reference, bank_reference,
            occurred_at, $2
        FROM paid
    ), positions AS (
        INSERT INTO payment_position (organization_id, payment_id, amount, on_invoices, credit, unallocated)
        SELECT $1, id, amount, on_invoices, credit, unallocated FROM paid
    ), origins AS (
        INSERT INTO payment_origin (organization_id, payment_id, transfer_text, payer_name, payer_account, payer_bank)
        SELECT $1, id, transfer_text, payer_name, payer_account, payer_bank FROM paid
    ), allocations AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, amount, reason, recorded_at)
        SELECT $1, id, payment_id, target, invoice_id, amount, reason, $2
        FROM unnest($31::uuid[], $32::uuid[], $33::text[], $34::uuid[], $35::bigint[], $36::text[])
            AS t (id, payment_id, target, invoice_id, amount, reason)
    ), invoices AS (
        UPDATE invoice SET allocated = t.allocated, owed = t.owed, version = t.version
        FROM unnest($37::uuid[], $38::int[], $39::int[], $40::bigint[], $41::bigint[])
            AS t (id, version_before, version, allocated, owed)
        WHERE invoice.organization_id = $1 AND invoice.id = t.id AND invoice.version = t.version_before
        RETURNING invoice.id
    ), intents AS (
        UPDATE intent SET state = t.state, received = t.received, version = t.version
        FROM unnest($42::uuid[], $43::int[], $44::int[], $45::text[], $46::bigint[])
            AS t (id, version_before, version, state, received)
        WHERE intent.organization_id = $1 AND intent.id = t.id AND intent.version = t.version_before
        RETURNING intent.id
    ), entries AS (
        INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind,
            actor_id)
        SELECT $1, id, kind, effective_at, $2, accounting_date, actor_kind, actor_id
        FROM unnest($47::uuid[], $48::text[], $49::timestamptz[], $50::date[], $51::text[], $52::uuid[])
            AS t (id, kind, effective_at, accounting_date, actor_kind, actor_id)
    ), postings AS (
        INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id,
            invoice_id, payment_id, payer)
        SELECT $1, entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, payment_id, payer
        FROM unnest($53::uuid[], $54::int[], $55::uuid[], $56::uuid[], $57::bigint[], $58::uuid[],
            $59::uuid[], $60::uuid[], $61::text[])
            AS t (entry_id, line, debit_account_id, credit_account_id,
                amount, visit_id, invoice_id, payment_id, payer)
    ), cases AS (
        INSERT INTO exception_case (organization_id, id, reason, state, amount, provider_account_id, delivery_id,
            payment_id, intent_id, opened_at, due_at, owner_id)
        SELECT $1, id, reason, 'open', amount, account_id, delivery_id, payment_id, intent_id, $2, due_at,
            owner_id
        FROM unnest($62::uuid[], $63::text[], $64::bigint[], $65::uuid[], $66::uuid[], $67::uuid[],
            $68::uuid[], $69::timestamptz[], $85::uuid[])
            AS t (id, reason, amount, account_id, delivery_id, payment_id, intent_id, due_at, owner_id)
        ON CONFLICT DO NOTHING  -- the same disagreement reported again
    ), holds AS (
        INSERT INTO payment_hold (organization_id, payment_id, other_payment_id, held_at)
        SELECT $1, payment_id, other_payment_id, $2
        FROM unnest($70::uuid[], $71::uuid[])
            AS t (payment_id, other_payment_id)
    ), attached AS (
        UPDATE movement_key SET movement_id = t.movement_id, amount = t.amount
        FROM unnest($72::uuid[], $73::text[], $74::text[], $75::uuid[], $76::bigint[])
            AS t (account_id, movement, key, movement_id, amount)
        WHERE movement_key.organization_id = $1 AND movement_key.account_id = t.account_id
            AND movement_key.movement = t.movement AND movement_key.key = t.key
    ), messages AS (
        INSERT INTO outbox (organization_id, id, topic, payload)
        SELECT $1, id, topic, payload
        FROM unnest($77::uuid[], $78::text[], $79::jsonb[])
            AS t (id, topic, payload)
    ), audited AS (
        INSERT INTO audit (organization_id, id, recorded_at, actor_kind, actor_id, action, subject_kind, subject_id)
        SELECT $1, id, $2, 'provider', actor_id, action, subject_kind, subject_id
        FROM unnest($80::uuid[], $81::uuid[], $82::text[], $83::text[], $84::uuid[])
            AS t (id, actor_id, action, subject_kind, subject_id)
    )
    SELECT (SELECT count(*) FROM invoices) AS invoices, (SELECT count(*) FROM intents) AS intents,
        (SELECT array_agg(id ORDER BY id) FROM unmatched_outflow
         WHERE organization_id = $1 AND payment_id IS NULL
            AND (code <> '' AND code = ANY ($86::text[]) OR keys && $87::text[])) AS outflows
"""


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
    row = await tx.fetchrow(_WRITE, tx.organization_id, booking.recorded_at, *_parameters(booking, accounts))
    assert row is not None, "a statement without FROM answers one row"
    if row["invoices"] != len(booking.invoices) or row["intents"] != len(booking.intents):
        raise RowChangedMeanwhile("a row was changed by someone who did not take its lock")
    movements = inline_movements((posting for entry in booking.entries for posting in entry.postings), accounts)
    if movements:
        await move_inline_balances(tx, movements)
    return list(row["outflows"] or ())


def _parameters(booking: Booking, accounts: Mapping[AccountKey, LedgerAccountId]) -> list[list[object]]:
    return [
        *columns([_delivery(row) for row in booking.deliveries], 12),
        *columns([_payment(row) for row in booking.payments], 16),
        *columns([_allocation(part) for part in booking.allocations], 6),
        *columns([(row.id, was, row.version, row.allocated, row.owed) for row, was in booking.invoices], 5),
        *columns([(row.id, was, row.version, row.state.value, row.received) for row, was in booking.intents], 5),
        *columns([_entry(entry) for entry in booking.entries], 6),
        *columns([row for entry in booking.entries for row in postings_of(entry, accounts)], 9),
        *columns([_exception(row) for row in booking.exceptions], 8),
        *columns(list(booking.holds), 2),
        *columns(
            [
                (key.account_id, key.movement.value, key.key, movement.movement_id, movement.amount)
                for key, movement in booking.attached.items()
            ],
            5,
        ),
        *columns([(message.id, message.topic, message.payload) for message in booking.messages], 3),
        *columns(
            [(line.id, line.account_id, line.action, line.subject_kind, line.subject_id) for line in booking.audit], 5
        ),
        [row.owner_id for row in booking.exceptions],
        list(booking.received_codes),
        list(booking.received_keys),
    ]


def _delivery(row: DeliveryRow) -> tuple[object, ...]:
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


def _payment(row: PaymentRow) -> tuple[object, ...]:
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
        position[AllocationTarget.CREDIT],
        position[AllocationTarget.UNALLOCATED],
        row.transfer_text,
        row.payer.name,
        row.payer.account,
        row.payer.bank,
    )


def _allocation(part: Allocation) -> tuple[object, ...]:
    return (part.id, part.payment_id, part.target.value, part.invoice_id, part.amount, part.reason.value)


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
    )
