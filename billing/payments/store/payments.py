"""Reads payments: money received, its position, and every allocation of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.core.ids import IntentId, InvoiceId, PaymentId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction

_READ_PAYMENT = """
    SELECT payment.id, account.name AS account, payment.intent_id, payment.amount, payment.provider_reference,
        payment.bank_reference, payment.occurred_at, payment.recorded_at,
        position.on_invoices, position.on_deposits, position.credit, position.unallocated, position.refund_reserved,
        position.refunded,
        EXISTS (SELECT FROM payment_hold WHERE payment_hold.organization_id = $1
            AND payment_hold.payment_id = payment.id AND payment_hold.released_at IS NULL) AS is_held,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'target', target, 'invoice_id', invoice_id,
                'amount', amount, 'reverses_id', reverses_id, 'reason', reason, 'recorded_at', recorded_at)
                ORDER BY id), '[]')
         FROM allocation
         WHERE allocation.organization_id = $1 AND allocation.payment_id = payment.id) AS allocations
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = payment.provider_account_id
    WHERE payment.organization_id = $1 AND payment.id = $2
"""


async def read_payment(tx: Transaction, payment_id: PaymentId) -> Mapping[str, Any] | None:
    """A payment with its position and allocations; None if there is none."""
    row = await tx.fetchrow(_READ_PAYMENT, tx.organization_id, payment_id)
    return None if row is None else dict(row)


_LIST_PAYMENTS = """
    SELECT payment.id, account.name AS account, payment.intent_id, payment.amount, payment.provider_reference,
        payment.bank_reference, payment.occurred_at, payment.recorded_at,
        position.on_invoices, position.on_deposits, position.credit, position.unallocated, position.refund_reserved,
        position.refunded,
        EXISTS (SELECT FROM payment_hold WHERE payment_hold.organization_id = $1
            AND payment_hold.payment_id = payment.id AND payment_hold.released_at IS NULL) AS is_held
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = payment.provider_account_id
    WHERE payment.organization_id = $1
        AND ($2::uuid IS NULL OR payment.id < $2) AND ($3::uuid IS NULL OR payment.id >= $3)
        AND ($5::uuid IS NULL OR payment.intent_id = $5)
        AND ($6::uuid IS NULL OR EXISTS (
            SELECT FROM allocation WHERE allocation.organization_id = $1
                AND allocation.invoice_id = $6 AND allocation.payment_id = payment.id))
        AND ($7::text IS NULL OR payment.id IN (
            SELECT allocation.payment_id FROM visit
            JOIN invoice ON invoice.organization_id = $1 AND invoice.visit_id = visit.id
            JOIN allocation ON allocation.organization_id = $1 AND allocation.invoice_id = invoice.id
            WHERE visit.organization_id = $1 AND visit.ma_lk = $7))
    ORDER BY payment.id DESC LIMIT $4
"""


async def read_payments(
    tx: Transaction,
    part: ListSlice,
    *,
    intent_id: IntentId | None,
    invoice_id: InvoiceId | None,
    ma_lk: str | None,
) -> list[Mapping[str, Any]]:
    """Payments of a slice of the list, the newest first; None filters nothing.

    `invoice_id`, `ma_lk`: payments that were ever allocated to it.
    """
    rows = await tx.fetch(
        _LIST_PAYMENTS, tx.organization_id, part.before, part.first, part.limit, intent_id, invoice_id, ma_lk
    )
    return [dict(row) for row in rows]


_PAYMENTS_OF_INVOICES = """
    SELECT DISTINCT payment_id FROM allocation
    WHERE organization_id = $1 AND invoice_id = ANY ($2::uuid[]) AND reverses_id IS NULL
        AND NOT EXISTS (SELECT FROM allocation AS reversal
            WHERE reversal.organization_id = $1 AND reversal.reverses_id = allocation.id)
    ORDER BY payment_id
"""


async def read_payments_of_invoices(tx: Transaction, invoice_ids: Sequence[InvoiceId]) -> list[PaymentId]:
    """The payments that are allocated to invoices now; the invoices' rows must be locked."""
    rows = await tx.fetch(_PAYMENTS_OF_INVOICES, tx.organization_id, list(invoice_ids))
    return [PaymentId(row["payment_id"]) for row in rows]
