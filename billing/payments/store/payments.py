"""Reads payments: money received, its position, and every allocation of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.clock import known_time
from billing.core.ids import AllocationId, DepositId, IntentId, InvoiceId, PaymentId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.payment import AllocationTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPosition:
    """The position of a payment, in whole đồng; the parts sum to its amount."""

    on_invoices: Dong
    on_deposits: Dong
    on_guarantees: Dong
    credit: Dong
    unallocated: Dong
    refund_reserved: Dong
    refunded: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPayment:
    """Money received, with its position. `is_held`: a possible duplicate that a person must decide.

    `account` is the provider account; None for money that a desk took or confirmed (cash, card, transfer).
    """

    id: PaymentId
    method: str
    account: str | None
    intent_id: IntentId | None
    amount: Dong
    provider_reference: str
    bank_reference: str
    occurred_at: datetime
    recorded_at: datetime
    is_held: bool
    position: PaymentPosition

    @property
    def is_time_known(self) -> bool:
        """Whether the time is known, not the day alone."""
        return known_time(self.occurred_at) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAllocation:
    """An allocation of a payment; `reverses_id` is the allocation that it reverses, if any.

    `reason` is an AllocationReason or a ReversalReason.
    """

    id: AllocationId
    target: AllocationTarget
    invoice_id: InvoiceId | None
    deposit_id: DepositId | None
    guarantee_id: UUID | None
    amount: Dong
    reverses_id: AllocationId | None
    reason: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetails(ListedPayment):
    """A payment with every allocation of it, the oldest first."""

    allocations: tuple[ListedAllocation, ...]


_READ_PAYMENT = """
    SELECT payment.id, payment.method, account.name AS account, payment.intent_id, payment.amount,
        payment.provider_reference, payment.bank_reference, payment.occurred_at, payment.recorded_at,
        jsonb_build_object('on_invoices', position.on_invoices, 'on_deposits', position.on_deposits,
            'on_guarantees', position.on_guarantees, 'credit', position.credit,
            'unallocated', position.unallocated, 'refund_reserved', position.refund_reserved,
            'refunded', position.refunded) AS position,
        EXISTS (SELECT FROM payment_hold WHERE payment_hold.organization_id = $1
            AND payment_hold.payment_id = payment.id AND payment_hold.released_at IS NULL) AS is_held,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'target', target, 'invoice_id', invoice_id,
                'deposit_id', deposit_id, 'guarantee_id', guarantee_id, 'amount', amount, 'reverses_id', reverses_id,
                'reason', reason, 'recorded_at', recorded_at)
                ORDER BY id), '[]')
         FROM allocation
         WHERE allocation.organization_id = $1 AND allocation.payment_id = payment.id) AS allocations
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    LEFT JOIN provider_account AS account ON account.organization_id = $1 AND account.id = payment.provider_account_id
    WHERE payment.organization_id = $1 AND payment.id = $2
"""


async def read_payment(tx: Transaction, payment_id: PaymentId) -> PaymentDetails | None:
    """A payment with its position and allocations; None if there is none."""
    row = await tx.fetchrow(_READ_PAYMENT, tx.organization_id, payment_id)
    return None if row is None else read_row(PaymentDetails, row)


_LIST_PAYMENTS = """
    SELECT payment.id, payment.method, account.name AS account, payment.intent_id, payment.amount,
        payment.provider_reference, payment.bank_reference, payment.occurred_at, payment.recorded_at,
        jsonb_build_object('on_invoices', position.on_invoices, 'on_deposits', position.on_deposits,
            'on_guarantees', position.on_guarantees, 'credit', position.credit,
            'unallocated', position.unallocated, 'refund_reserved', position.refund_reserved,
            'refunded', position.refunded) AS position,
        EXISTS (SELECT FROM payment_hold WHERE payment_hold.organization_id = $1
            AND payment_hold.payment_id = payment.id AND payment_hold.released_at IS NULL) AS is_held
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    LEFT JOIN provider_account AS account ON account.organization_id = $1 AND account.id = payment.provider_account_id
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
            WHERE visit.organization_id = $1 AND visit.ma_lk = $7
            UNION ALL
            SELECT allocation.payment_id FROM visit
            JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = visit.id
            JOIN allocation ON allocation.organization_id = $1 AND allocation.deposit_id = deposit.id
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
) -> list[ListedPayment]:
    """Payments of a slice of the list, the newest first; None filters nothing.

    `invoice_id`, `ma_lk`: payments that were ever allocated to it.
    """
    rows = await tx.fetch(
        _LIST_PAYMENTS, tx.organization_id, part.before, part.first, part.limit, intent_id, invoice_id, ma_lk
    )
    return [read_row(ListedPayment, row) for row in rows]


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
