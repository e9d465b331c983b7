"""Payment orders with their lines, and the transfers of their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import PersonId, RefundId
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """A file of transfers that leave one bank account; `amount` is their sum in đồng."""

    id: UUID
    bank_account_id: UUID
    layout: str
    amount: Dong
    created_by: PersonId
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedTransfer:
    """A line of a payment order; the destination is None once it is erased."""

    line: int
    refund_id: RefundId
    reference: str
    amount: Dong
    bank_bin: str | None
    account_number: str | None
    holder: str | None


_ADD_ORDER = """
    INSERT INTO payment_order (organization_id, id, bank_account_id, layout, amount, created_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

_ADD_LINES = """
    INSERT INTO payment_order_line (organization_id, payment_order_id, line, refund_id, amount)
    SELECT $1, $2, line, refund_id, amount FROM unnest($3::int[], $4::uuid[], $5::bigint[])
        AS t (line, refund_id, amount)
"""


async def add_payment_order(tx: Transaction, order: PaymentOrder, lines: Sequence[tuple[RefundId, Dong]]) -> None:
    """Store a payment order with its lines, in their order."""
    await tx.execute(
        _ADD_ORDER,
        tx.organization_id,
        order.id,
        order.bank_account_id,
        order.layout,
        order.amount,
        order.created_by,
        order.created_at,
    )
    rows = [(number, refund_id, amount) for number, (refund_id, amount) in enumerate(lines, start=1)]
    await tx.execute(_ADD_LINES, tx.organization_id, order.id, *columns(rows, 3))


_READ_ORDER = """
    SELECT id, bank_account_id, layout, amount, created_by, created_at FROM payment_order
    WHERE organization_id = $1 AND id = $2
"""


async def read_payment_order(tx: Transaction, order_id: UUID) -> PaymentOrder | None:
    """A payment order."""
    row = await tx.fetchrow(_READ_ORDER, tx.organization_id, order_id)
    return None if row is None else read_row(PaymentOrder, row)


_TRANSFERS = """
    SELECT line.line, line.refund_id, refund.reference, line.amount, destination.bank_bin, destination.account_number,
        destination.holder
    FROM payment_order_line AS line
    JOIN refund ON refund.organization_id = $1 AND refund.id = line.refund_id
    LEFT JOIN refund_destination AS destination ON destination.organization_id = $1
        AND destination.refund_id = line.refund_id
    WHERE line.organization_id = $1 AND line.payment_order_id = $2
    ORDER BY line.line
"""


async def read_transfers(tx: Transaction, order_id: UUID) -> list[OrderedTransfer]:
    """The lines of a payment order with their destinations."""
    rows = await tx.fetch(_TRANSFERS, tx.organization_id, order_id)
    return [read_row(OrderedTransfer, row) for row in rows]
