"""What payers owe for guarantees: rows read under lock, and their new states written; the payments of payers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.core.ids import PaymentId, PersonId, ReceiptId, VisitId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable

_RECEIVABLES = """
    SELECT guarantee_id, visit_id, payer, version, billed_on, billed, paid, written_off FROM guarantee_receivable
    WHERE organization_id = $1
"""

_LOCK = _RECEIVABLES + "AND guarantee_id = ANY ($2::uuid[]) ORDER BY guarantee_id FOR NO KEY UPDATE"
_LOCK_OF_VISIT = _RECEIVABLES + "AND visit_id = $2 ORDER BY guarantee_id FOR NO KEY UPDATE"
_LOCK_OWED = _RECEIVABLES + "AND payer = $2 AND owed > 0 ORDER BY guarantee_id FOR NO KEY UPDATE"
_LOCK_OF_PAYMENTS = """
    SELECT guarantee_id, visit_id, payer, version, billed_on, billed, paid, written_off FROM guarantee_receivable
    WHERE organization_id = $1 AND guarantee_id IN (
        SELECT guarantee_id FROM allocation
        WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]) AND guarantee_id IS NOT NULL)
    ORDER BY guarantee_id FOR NO KEY UPDATE
"""


async def lock_receivables(tx: Transaction, guarantee_ids: Sequence[UUID]) -> list[GuaranteeReceivable]:
    """Read receivables by their guarantees and lock their rows, in id order."""
    rows = await tx.fetch(_LOCK, tx.organization_id, sorted(guarantee_ids))
    return [read_row(GuaranteeReceivable, row) for row in rows]


async def lock_receivables_of_visit(tx: Transaction, visit_id: VisitId) -> list[GuaranteeReceivable]:
    """The receivables of a visit, locked; its account and guarantees are locked before."""
    rows = await tx.fetch(_LOCK_OF_VISIT, tx.organization_id, visit_id)
    return [read_row(GuaranteeReceivable, row) for row in rows]


async def lock_receivables_of_payer(tx: Transaction, payer: str) -> list[GuaranteeReceivable]:
    """What a payer owes, locked; first what was billed first."""
    rows = await tx.fetch(_LOCK_OWED, tx.organization_id, payer)
    found = [read_row(GuaranteeReceivable, row) for row in rows]
    return sorted(found, key=lambda one: (one.billed_on, one.guarantee_id))


async def lock_receivables_of_payments(
    tx: Transaction, payment_ids: Sequence[PaymentId]
) -> dict[UUID, GuaranteeReceivable]:
    """The receivables that payments were ever allocated to, locked, by guarantee."""
    rows = await tx.fetch(_LOCK_OF_PAYMENTS, tx.organization_id, list(payment_ids))
    return {row["guarantee_id"]: read_row(GuaranteeReceivable, row) for row in rows}


_ADD = """
    INSERT INTO guarantee_receivable (organization_id, guarantee_id, visit_id, payer, version, billed, owed, billed_on)
    SELECT $1, id, visit_id, payer, 1, $3, $3, $4 FROM guarantee WHERE organization_id = $1 AND id = $2
    RETURNING guarantee_id, visit_id, payer, version, billed_on, billed, paid, written_off
"""


async def add_receivable(tx: Transaction, new: GuaranteeReceivable) -> None:
    """Store a receivable of a locked guarantee, with nothing paid; the payer is that of the guarantee."""
    await tx.execute(_ADD, tx.organization_id, new.guarantee_id, new.billed, new.billed_on)


_UPDATE = """
    UPDATE guarantee_receivable AS known SET version = t.version, billed = t.billed, paid = t.paid,
        written_off = t.written_off, owed = t.owed
    FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        AS t (guarantee_id, version, billed, paid, written_off, owed)
    WHERE known.organization_id = $1 AND known.guarantee_id = t.guarantee_id
"""


async def update_receivables(tx: Transaction, receivables: Sequence[GuaranteeReceivable]) -> None:
    """Write the final state of receivables that this transaction holds locked."""
    rows = [(one.guarantee_id, one.version, one.billed, one.paid, one.written_off, one.owed) for one in receivables]
    await tx.execute(_UPDATE, tx.organization_id, *columns(rows, 6))


_ADD_PAYMENTS = """
    INSERT INTO guarantee_payment (organization_id, payment_id, payer, receipt_id, recorded_by, recorded_at)
    SELECT $1, payment_id, $3, $4, $5, $6 FROM unnest($2::uuid[]) AS t (payment_id)
    ON CONFLICT (organization_id, payment_id) DO NOTHING
"""


async def add_guarantee_payments(
    tx: Transaction,
    payment_ids: Sequence[PaymentId],
    payer: str,
    *,
    receipt_id: ReceiptId | None,
    recorded_by: PersonId | None,
    at: datetime,
) -> None:
    """Record that payments are money of a payer: what no guarantee needs of them is credit of the payer."""
    await tx.execute(_ADD_PAYMENTS, tx.organization_id, list(payment_ids), payer, receipt_id, recorded_by, at)


_WITH_CREDIT = """
    SELECT paid.payment_id FROM guarantee_payment AS paid
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = paid.payment_id
    WHERE paid.organization_id = $1 AND paid.payer = $2 AND position.credit > 0
    ORDER BY paid.payment_id
"""


async def find_credit_of_payer(tx: Transaction, payer: str) -> list[PaymentId]:
    """The payments of a payer with credit, the oldest first; nothing is locked."""
    return [PaymentId(row["payment_id"]) for row in await tx.fetch(_WITH_CREDIT, tx.organization_id, payer)]


_REMOVE_PAYMENT = "DELETE FROM guarantee_payment WHERE organization_id = $1 AND payment_id = $2"


async def remove_guarantee_payment(tx: Transaction, payment_id: PaymentId) -> None:
    """Record that a payment is no money of a payer: its assignment was reverted."""
    await tx.execute(_REMOVE_PAYMENT, tx.organization_id, payment_id)
