"""Keys of notices and the rows of a batch: reserve the keys, then lock and read.

Two of the three statements of the callback path; the third, which writes, is in `bookings.py`. Keys are reserved in key
order and rows locked in id order, invoices before intents, so that two writers never deadlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import DepositId, DepositRequestId, InvoiceId, PaymentId
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.invoices.domain.invoice import Invoice
from billing.invoices.store.invoice_rows import invoice_of
from billing.ledger.domain.accounts import DayState
from billing.payments.domain.deposit import Deposit, DepositRequest
from billing.payments.domain.event import (
    BookedMovement,
    EventKey,
    MovementKey,
    PaymentEvent,
    ReferenceKey,
    ReferenceUse,
    SeenEvent,
    without_altered_repeats,
)
from billing.payments.domain.intent import Intent
from billing.payments.domain.reference_links import REFERENCE_WINDOW
from billing.payments.store.deposits import deposit_of, request_of
from billing.payments.store.intent_rows import intent_of
from providers.contract import Movement, Verdict

# One movement key may belong to several payment events; it is reserved if any of them is received for the first time,
# or received again unchanged with a further name for the money. A payment event with other content than the first time
# reserves nothing: it must not hide money that is still to come.
_CLAIM = """
    WITH events AS (
        INSERT INTO event_key (organization_id, provider_account_id, key, fingerprint, delivery_id)
        SELECT $1, incoming.account_id, incoming.key, incoming.fingerprint, incoming.delivery_id
        FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::uuid[])
            AS incoming (account_id, key, fingerprint, delivery_id)
        ORDER BY incoming.account_id, incoming.key
        ON CONFLICT DO NOTHING
        RETURNING provider_account_id, key
    ), matching_events AS (
        SELECT provider_account_id, key FROM events
        UNION ALL
        SELECT event_key.provider_account_id, event_key.key
        FROM unnest($2::uuid[], $3::text[], $4::bytea[]) AS incoming (account_id, key, fingerprint)
        JOIN event_key ON event_key.organization_id = $1 AND event_key.provider_account_id = incoming.account_id
            AND event_key.key = incoming.key AND event_key.fingerprint = incoming.fingerprint
    ), reserved_movements AS (
        INSERT INTO movement_key (organization_id, account_id, movement, key, movement_id, amount)
        SELECT DISTINCT ON (named.account_id, named.movement, named.key)
            $1, named.account_id, named.movement, named.key, named.movement_id, named.amount
        FROM unnest($6::uuid[], $7::text[], $8::text[], $9::uuid[], $10::bigint[], $11::uuid[], $12::text[])
            AS named (account_id, movement, key, movement_id, amount, event_account_id, event_key)
        JOIN matching_events ON matching_events.provider_account_id = named.event_account_id
            AND matching_events.key = named.event_key
        ORDER BY named.account_id, named.movement, named.key
        ON CONFLICT DO NOTHING
        RETURNING account_id, movement, key
    ), used AS (
        INSERT INTO bank_reference (organization_id, account_id, movement, reference, number, payment_id,
            provider_account_id, source, name, amount, booked_on, codes)
        SELECT DISTINCT ON (named.account_id, named.movement, named.reference)
            $1, named.account_id, named.movement, named.reference, 1, named.payment_id, named.provider_account_id,
            named.source, named.name, named.amount, named.booked_on, string_to_array(named.codes, ' ')
        FROM unnest($13::uuid[], $14::text[], $15::text[], $16::uuid[], $17::uuid[], $18::text[], $19::text[],
            $20::bigint[], $21::date[], $22::text[], $23::text[]) WITH ORDINALITY
            AS named (account_id, movement, reference, payment_id, provider_account_id, source, name, amount,
                booked_on, codes, event_key, place)
        JOIN matching_events ON matching_events.provider_account_id = named.provider_account_id
            AND matching_events.key = named.event_key
        ORDER BY named.account_id, named.movement, named.reference, named.place
        ON CONFLICT DO NOTHING
        RETURNING account_id, movement, reference, provider_account_id, name
    )
    SELECT provider_account_id AS account_id, NULL AS movement, key, NULL::uuid AS by_account, NULL AS by_name
    FROM events
    UNION ALL
    SELECT account_id, movement, key, NULL, NULL FROM reserved_movements
    UNION ALL
    SELECT account_id, movement, reference, provider_account_id, name FROM used
    UNION ALL
    SELECT bank_account_id, 'channels', (count(*) + (SELECT count(*) FROM (
        SELECT FROM payment WHERE payment.organization_id = $1 AND payment.method = 'transfer'
            AND payment.bank_account_id = provider_account.bank_account_id LIMIT 1) AS confirmed))::text, NULL, NULL
    FROM provider_account
    WHERE organization_id = $1 AND bank_account_id = ANY ($24::uuid[])
    GROUP BY bank_account_id
"""


_CHANNELS = "channels"


@dataclass(frozen=True, slots=True)
class ReservedKeys:
    """The keys that this transaction reserves first; `shared` are bank accounts of the batch with more channels."""

    events: frozenset[EventKey]
    movements: frozenset[MovementKey]
    references: Mapping[ReferenceKey, tuple[UUID, str]]  # by which account and strong name
    shared: frozenset[UUID]


async def reserve_keys(
    tx: Transaction, payment_events: Sequence[PaymentEvent], movement_ids: Mapping[MovementKey, PaymentId]
) -> ReservedKeys:
    """Reserve the event keys of a batch, and the movement keys of its unaltered payment events.

    An event is unaltered if its content equals that of the first payment event of its event key. Waits for another
    transaction that reserves the same key. The first payment event of a batch keeps its event key.
    """
    unaltered = without_altered_repeats(payment_events)
    first = {payment_event.event: payment_event for payment_event in reversed(unaltered)}
    events = [
        (key.account_id, key.key, payment_event.notice.fingerprint, payment_event.delivery_id)
        for key, payment_event in first.items()
    ]
    movements = [
        (
            key.account_id,
            key.movement.value,
            key.key,
            movement_ids[key],
            payment_event.amount,
            payment_event.event.account_id,
            payment_event.event.key,
        )
        for payment_event in unaltered
        if payment_event.moves_money
        for key in payment_event.movement_keys
    ]
    used = [
        (
            *reference_use(payment_event, payment_event.reference_key, movement_ids[min(payment_event.movement_keys)]),
            payment_event.event.key,
        )
        for payment_event in unaltered
        if payment_event.moves_money and payment_event.reference_key is not None
    ]
    banks = {
        payment_event.bank_account_id for payment_event in payment_events if payment_event.bank_account_id is not None
    }
    rows = await tx.fetch(
        _CLAIM,
        tx.organization_id,
        *columns(events, 4),
        *columns(movements, 7),
        *columns(used, 11),
        list(banks),
    )
    names = [row for row in rows if row["movement"] not in (None, _CHANNELS)]
    return ReservedKeys(
        events=frozenset(EventKey(row["account_id"], row["key"]) for row in rows if row["movement"] is None),
        movements=frozenset(
            MovementKey(row["account_id"], Movement(row["movement"]), row["key"])
            for row in names
            if row["by_account"] is None
        ),
        references={
            ReferenceKey(row["account_id"], Movement(row["movement"]), row["key"]): (row["by_account"], row["by_name"])
            for row in names
            if row["by_account"] is not None
        },
        shared=frozenset(row["account_id"] for row in rows if row["movement"] == _CHANNELS and int(row["key"]) > 1),
    )


def reference_use(payment_event: PaymentEvent, key: ReferenceKey, payment_id: PaymentId) -> tuple[object, ...]:
    """A use of a bank reference as reserved: codes that were never issued are dropped when it is read."""
    codes = {*payment_event.codes.field, *payment_event.codes.direct, *payment_event.codes.rejoined}
    return (
        key.account_id,
        key.movement.value,
        key.reference,
        payment_id,
        payment_event.account_id,
        payment_event.source.value,
        payment_event.name,
        payment_event.amount,
        business_date(payment_event.notice.occurred_at),
        " ".join(sorted(codes)),
    )


def codes_of(payment_events: Sequence[PaymentEvent]) -> list[str]:
    """Every reference code of the payment events, from any field."""
    return sorted(
        {
            code
            for payment_event in payment_events
            for code in (*payment_event.codes.field, *payment_event.codes.direct, *payment_event.codes.rejoined)
        }
    )


_LOCK_BATCH_STATE = """
    SELECT
        (SELECT array_agg((event_key.provider_account_id, event_key.key, event_key.fingerprint,
                coalesce(delivery.verdict, 'accepted'), coalesce(delivery.receipt_id, event_key.delivery_id)))
         FROM unnest($2::uuid[], $3::text[]) AS known (account_id, key)
         JOIN event_key ON event_key.organization_id = $1 AND event_key.provider_account_id = known.account_id
            AND event_key.key = known.key
         LEFT JOIN delivery ON delivery.organization_id = $1 AND delivery.id = event_key.delivery_id) AS events,
        (SELECT count(*) FROM (
            SELECT visit_id FROM visit_account
            WHERE organization_id = $1 AND visit_id IN (
                SELECT deposit.visit_id FROM intent
                JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
                WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($7::text[]))
            ORDER BY visit_id FOR NO KEY UPDATE) AS locked) AS visit_accounts,
        (SELECT array_agg((movement_key.account_id, movement_key.movement, movement_key.key,
            movement_key.movement_id, movement_key.amount))
         FROM unnest($4::uuid[], $5::text[], $6::text[]) AS known (account_id, movement, key)
         JOIN movement_key ON movement_key.organization_id = $1 AND movement_key.account_id = known.account_id
            AND movement_key.movement = known.movement AND movement_key.key = known.key) AS movements,
        (SELECT array_agg(locked.invoice) FROM (
            SELECT invoice FROM invoice_state AS invoice
            WHERE organization_id = $1 AND id IN (
                SELECT intent_invoice.invoice_id FROM intent
                JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id
                WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($7::text[]))
            ORDER BY id FOR NO KEY UPDATE) AS locked) AS invoices,
        (SELECT array_agg(locked.deposit) FROM (
            SELECT deposit FROM deposit
            WHERE organization_id = $1 AND id IN (
                SELECT deposit_id FROM intent WHERE organization_id = $1 AND reference_code = ANY ($7::text[]))
            ORDER BY id FOR NO KEY UPDATE) AS locked) AS deposits,
        (SELECT array_agg(locked.request) FROM (
            SELECT request FROM deposit_request AS request
            WHERE organization_id = $1 AND id IN (
                SELECT deposit_request_id FROM intent
                WHERE organization_id = $1 AND reference_code = ANY ($7::text[]))
            ORDER BY id FOR NO KEY UPDATE) AS locked) AS requests,
        (SELECT array_agg(locked) FROM (
            SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at,
                deposit_id, deposit_request_id, is_standing
            FROM intent
            WHERE organization_id = $1 AND reference_code = ANY ($7::text[])
            ORDER BY id FOR NO KEY UPDATE) AS locked) AS intents,
        (SELECT array_agg((intent.id, intent_invoice.invoice_id) ORDER BY intent.id, intent_invoice.position)
         FROM intent
         JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id
         WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($7::text[])) AS targets,
        (SELECT array_agg((day, state)) FROM business_day
         WHERE organization_id = $1 AND day BETWEEN $8 AND $9) AS days,
        (SELECT array_agg((used.account_id, used.movement, used.reference, used.payment_id, used.provider_account_id,
                used.source, used.name, used.amount, used.booked_on,
                (SELECT coalesce(string_agg(issued.reference_code, ' '), '') FROM intent AS issued
                 WHERE issued.organization_id = $1 AND issued.reference_code = ANY (used.codes))))
         FROM unnest($10::uuid[], $11::text[], $12::text[], $13::uuid[], $14::bigint[], $15::date[])
            AS incoming (account_id, movement, reference, provider_account_id, amount, booked_on)
         JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = incoming.account_id
            AND used.movement = incoming.movement AND used.reference = incoming.reference
            AND abs(used.booked_on - incoming.booked_on) <= $16
            AND (used.amount = incoming.amount OR used.provider_account_id <> incoming.provider_account_id)) AS uses
"""


@dataclass(frozen=True, slots=True)
class LockedState:
    """The state of the keys reserved earlier and of the locked rows; locked until the transaction ends."""

    known_events: Mapping[EventKey, SeenEvent]
    booked_movements: Mapping[MovementKey, BookedMovement]
    intents: Mapping[str, Intent]
    invoices: Mapping[InvoiceId, Invoice]
    deposits: Mapping[DepositId, Deposit]
    requests: Mapping[DepositRequestId, DepositRequest]
    days: Mapping[date, DayState]
    uses: Sequence[ReferenceUse]


async def lock_batch_state(
    tx: Transaction, payment_events: Sequence[PaymentEvent], reserved: ReservedKeys, *, first_day: date, last_day: date
) -> LockedState:
    """Read the earlier state, lock what the codes name in the lock order, and read the days.

    Locked are the visit accounts of deposits, the invoices, the deposits with their requests, and the intents.

    Days are those ever opened from `first_day` to `last_day`, both included; the day lock must be held already.
    """
    events = {payment_event.event for payment_event in payment_events} - reserved.events
    movements = {
        key for payment_event in payment_events if payment_event.moves_money for key in payment_event.movement_keys
    } - reserved.movements
    references = {
        (
            payment_event.reference_key.account_id,
            payment_event.reference_key.movement.value,
            payment_event.reference_key.reference,
            payment_event.account_id,
            payment_event.amount,
            business_date(payment_event.notice.occurred_at),
        )
        for payment_event in payment_events
        if payment_event.moves_money
        and payment_event.reference_key is not None
        and reserved.references.get(payment_event.reference_key) != (payment_event.account_id, payment_event.name)
    }
    row = await tx.fetchrow(
        _LOCK_BATCH_STATE,
        tx.organization_id,
        *columns([(key.account_id, key.key) for key in events], 2),
        *columns([(key.account_id, key.movement.value, key.key) for key in movements], 3),
        codes_of(payment_events),
        first_day,
        last_day,
        *columns(sorted(references), 6),
        REFERENCE_WINDOW.days,
    )
    assert row is not None, "a statement without FROM answers one row"
    targets: dict[UUID, list[InvoiceId]] = {}
    for intent_id, invoice_id in row["targets"] or ():
        targets.setdefault(intent_id, []).append(invoice_id)
    return LockedState(
        known_events={
            EventKey(account_id, key): SeenEvent(fingerprint, Verdict(verdict), receipt_id)
            for account_id, key, fingerprint, verdict, receipt_id in row["events"] or ()
        },
        booked_movements={
            MovementKey(account_id, Movement(movement), key): BookedMovement(movement_id, Dong(amount))
            for account_id, movement, key, movement_id, amount in row["movements"] or ()
        },
        intents={fields[2]: intent_of(fields, targets.get(fields[0], ())) for fields in row["intents"] or ()},
        invoices={InvoiceId(each["id"]): invoice_of(each) for each in row["invoices"] or ()},
        deposits={DepositId(each["id"]): deposit_of(each) for each in row["deposits"] or ()},
        requests={DepositRequestId(each["id"]): request_of(each) for each in row["requests"] or ()},
        days={day: DayState(state) for day, state in row["days"] or ()},
        uses=_uses(row["uses"] or (), reserved),
    )


def _uses(rows: Sequence[Sequence[Any]], reserved: ReservedKeys) -> list[ReferenceUse]:
    """Earlier uses, each once, without those that this batch has reserved."""
    found: dict[tuple[ReferenceKey, UUID, str, UUID], ReferenceUse] = {}
    for account_id, movement, reference, payment_id, by_account, source, name, amount, booked_on, codes in rows:
        key = ReferenceKey(account_id, Movement(movement), reference)
        if reserved.references.get(key) != (by_account, name):
            found[key, by_account, name, payment_id] = ReferenceUse(
                key=key,
                payment_id=PaymentId(payment_id),
                account_id=by_account,
                source=source,
                name=name,
                amount=Dong(amount),
                booked_on=booked_on,
                codes=frozenset(codes.split()),
            )
    return list(found.values())
