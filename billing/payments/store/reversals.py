"""Rows of a payment after an outflow: found, locked in the lock order, and reversed.

Separate from the statements of the callback path, because it is rare. An outflow whose payment is not known yet waits
(`unmatched_outflows.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.core.clock import business_date
from billing.core.ids import (
    AllocationId,
    IntentId,
    InvoiceId,
    PaymentId,
    VisitId,
)
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.invoices.domain.invoice import Invoice
from billing.invoices.store.invoice_rows import invoice_of
from billing.payments.domain.event import PaymentEvent
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reference_links import REFERENCE_WINDOW
from billing.payments.domain.reversal import ActiveAllocation, AllocationReversal, LockedPayment, Outflow
from billing.payments.store.intent_rows import intent_of

# Search order: the money's own names; else the newest payment under the code from which this much has not left yet, of
# the account that the money left before another account; else the one payment under the bank reference that has this
# much left, because a bank reference is a weak name. The outflow's own reference leads to a payment of the same amount,
# booked on that day or the next to it, and to none under a code if the outflow carries another. Source: docs/design.md
# §5, Strong and weak names.
_FIND_PAYMENT = """
    SELECT id FROM (
        SELECT 1 AS choice, payment.id, payment.provider_account_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN movement_key ON movement_key.organization_id = $1 AND movement_key.account_id = named.account_id
            AND movement_key.movement = 'received' AND movement_key.key = named.key
        JOIN payment ON payment.organization_id = $1 AND payment.id = movement_key.movement_id
        UNION ALL
        SELECT 2, payment.id, payment.provider_account_id
        FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
        WHERE intent.organization_id = $1 AND intent.reference_code = $4
            AND position.amount - position.refunded - position.refund_reserved >= $5
        UNION ALL
        SELECT 3, referenced.id, referenced.provider_account_id
        FROM (
            SELECT DISTINCT payment.id, payment.provider_account_id, count(*) OVER () AS number
            FROM (
                SELECT DISTINCT used.payment_id
                FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
                JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
                    AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
                UNION
                SELECT used.payment_id
                FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
                JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
                    AND used.movement = 'received' AND named.key LIKE 'own:%' AND used.reference = substr(named.key, 5)
                    AND used.amount = $5 AND abs(used.booked_on - $7::date) <= $8
                JOIN payment ON payment.organization_id = $1 AND payment.id = used.payment_id
                WHERE $4 = '' OR payment.intent_id IS NULL
            ) AS known
            JOIN payment ON payment.organization_id = $1 AND payment.id = known.payment_id
            JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
            WHERE position.amount - position.refunded - position.refund_reserved >= $5
        ) AS referenced
        WHERE referenced.number = 1
    ) AS found
    ORDER BY choice, provider_account_id = $6 DESC, id DESC
    LIMIT 1
"""


async def find_payment(tx: Transaction, outflow: Outflow) -> PaymentId | None:
    """The payment whose money left; nothing is locked."""
    found: UUID | None = await tx.fetchval(
        _FIND_PAYMENT,
        tx.organization_id,
        *columns([(key.account_id, key.key) for key in outflow.names], 2),
        outflow.code,
        outflow.amount,
        outflow.account_id,
        business_date(outflow.occurred_at),
        REFERENCE_WINDOW.days,
    )
    return None if found is None else PaymentId(found)


# The invoices and intents that a batch with outflows may change, those of its payments included.
_LOCK_INVOICES_OF_BATCH = """
    SELECT id FROM invoice
    WHERE organization_id = $1 AND id IN (
        SELECT intent_invoice.invoice_id FROM intent
        JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($5::text[])
        UNION
        SELECT allocation.invoice_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN movement_key ON movement_key.organization_id = $1 AND movement_key.account_id = named.account_id
            AND movement_key.movement = 'received' AND movement_key.key = named.key
        JOIN allocation ON allocation.organization_id = $1 AND allocation.payment_id = movement_key.movement_id
        UNION
        SELECT allocation.invoice_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
            AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
        JOIN allocation ON allocation.organization_id = $1 AND allocation.payment_id = used.payment_id
        UNION
        SELECT allocation.invoice_id
        FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        JOIN allocation ON allocation.organization_id = $1 AND allocation.payment_id = payment.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($4::text[]))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_INTENTS_OF_BATCH = """
    SELECT id FROM intent
    WHERE organization_id = $1 AND (reference_code = ANY ($4::text[]) OR id IN (
        SELECT payment.intent_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN movement_key ON movement_key.organization_id = $1 AND movement_key.account_id = named.account_id
            AND movement_key.movement = 'received' AND movement_key.key = named.key
        JOIN payment ON payment.organization_id = $1 AND payment.id = movement_key.movement_id
        UNION
        SELECT payment.intent_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
            AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
        JOIN payment ON payment.organization_id = $1 AND payment.id = used.payment_id))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_POSITIONS_OF_BATCH = """
    SELECT payment_id FROM payment_position
    WHERE organization_id = $1 AND payment_id IN (
        SELECT movement_key.movement_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN movement_key ON movement_key.organization_id = $1 AND movement_key.account_id = named.account_id
            AND movement_key.movement = 'received' AND movement_key.key = named.key
        UNION
        SELECT used.payment_id
        FROM unnest($2::uuid[], $3::text[]) AS named (account_id, key)
        JOIN bank_reference AS used ON used.organization_id = $1 AND used.account_id = named.account_id
            AND used.movement = 'received' AND named.key LIKE 'bank:%' AND used.reference = substr(named.key, 6)
        UNION
        SELECT payment.id FROM intent
        JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($4::text[]))
    ORDER BY payment_id FOR NO KEY UPDATE
"""


async def lock_for_outflows(tx: Transaction, payment_events: Sequence[PaymentEvent], *, codes: Sequence[str]) -> None:
    """Lock, in the lock order, all rows that a batch with outflows may change; `codes` are all its codes.

    Called before the batch locks the rows that its received money may change: both are then locked together, in one
    order, and no two batches deadlock.
    """
    leaving = [payment_event for payment_event in payment_events if payment_event.takes_money_out]
    names = {
        (key.account_id, key.key) for payment_event in leaving for key in payment_event.reverses or payment_event.traces
    }
    theirs = sorted(
        {code for payment_event in leaving for code in (*payment_event.codes.field, *payment_event.codes.direct)}
    )
    found = columns(sorted(names, key=repr), 2)
    await tx.fetch(_LOCK_INVOICES_OF_BATCH, tx.organization_id, *found, theirs, codes)
    await tx.fetch(_LOCK_INTENTS_OF_BATCH, tx.organization_id, *found, codes)
    await tx.fetch(_LOCK_POSITIONS_OF_BATCH, tx.organization_id, *found, theirs)


_LOCK_INVOICES = """
    SELECT id, visit_id, visit_version, number, state, version, patient_share, other_share, insurer_share,
        private_share, corrections, allocated, issued_at
    FROM invoice
    WHERE organization_id = $1 AND id IN (
        SELECT invoice_id FROM allocation WHERE organization_id = $1 AND payment_id = $2 AND invoice_id IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_INTENT = """
    SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at
    FROM intent
    WHERE organization_id = $1 AND id = (SELECT intent_id FROM payment WHERE organization_id = $1 AND id = $2)
    FOR NO KEY UPDATE
"""

_TARGETS = """
    SELECT invoice_id FROM intent_invoice WHERE organization_id = $1 AND intent_id = $2 ORDER BY position
"""

_LOCK_POSITION = """
    SELECT payment_id FROM payment_position WHERE organization_id = $1 AND payment_id = $2 FOR NO KEY UPDATE
"""

# After the position is locked, in a later statement: no other transaction adds to these any more.
_ACTIVE_ALLOCATIONS = """
    SELECT allocation.id, allocation.target, allocation.amount, allocation.invoice_id, bill.visit_id
    FROM allocation
    LEFT JOIN LATERAL (
        SELECT visit_id FROM invoice WHERE invoice.organization_id = $1 AND invoice.id = allocation.invoice_id
    ) AS bill ON true
    WHERE allocation.organization_id = $1 AND allocation.payment_id = $2 AND allocation.reverses_id IS NULL
        AND NOT EXISTS (SELECT FROM allocation AS reversal
            WHERE reversal.organization_id = $1 AND reversal.reverses_id = allocation.id)
    ORDER BY allocation.id DESC
"""


async def lock_payment(tx: Transaction, payment_id: PaymentId) -> LockedPayment:
    """Lock the invoices, the intent and the position of a payment, in this order, and read its active allocations."""
    invoices: dict[InvoiceId, Invoice] = {
        InvoiceId(row["id"]): invoice_of(tuple(row))
        for row in await tx.fetch(_LOCK_INVOICES, tx.organization_id, payment_id)
    }
    row = await tx.fetchrow(_LOCK_INTENT, tx.organization_id, payment_id)
    intent: Intent | None = None
    if row is not None:
        targets = await tx.fetch(_TARGETS, tx.organization_id, row["id"])
        intent = intent_of(tuple(row), [InvoiceId(target["invoice_id"]) for target in targets])
    await tx.fetch(_LOCK_POSITION, tx.organization_id, payment_id)
    active = await tx.fetch(_ACTIVE_ALLOCATIONS, tx.organization_id, payment_id)
    return LockedPayment(
        payment_id=payment_id,
        allocations=[
            ActiveAllocation(
                AllocationId(part["id"]),
                AllocationTarget(part["target"]),
                Dong(part["amount"]),
                part["invoice_id"],
                None if part["visit_id"] is None else VisitId(part["visit_id"]),
            )
            for part in active
        ],
        invoices=invoices,
        intent=intent,
    )


_WRITE_REVERSAL = """
    WITH reversal AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, amount, reverses_id, reason,
            recorded_at)
        SELECT $1, t.reversal_id, $2, t.target, t.invoice_id, t.amount, t.reverses_id, 'unexpected_reversal', $3
        FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::bigint[])
            AS t (reversal_id, reverses_id, target, invoice_id, amount)
    ), remainder AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, amount, reason, recorded_at)
        SELECT $1, t.id, $2, t.target, t.invoice_id, t.amount, 'remainder_of_reversal', $3
        FROM unnest($9::uuid[], $10::text[], $11::uuid[], $12::bigint[]) AS t (id, target, invoice_id, amount)
    )
    UPDATE payment_position SET on_invoices = on_invoices - $13, credit = credit - $14,
        unallocated = unallocated - $15, refunded = refunded + $13 + $14 + $15
    WHERE organization_id = $1 AND payment_id = $2
"""

_UPDATE_INVOICES = """
    UPDATE invoice SET allocated = t.allocated, owed = t.owed, version = t.version
    FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::bigint[]) AS t (id, version, allocated, owed)
    WHERE invoice.organization_id = $1 AND invoice.id = t.id
"""

_UPDATE_INTENT = """
    UPDATE intent SET state = $3, received = $4, version = $5 WHERE organization_id = $1 AND id = $2
"""


async def write_reversal(tx: Transaction, reversal: AllocationReversal, *, at: datetime) -> None:
    """Write the result of an outflow; every row is locked by `lock_payment`."""
    sums = dict.fromkeys(AllocationTarget, 0)
    for part in reversal.parts:
        sums[part.allocation.target] += part.amount
    reversals = [
        (
            one.reversal_id,
            one.allocation.id,
            one.allocation.target.value,
            one.allocation.invoice_id,
            one.allocation.amount,
        )
        for one in reversal.parts
    ]
    remainders: Sequence[tuple[object, ...]] = [
        (one.remainder_id, one.allocation.target.value, one.allocation.invoice_id, one.allocation.amount - one.amount)
        for one in reversal.parts
        if one.remainder_id is not None
    ]
    await tx.execute(
        _WRITE_REVERSAL,
        tx.organization_id,
        reversal.payment_id,
        at,
        *columns(reversals, 5),
        *columns(remainders, 4),
        sums[AllocationTarget.INVOICE],
        sums[AllocationTarget.CREDIT],
        sums[AllocationTarget.UNALLOCATED],
    )
    await tx.execute(
        _UPDATE_INVOICES,
        tx.organization_id,
        *columns([(one.id, one.version, one.allocated, one.owed) for one in reversal.invoices], 4),
    )
    if reversal.intent is not None:
        intent = reversal.intent
        intent_id: IntentId = intent.id
        await tx.execute(
            _UPDATE_INTENT, tx.organization_id, intent_id, intent.state.value, intent.received, intent.version
        )
