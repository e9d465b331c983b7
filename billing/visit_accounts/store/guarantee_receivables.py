"""What payers owe for guarantees, listed with their visits and ages; the payments of payers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import PaymentId, ReceiptId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class GuaranteeReference:
    """How a payer finds a guarantee: its reference and the MA_LK of the visit."""

    guarantee_id: UUID
    ma_lk: str
    reference: str


_REFERENCES = """
    SELECT given.id AS guarantee_id, account.ma_lk, given.reference
    FROM guarantee AS given
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = given.visit_id
    WHERE given.organization_id = $1 AND given.id = ANY ($2::uuid[])
"""


async def read_references(tx: Transaction, guarantee_ids: Sequence[UUID]) -> dict[UUID, GuaranteeReference]:
    """The references of guarantees, by id."""
    rows = await tx.fetch(_REFERENCES, tx.organization_id, list(guarantee_ids))
    return {row["guarantee_id"]: read_row(GuaranteeReference, row) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedReceivable:
    """What a payer owes for a guarantee (`id`), in đồng; `age_days` counts from the day of the first final bill."""

    id: UUID
    visit_id: VisitId
    ma_lk: str
    payer: str
    reference: str
    billed_on: date
    age_days: int
    billed: Dong
    paid: Dong
    written_off: Dong
    owed: Dong


_LIST = """
    SELECT known.guarantee_id AS id, known.visit_id, account.ma_lk, known.payer, given.reference, known.billed_on,
        $4::date - known.billed_on AS age_days, known.billed, known.paid, known.written_off, known.owed
    FROM guarantee_receivable AS known
    JOIN guarantee AS given ON given.organization_id = $1 AND given.id = known.guarantee_id
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = known.visit_id
    WHERE known.organization_id = $1 AND ($2::uuid IS NULL OR known.guarantee_id < $2)
        AND ($5::uuid IS NULL OR known.guarantee_id >= $5) AND ($6::uuid IS NULL OR known.guarantee_id = $6)
        AND ($7::text IS NULL OR known.payer = $7) AND (known.owed > 0 OR NOT $8)
        AND known.billed_on <= $4::date - $9::int
    ORDER BY known.guarantee_id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivableFilter:
    """Which receivables are listed; None filters nothing. `age_days_min`: billed so many days ago or earlier."""

    guarantee_id: UUID | None = None
    payer: str | None = None
    is_owed: bool = False
    age_days_min: int = 0


async def list_receivables(
    tx: Transaction, part: ListSlice, chosen: ReceivableFilter, *, today: date
) -> list[ListedReceivable]:
    """What payers owe for guarantees, the guarantee requested last first."""
    rows = await tx.fetch(
        _LIST,
        tx.organization_id,
        part.before,
        part.limit,
        today,
        part.first,
        chosen.guarantee_id,
        chosen.payer,
        chosen.is_owed,
        chosen.age_days_min,
    )
    return [read_row(ListedReceivable, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGuaranteePayment:
    """Money of a payer, in đồng: on guarantees, left as its credit, returned. A desk issued a receipt for it."""

    id: PaymentId
    payer: str
    method: str
    amount: Dong
    on_guarantees: Dong
    credit: Dong
    refunded: Dong
    receipt_id: ReceiptId | None
    recorded_at: datetime


_LIST_PAYMENTS = """
    SELECT paid.payment_id AS id, paid.payer, payment.method, payment.amount, position.on_guarantees, position.credit,
        position.refunded + position.refund_reserved AS refunded, paid.receipt_id, paid.recorded_at
    FROM guarantee_payment AS paid
    JOIN payment ON payment.organization_id = $1 AND payment.id = paid.payment_id
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = paid.payment_id
    WHERE paid.organization_id = $1 AND ($2::uuid IS NULL OR paid.payment_id < $2)
        AND ($4::uuid IS NULL OR paid.payment_id >= $4) AND ($5::text IS NULL OR paid.payer = $5)
    ORDER BY paid.payment_id DESC LIMIT $3
"""


async def list_guarantee_payments(
    tx: Transaction, part: ListSlice, *, payer: str | None = None
) -> list[ListedGuaranteePayment]:
    """The payments of payers, the newest first."""
    rows = await tx.fetch(_LIST_PAYMENTS, tx.organization_id, part.before, part.limit, part.first, payer)
    return [read_row(ListedGuaranteePayment, row) for row in rows]
