"""Payments that a cashier takes: cash, card terminal, or a bank transfer that a person confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from billing.core.ids import PaymentId, ShiftId
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.payments.domain.payment import Allocation, AllocationTarget, position_of


class PaymentMethod(StrEnum):
    """How money came in. `provider` money comes by callback, status poll or feed, never by a cashier."""

    PROVIDER = "provider"
    CASH = "cash"
    CARD = "card"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterPayment:
    """Money that a cashier took, in đồng, with its first allocations, which sum to it.

    Cash and card name a shift; a transfer names its bank account, and `reference` is the bank's.
    """

    id: PaymentId
    method: PaymentMethod
    amount: Dong
    shift_id: ShiftId | None
    reference: str
    occurred_at: datetime
    allocations: Sequence[Allocation]
    bank_account_id: UUID | None = None


_ADD_PAYMENT = """
    WITH paid AS (
        INSERT INTO payment (organization_id, id, method, shift_id, amount, provider_reference, bank_reference,
            occurred_at, recorded_at, bank_account_id)
        VALUES ($1, $2, $3, $4, $5, CASE WHEN $19::uuid IS NULL THEN $6 ELSE '' END,
            CASE WHEN $19::uuid IS NULL THEN '' ELSE $6 END, $7, $8, $19)
    ), allocated AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, invoice_id, deposit_id, amount, reason,
            recorded_at)
        SELECT $1, id, $2, target, invoice_id, deposit_id, amount, reason, $8
        FROM unnest($9::uuid[], $10::text[], $11::uuid[], $12::uuid[], $13::bigint[], $14::text[])
            AS t (id, target, invoice_id, deposit_id, amount, reason)
    )
    INSERT INTO payment_position (organization_id, payment_id, amount, on_invoices, on_deposits, credit, unallocated)
    VALUES ($1, $2, $5, $15, $16, $17, $18)
"""


async def add_counter_payment(tx: Transaction, payment: CounterPayment, *, recorded_at: datetime) -> None:
    """Store a payment with its allocations and its position."""
    rows = [
        (part.id, part.target.value, part.invoice_id, part.deposit_id, part.amount, part.reason.value)
        for part in payment.allocations
    ]
    sums = position_of(payment.allocations)
    await tx.execute(
        _ADD_PAYMENT,
        tx.organization_id,
        payment.id,
        payment.method.value,
        payment.shift_id,
        payment.amount,
        payment.reference,
        payment.occurred_at,
        recorded_at,
        *columns(rows, 6),
        sums[AllocationTarget.INVOICE],
        sums[AllocationTarget.DEPOSIT],
        sums[AllocationTarget.CREDIT],
        sums[AllocationTarget.UNALLOCATED],
        payment.bank_account_id,
    )


# Two indexes: that of the confirmed transfers of the account, and that by amount and time.
_FIND_TRANSFER = """
    SELECT id FROM payment
    WHERE organization_id = $1 AND bank_account_id = $2 AND method = 'transfer'
        AND vienphi_normal_reference(bank_reference) = vienphi_normal_reference($3)
    UNION ALL
    SELECT id FROM payment
    WHERE organization_id = $1 AND bank_account_id = $2 AND amount = $4
        AND occurred_at BETWEEN $5::timestamptz - $6::interval AND $5::timestamptz + $6::interval
        AND vienphi_normal_reference(bank_reference) = vienphi_normal_reference($3)
    LIMIT 1
"""


async def find_booked_transfer(
    tx: Transaction, bank_account_id: UUID, reference: str, amount: Dong, *, at: datetime
) -> PaymentId | None:
    """The payment that a bank transfer is booked as: confirmed before, or reported by a provider near this time."""
    window = timedelta(days=3)
    found: UUID | None = await tx.fetchval(
        _FIND_TRANSFER, tx.organization_id, bank_account_id, reference, amount, at, window
    )
    return None if found is None else PaymentId(found)
