"""Reads the vouchers of a visit that state money in and out: payments, refunds and numbered receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.core.ids import VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.voucher import Voucher, VoucherKind
from billing.visit_accounts.domain.receipt import write_number


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyOfVisit:
    """The payments and refunds of a visit, those of several visits too, and the card batches of its payments."""

    payment_ids: Sequence[UUID]
    refund_ids: Sequence[UUID]
    batch_ids: Sequence[UUID]


_IDS = """
    WITH money AS MATERIALIZED (
        SELECT DISTINCT subject.subject, subject.id FROM visit_subject AS subject
        WHERE subject.organization_id = $1 AND subject.subject IN ('payment', 'refund') AND subject.visit_id = $2
        UNION SELECT 'payment', part.payment_id FROM guarantee_receivable AS owed
            JOIN allocation AS part ON part.organization_id = $1 AND part.guarantee_id = owed.guarantee_id
            WHERE owed.organization_id = $1 AND owed.visit_id = $2
    )
    SELECT subject, id FROM money
    UNION
    SELECT 'card_batch', slip.batch_id FROM money
    JOIN card_slip AS slip ON slip.organization_id = $1 AND slip.payment_id = money.id
    WHERE money.subject = 'payment' AND slip.batch_id IS NOT NULL
"""


async def find_money_of_visit(tx: Transaction, visit_id: VisitId) -> MoneyOfVisit:
    """The payments and refunds that are or were of a visit, by allocation, by code, or for one of its guarantees."""
    rows = await tx.fetch(_IDS, tx.organization_id, visit_id)
    ids = {kind: [row["id"] for row in rows if row["subject"] == kind] for kind in ("payment", "refund", "card_batch")}
    return MoneyOfVisit(payment_ids=ids["payment"], refund_ids=ids["refund"], batch_ids=ids["card_batch"])


_MONEY = """
    WITH voucher AS (
        SELECT 'payment' AS kind, payment.id, '' AS number, payment.occurred_at AS at, payment.amount,
            CASE WHEN hold.payment_id IS NULL THEN 'received' ELSE 'held' END AS state, payment.method,
            payment.provider_reference, payment.bank_reference, '' AS reason, payment.intent_id AS of_id,
            shift.cashier_id AS person_id
        FROM payment
        LEFT JOIN payment_hold AS hold ON hold.organization_id = $1 AND hold.payment_id = payment.id
            AND hold.released_at IS NULL
        LEFT JOIN shift ON shift.organization_id = $1 AND shift.id = payment.shift_id
        WHERE payment.organization_id = $1 AND payment.id = ANY ($2::uuid[])
        UNION ALL
        SELECT 'refund', refund.id, refund.reference, refund.requested_at, refund.amount, refund.state, refund.way,
            refund.provider_reference, refund.bank_reference, refund.reason, NULL, refund.requested_by
        FROM refund WHERE refund.organization_id = $1 AND refund.id = ANY ($3::uuid[])
    )
    SELECT voucher.kind, voucher.id, voucher.number, voucher.at, voucher.amount, voucher.state, voucher.method,
        voucher.provider_reference, voucher.bank_reference, voucher.reason, voucher.of_id, voucher.person_id,
        coalesce(person.name, '') AS person
    FROM voucher
    LEFT JOIN person ON person.organization_id = $1 AND person.id = voucher.person_id
"""


async def read_money(tx: Transaction, money: MoneyOfVisit) -> list[Voucher]:
    """Payments and refunds of a visit, in no order. Money from a provider has no person."""
    rows = await tx.fetch(_MONEY, tx.organization_id, money.payment_ids, money.refund_ids)
    return [read_row(Voucher, row) for row in rows]


_RECEIPTS = """
    SELECT receipt.id, receipt.series, receipt.year, receipt.number, receipt.issued_at, receipt.amount, receipt.state,
        receipt.direction, receipt.purpose, receipt.void_reason, receipt.reprints, receipt.issued_by,
        coalesce(receipt.invoice_id, receipt.deposit_request_id, receipt.deposit_id) AS of_id,
        coalesce(person.name, '') AS person, print.document AS printed
    FROM receipt
    LEFT JOIN person ON person.organization_id = $1 AND person.id = receipt.issued_by
    LEFT JOIN receipt_print AS print ON print.organization_id = $1 AND print.receipt_id = receipt.id
    WHERE receipt.organization_id = $1 AND receipt.visit_id = $2
"""


async def read_receipts(tx: Transaction, visit_id: VisitId) -> list[Voucher]:
    """The receipts of a visit as they were printed, in no order; `method` is direction and purpose."""
    return [
        Voucher(
            kind=VoucherKind.RECEIPT,
            id=row["id"],
            number=write_number(row["series"], row["year"], row["number"]),
            at=row["issued_at"],
            amount=row["amount"],
            state=row["state"],
            person_id=row["issued_by"],
            person=row["person"],
            method=f"{row['direction']} {row['purpose']}",
            reason=row["void_reason"],
            of_id=row["of_id"],
            reprints=row["reprints"],
            printed=row["printed"],
        )
        for row in await tx.fetch(_RECEIPTS, tx.organization_id, visit_id)
    ]
