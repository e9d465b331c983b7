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
from billing.payments.domain.intent import Intent
from billing.payments.domain.payment import AllocationTarget, ReversalReason
from billing.payments.domain.reference_links import REFERENCE_WINDOW
from billing.payments.domain.reversal import ActiveAllocation, AllocationReversal, LockedPayment, Outflow
from billing.payments.store.deposits import lock_deposits, lock_requests, update_deposits
from billing.payments.store.guarantee_receivables import lock_receivables_of_payments, update_receivables
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


_LOCK_INVOICES = """
    SELECT invoice_state.* FROM invoice_state
    WHERE organization_id = $1 AND id IN (
        SELECT invoice_id FROM allocation WHERE organization_id = $1 AND payment_id = $2 AND invoice_id IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE
"""

_DEPOSITS_OF_PAYMENT = """
    SELECT DISTINCT deposit_id FROM allocation
    WHERE organization_id = $1 AND payment_id = $2 AND deposit_id IS NOT NULL
"""

_REQUEST_OF_PAYMENT = """
    SELECT intent.deposit_request_id FROM payment
    JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
    WHERE payment.organization_id = $1 AND payment.id = $2
"""

# Those that have counted money: they may count less once money of the deposit has left (`deposit_requests.count_less`).
_REQUESTS_OF_DEPOSITS = """
    SELECT id FROM deposit_request WHERE organization_id = $1 AND deposit_id = ANY ($2::uuid[]) AND received > 0
"""

_LOCK_INTENT = """
    SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at,
        deposit_id, deposit_request_id, is_standing
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
    SELECT allocation.id, allocation.target, allocation.amount, allocation.invoice_id, allocation.deposit_id,
        allocation.guarantee_id, coalesce(bill.visit_id, advance.visit_id, promised.visit_id) AS visit_id
    FROM allocation
    LEFT JOIN LATERAL (
        SELECT visit_id FROM invoice WHERE invoice.organization_id = $1 AND invoice.id = allocation.invoice_id
    ) AS bill ON true
    LEFT JOIN LATERAL (
        SELECT visit_id FROM deposit WHERE deposit.organization_id = $1 AND deposit.id = allocation.deposit_id
    ) AS advance ON true
    LEFT JOIN LATERAL (
        SELECT visit_id FROM guarantee_receivable AS receivable
        WHERE receivable.organization_id = $1 AND receivable.guarantee_id = allocation.guarantee_id
    ) AS promised ON true
    WHERE allocation.organization_id = $1 AND allocation.payment_id = $2 AND allocation.reverses_id IS NULL
        AND allocation.target <> 'refund'
        AND NOT EXISTS (SELECT FROM allocation AS reversal
            WHERE reversal.organization_id = $1 AND reversal.reverses_id = allocation.id)
    ORDER BY allocation.id DESC
"""


async def lock_payment(tx: Transaction, payment_id: PaymentId) -> LockedPayment:
    """Lock what the money of a payment is allocated to, its intent and its position, and read its active allocations.

    The lock order is invoices, deposits, requests, guarantees, intent, position.
    """
    invoices: dict[InvoiceId, Invoice] = {
        InvoiceId(row["id"]): invoice_of(row) for row in await tx.fetch(_LOCK_INVOICES, tx.organization_id, payment_id)
    }
    named = await tx.fetch(_DEPOSITS_OF_PAYMENT, tx.organization_id, payment_id)
    deposits = await lock_deposits(tx, [each["deposit_id"] for each in named]) if named else {}
    request_id = await tx.fetchval(_REQUEST_OF_PAYMENT, tx.organization_id, payment_id) if named else None
    counted = await tx.fetch(_REQUESTS_OF_DEPOSITS, tx.organization_id, list(deposits)) if named else []
    requests = await lock_requests(tx, [each["id"] for each in counted])
    receivables = await lock_receivables_of_payments(tx, [payment_id])
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
                part["deposit_id"],
                part["guarantee_id"],
            )
            for part in active
        ],
        invoices=invoices,
        intent=intent,
        deposits=deposits,
        request=None if request_id is None else requests.get(request_id),
        receivables=receivables,
    )


_WRITE_REVERSAL = """
    WITH reversal AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount,
            reverses_id, reason, recorded_at)
        SELECT $1, t.reversal_id, $2, t.target, t.invoice_id, t.deposit_id, t.guarantee_id, t.amount, t.reverses_id,
            $22, $3
        FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[], $9::uuid[], $10::bigint[])
            AS t (reversal_id, reverses_id, target, invoice_id, deposit_id, guarantee_id, amount)
    ), remainder AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, deposit_id, guarantee_id, amount,
            reason, recorded_at)
        SELECT $1, t.id, $2, t.target, t.invoice_id, t.deposit_id, t.guarantee_id, t.amount, 'remainder_of_reversal', $3
        FROM unnest($11::uuid[], $12::text[], $13::uuid[], $14::uuid[], $15::uuid[], $16::bigint[])
            AS t (id, target, invoice_id, deposit_id, guarantee_id, amount)
    )
    UPDATE payment_position SET on_invoices = on_invoices - $17, on_deposits = on_deposits - $18,
        on_guarantees = on_guarantees - $19, credit = credit - $20, unallocated = unallocated - $21,
        refunded = refunded + $17 + $18 + $19 + $20 + $21
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


async def write_reversal(
    tx: Transaction,
    reversal: AllocationReversal,
    *,
    at: datetime,
    reason: ReversalReason = ReversalReason.UNEXPECTED_REVERSAL,
) -> None:
    """Write the result of an outflow, or of a declared duplicate; every row is locked by `lock_payment`."""
    sums = dict.fromkeys(AllocationTarget, 0)
    for part in reversal.parts:
        sums[part.allocation.target] += part.amount
    reversals = [
        (
            one.reversal_id,
            one.allocation.id,
            one.allocation.target.value,
            one.allocation.invoice_id,
            one.allocation.deposit_id,
            one.allocation.guarantee_id,
            one.allocation.amount,
        )
        for one in reversal.parts
    ]
    remainders: Sequence[tuple[object, ...]] = [
        (
            one.remainder_id,
            one.allocation.target.value,
            one.allocation.invoice_id,
            one.allocation.deposit_id,
            one.allocation.guarantee_id,
            one.allocation.amount - one.amount,
        )
        for one in reversal.parts
        if one.remainder_id is not None
    ]
    await tx.execute(
        _WRITE_REVERSAL,
        tx.organization_id,
        reversal.payment_id,
        at,
        *columns(reversals, 7),
        *columns(remainders, 6),
        sums[AllocationTarget.INVOICE],
        sums[AllocationTarget.DEPOSIT],
        sums[AllocationTarget.GUARANTEE],
        sums[AllocationTarget.CREDIT],
        sums[AllocationTarget.UNALLOCATED],
        reason.value,
    )
    await tx.execute(
        _UPDATE_INVOICES,
        tx.organization_id,
        *columns([(one.id, one.version, one.allocated, one.owed) for one in reversal.invoices], 4),
    )
    await update_deposits(tx, reversal.deposits)
    await update_receivables(tx, reversal.receivables)
    if reversal.intent is not None:
        intent = reversal.intent
        intent_id: IntentId = intent.id
        await tx.execute(
            _UPDATE_INTENT, tx.organization_id, intent_id, intent.state.value, intent.received, intent.version
        )
