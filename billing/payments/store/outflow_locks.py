"""Locks the rows that a batch with outflows may change, before the rows that its received money may change."""

from collections.abc import Sequence

from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.payments.domain.event import PaymentEvent

# The payments that the outflows of a batch may reverse or refund: by their names, by their bank references, under their
# codes, or reserved for a refund with such a code.
_PAYMENTS_OF_OUTFLOWS = """
    SELECT movement_key.movement_id AS payment_id
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
    WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($4::text[])
    UNION
    SELECT part.payment_id FROM refund
    JOIN refund_part AS part ON part.organization_id = $1 AND part.refund_id = refund.id
    WHERE refund.organization_id = $1 AND refund.reference = ANY ($4::text[])
"""

_LOCK_VISIT_ACCOUNTS = """
    SELECT visit_id FROM visit_account
    WHERE organization_id = $1 AND visit_id IN (SELECT visit_id FROM deposit WHERE organization_id = $1 AND id IN (
        SELECT deposit_id FROM intent WHERE organization_id = $1 AND reference_code = ANY ($3::text[])
        UNION
        SELECT deposit_id FROM allocation WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[])))
    ORDER BY visit_id FOR NO KEY UPDATE
"""

_LOCK_INVOICES = """
    SELECT id FROM invoice
    WHERE organization_id = $1 AND id IN (
        SELECT intent_invoice.invoice_id FROM intent
        JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id
        WHERE intent.organization_id = $1 AND intent.reference_code = ANY ($3::text[])
        UNION
        SELECT invoice_id FROM allocation WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_DEPOSITS = """
    SELECT id FROM deposit
    WHERE organization_id = $1 AND id IN (
        SELECT deposit_id FROM intent WHERE organization_id = $1 AND reference_code = ANY ($3::text[])
        UNION
        SELECT deposit_id FROM allocation WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_INTENTS = """
    SELECT id FROM intent
    WHERE organization_id = $1 AND (reference_code = ANY ($3::text[]) OR id IN (
        SELECT intent_id FROM payment WHERE organization_id = $1 AND id = ANY ($2::uuid[])))
    ORDER BY id FOR NO KEY UPDATE
"""

_LOCK_POSITIONS = """
    SELECT payment_id FROM payment_position
    WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]) ORDER BY payment_id FOR NO KEY UPDATE
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
    their_codes = sorted(
        {code for payment_event in leaving for code in (*payment_event.codes.field, *payment_event.codes.direct)}
    )
    found = await tx.fetch(_PAYMENTS_OF_OUTFLOWS, tx.organization_id, *columns(sorted(names, key=repr), 2), their_codes)
    payment_ids = [row["payment_id"] for row in found]
    for lock in (_LOCK_VISIT_ACCOUNTS, _LOCK_INVOICES, _LOCK_DEPOSITS, _LOCK_INTENTS):
        await tx.fetch(lock, tx.organization_id, payment_ids, codes)
    await tx.fetch(_LOCK_POSITIONS, tx.organization_id, payment_ids)
