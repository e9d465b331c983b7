"""Receipts with their parts and their printed form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.core.ids import (
    DepositId,
    DepositRequestId,
    InvoiceId,
    PaymentId,
    PersonId,
    ReceiptId,
    RefundId,
    ShiftId,
    VisitId,
)
from billing.core.list_slice import ListSlice
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.receipt import Receipt, ReceiptPart, ReceiptState, write_number

_ADD_RECEIPT = """
    INSERT INTO receipt (organization_id, id, series, year, number, direction, purpose, state, visit_id, shift_id,
        block_id, amount, issued_at, issued_by, deposit_id, deposit_request_id, invoice_id, void_reason, voided_at,
        voided_by, advance_type)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        CASE WHEN $15::uuid IS NOT NULL THEN coalesce((
            SELECT setting.advance_type FROM visit
            JOIN deposit_setting AS setting ON setting.organization_id = $1 AND setting.facility_id = visit.facility_id
            WHERE visit.organization_id = $1 AND visit.id = $9), 'guarantee_deposit') END)
    ON CONFLICT (organization_id, series, year, number) DO NOTHING RETURNING id
"""

_ADD_PARTS = """
    INSERT INTO receipt_part (organization_id, receipt_id, part, method, amount, payment_id, refund_id)
    SELECT $1, $2, part, method, amount, payment_id, refund_id
    FROM unnest($3::int[], $4::text[], $5::bigint[], $6::uuid[], $7::uuid[])
        AS t (part, method, amount, payment_id, refund_id)
"""

_ADD_PRINT = """
    INSERT INTO receipt_print (organization_id, receipt_id, document) VALUES ($1, $2, $3)
"""


async def add_receipt(tx: Transaction, receipt: Receipt, *, printed: Mapping[str, object] | None) -> bool:
    """Store a receipt with its parts and its printed form; False if its number is taken."""
    added = await tx.fetchval(
        _ADD_RECEIPT,
        tx.organization_id,
        receipt.id,
        receipt.series,
        receipt.year,
        receipt.number,
        receipt.direction.value,
        receipt.purpose.value,
        receipt.state.value,
        receipt.visit_id,
        receipt.shift_id,
        receipt.block_id,
        receipt.amount,
        receipt.issued_at,
        receipt.issued_by,
        receipt.deposit_id,
        receipt.deposit_request_id,
        receipt.invoice_id,
        receipt.void_reason,
        receipt.voided_at,
        receipt.voided_by,
    )
    if added is None:
        return False
    rows = [
        (number, part.method.value, part.amount, part.payment_id, part.refund_id)
        for number, part in enumerate(receipt.parts, start=1)
    ]
    if rows:
        await tx.execute(_ADD_PARTS, tx.organization_id, receipt.id, *columns(rows, 5))
    if printed is not None:
        await tx.execute(_ADD_PRINT, tx.organization_id, receipt.id, dict(printed))
    return True


_LOCK_RECEIPT = """
    SELECT id, series, year, number, direction, purpose, state, amount, issued_at, issued_by, visit_id, shift_id,
        block_id, deposit_id, deposit_request_id, invoice_id, void_reason, voided_at, voided_by, reprints,
        printed_at, moved_to
    FROM receipt WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""

_READ_RECEIPT = """
    SELECT id, series, year, number, direction, purpose, state, amount, issued_at, issued_by, visit_id, shift_id,
        block_id, deposit_id, deposit_request_id, invoice_id, void_reason, voided_at, voided_by, reprints,
        printed_at, moved_to
    FROM receipt WHERE organization_id = $1 AND id = $2
"""

_PARTS = """
    SELECT method, amount, payment_id, refund_id FROM receipt_part
    WHERE organization_id = $1 AND receipt_id = $2 ORDER BY part
"""


async def read_receipt(tx: Transaction, receipt_id: ReceiptId, *, locked: bool = False) -> Receipt | None:
    """A receipt with its parts; `locked` locks its row until the transaction ends."""
    row = await tx.fetchrow(_LOCK_RECEIPT if locked else _READ_RECEIPT, tx.organization_id, receipt_id)
    if row is None:
        return None
    parts = await tx.fetch(_PARTS, tx.organization_id, receipt_id)
    return replace(read_row(Receipt, row), parts=tuple(read_row(ReceiptPart, part) for part in parts))


_RECEIPTS_OF_REFUND = """
    SELECT DISTINCT receipt.id, receipt.series, receipt.year, receipt.number FROM receipt_part AS part
    JOIN receipt ON receipt.organization_id = $1 AND receipt.id = part.receipt_id
    WHERE part.organization_id = $1 AND part.refund_id = $2 ORDER BY receipt.id
"""


async def read_receipts_of_refund(tx: Transaction, refund_id: RefundId) -> dict[ReceiptId, str]:
    """The receipts that paid a refund out in cash, with their numbers as printed."""
    rows = await tx.fetch(_RECEIPTS_OF_REFUND, tx.organization_id, refund_id)
    return {ReceiptId(row["id"]): write_number(row["series"], row["year"], row["number"]) for row in rows}


_VOID_RECEIPT = """
    WITH voided AS (
        INSERT INTO receipt_void (organization_id, receipt_id, reason, voided_at, voided_by)
        VALUES ($1, $2, $3, $4, $5)
    )
    UPDATE receipt SET state = 'void', void_reason = $3, voided_at = $4, voided_by = $5
    WHERE organization_id = $1 AND id = $2
"""


async def void_receipt(tx: Transaction, receipt_id: ReceiptId, *, reason: str, by: PersonId, at: datetime) -> None:
    """Void a locked receipt; its number stays."""
    await tx.execute(_VOID_RECEIPT, tx.organization_id, receipt_id, reason, at, by)


_ADD_VOID = """
    INSERT INTO receipt_void (organization_id, receipt_id, reason, voided_at, voided_by) VALUES ($1, $2, $3, $4, $5)
"""


async def add_void_of_unused(tx: Transaction, receipt: Receipt) -> None:
    """Record the void of a number that was stored as void, because it was never used."""
    await tx.execute(
        _ADD_VOID, tx.organization_id, receipt.id, receipt.void_reason, receipt.voided_at, receipt.voided_by
    )


_COUNT_PRINT = """
    UPDATE receipt SET reprints = reprints + $3, printed_at = coalesce(printed_at, $4)
    WHERE organization_id = $1 AND id = $2
"""


async def count_print(tx: Transaction, receipt_id: ReceiptId, *, copies: int, at: datetime) -> None:
    """Record a print of a locked receipt: the first one with `copies` 0, a later one with 1."""
    await tx.execute(_COUNT_PRINT, tx.organization_id, receipt_id, copies, at)


_RECEIPT_OF_PAYMENT = """
    SELECT receipt.id FROM receipt_part AS part
    JOIN receipt ON receipt.organization_id = $1 AND receipt.id = part.receipt_id
    WHERE part.organization_id = $1 AND part.payment_id = $2 AND receipt.state = 'valid' AND receipt.direction = 'in'
    LIMIT 1
"""


async def find_receipt_of_payment(tx: Transaction, payment_id: PaymentId) -> ReceiptId | None:
    """The valid receipt that has a payment as one of its parts; the position of the payment is locked."""
    found = await tx.fetchval(_RECEIPT_OF_PAYMENT, tx.organization_id, payment_id)
    return None if found is None else ReceiptId(found)


_REQUESTS_OF_PAYMENTS = """
    SELECT payment.id, intent.deposit_request_id
    FROM payment
    JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
    WHERE payment.organization_id = $1 AND payment.id = ANY ($2::uuid[]) AND intent.deposit_request_id IS NOT NULL
"""


async def read_requests_of_payments(
    tx: Transaction, payment_ids: Sequence[PaymentId]
) -> dict[PaymentId, DepositRequestId]:
    """The deposit request that the code of a provider's payment was for; payments without one are omitted."""
    rows = await tx.fetch(_REQUESTS_OF_PAYMENTS, tx.organization_id, list(payment_ids))
    return {PaymentId(row["id"]): DepositRequestId(row["deposit_request_id"]) for row in rows}


_LIST_RECEIPTS = """
    SELECT id, series, year, number, direction, purpose, state, amount, issued_at, issued_by, visit_id, shift_id,
        block_id, deposit_id, deposit_request_id, invoice_id, void_reason, voided_at, voided_by, reprints,
        printed_at, moved_to
    FROM receipt
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
        AND ($5::uuid IS NULL OR visit_id = $5)
        AND ($6::uuid IS NULL OR moved_to = $6 OR shift_id = $6 AND moved_to IS NULL)
        AND ($7::text IS NULL OR state = $7)
    ORDER BY id DESC LIMIT $4
"""


async def list_receipts(
    tx: Transaction,
    part: ListSlice,
    *,
    visit_id: VisitId | None,
    shift_id: ShiftId | None,
    state: ReceiptState | None,
) -> list[Receipt]:
    """Receipts without their parts, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _LIST_RECEIPTS,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        visit_id,
        shift_id,
        None if state is None else state.value,
    )
    return [read_row(Receipt, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCollection:
    """The money that came last to an invoice or a deposit; `issued_by` is the cashier, None for a provider's money."""

    method: str
    recorded_at: datetime
    issued_by: PersonId | None


_LAST_COLLECTION = """
    SELECT payment.method, allocation.recorded_at, receipt.issued_by
    FROM allocation
    JOIN payment ON payment.organization_id = $1 AND payment.id = allocation.payment_id
    LEFT JOIN receipt_part AS part ON part.organization_id = $1 AND part.payment_id = payment.id
    LEFT JOIN receipt ON receipt.organization_id = $1 AND receipt.id = part.receipt_id
    WHERE allocation.organization_id = $1 AND allocation.reverses_id IS NULL
        AND (allocation.invoice_id = $2 OR allocation.deposit_id = $3)
    ORDER BY allocation.id DESC LIMIT 1
"""


async def read_last_collection(
    tx: Transaction, *, invoice_id: InvoiceId | None, deposit_id: DepositId | None
) -> LastCollection | None:
    """The money that came last to an invoice or a deposit: whoever is too late learns who was first, and when."""
    row = await tx.fetchrow(_LAST_COLLECTION, tx.organization_id, invoice_id, deposit_id)
    return None if row is None else read_row(LastCollection, row)
