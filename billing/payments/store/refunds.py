"""Refunds with their parts and destinations, and the payments that a refund may return."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import DepositId, PaymentId, ProviderAccountId, RefundId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.refund import BankDestination, Refund, RefundFilter, RefundPart

_ADD_REFUND = """
    INSERT INTO refund (organization_id, id, reference, visit_id, way, amount, reason, needs_approval,
        provider_account_id, state, version, requested_by, requested_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'requested', $10, $11, $12
    WHERE NOT EXISTS (SELECT FROM intent WHERE organization_id = $1 AND reference_code = $3)
    ON CONFLICT (organization_id, reference) DO NOTHING RETURNING id
"""


async def add_refund(tx: Transaction, refund: Refund) -> bool:
    """Store a requested refund; False if its code is taken."""
    added = await tx.fetchval(
        _ADD_REFUND,
        tx.organization_id,
        refund.id,
        refund.reference,
        refund.visit_id,
        refund.way.value,
        refund.amount,
        refund.reason,
        refund.needs_approval,
        refund.provider_account_id,
        refund.version,
        refund.requested_by,
        refund.requested_at,
    )
    return added is not None


_ADD_PARTS = """
    INSERT INTO refund_part (organization_id, refund_id, allocation_id, payment_id, source, deposit_id, amount)
    SELECT $1, $2, allocation_id, payment_id, source, deposit_id, amount
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::bigint[])
        AS t (allocation_id, payment_id, source, deposit_id, amount)
"""


async def add_parts(tx: Transaction, refund_id: RefundId, parts: Sequence[RefundPart]) -> None:
    """Store the reserved parts of a new refund."""
    rows = [(part.allocation_id, part.payment_id, part.source.value, part.deposit_id, part.amount) for part in parts]
    await tx.execute(_ADD_PARTS, tx.organization_id, refund_id, *columns(rows, 5))


_READ_REFUND = """
    SELECT id, reference, visit_id, way, amount, reason, needs_approval, provider_account_id, state, version,
        requested_by, requested_at, sent_by, sent_at, bank_account_id, due_at, last_outcome, provider_reference,
        bank_reference, outflow_id, ended_by, ended_at, returned_at
    FROM refund WHERE organization_id = $1 AND id = $2
"""

_LOCK_REFUND = """
    SELECT id, reference, visit_id, way, amount, reason, needs_approval, provider_account_id, state, version,
        requested_by, requested_at, sent_by, sent_at, bank_account_id, due_at, last_outcome, provider_reference,
        bank_reference, outflow_id, ended_by, ended_at, returned_at
    FROM refund WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def read_refund(tx: Transaction, refund_id: RefundId, *, locked: bool = False) -> Refund | None:
    """A refund; `locked` locks its row until the transaction ends."""
    row = await tx.fetchrow(_LOCK_REFUND if locked else _READ_REFUND, tx.organization_id, refund_id)
    return None if row is None else read_row(Refund, row)


_PARTS = """
    SELECT allocation_id, payment_id, source, amount, deposit_id FROM refund_part
    WHERE organization_id = $1 AND refund_id = $2 ORDER BY allocation_id
"""


async def read_parts(tx: Transaction, refund_id: RefundId) -> list[RefundPart]:
    """The parts of a refund, which never change."""
    return [read_row(RefundPart, row) for row in await tx.fetch(_PARTS, tx.organization_id, refund_id)]


_UPDATE_REFUND = """
    UPDATE refund SET state = $3, version = $4, sent_by = $5, sent_at = $6, bank_account_id = $7, due_at = $8,
        last_outcome = $9, provider_reference = $10, bank_reference = $11, outflow_id = $12, ended_by = $13,
        ended_at = $14, returned_at = $15
    WHERE organization_id = $1 AND id = $2
"""


async def update_refund(tx: Transaction, refund: Refund) -> None:
    """Write a locked refund in its new state."""
    await tx.execute(
        _UPDATE_REFUND,
        tx.organization_id,
        refund.id,
        refund.state.value,
        refund.version,
        refund.sent_by,
        refund.sent_at,
        refund.bank_account_id,
        refund.due_at,
        None if refund.last_outcome is None else refund.last_outcome.value,
        refund.provider_reference,
        refund.bank_reference,
        refund.outflow_id,
        refund.ended_by,
        refund.ended_at,
        refund.returned_at,
    )


_LIST_REFUNDS = """
    SELECT id, reference, visit_id, way, amount, reason, needs_approval, provider_account_id, state, version,
        requested_by, requested_at, sent_by, sent_at, bank_account_id, due_at, last_outcome, provider_reference,
        bank_reference, outflow_id, ended_by, ended_at, returned_at
    FROM refund
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
        AND ($5::uuid IS NULL OR visit_id = $5) AND ($6::text IS NULL OR state = $6) AND ($7::text IS NULL OR way = $7)
        AND ($8::uuid IS NULL OR EXISTS (SELECT FROM refund_part WHERE refund_part.organization_id = $1
            AND refund_part.refund_id = refund.id AND refund_part.payment_id = $8))
    ORDER BY id DESC LIMIT $4
"""


async def list_refunds(tx: Transaction, part: ListSlice, wanted: RefundFilter) -> list[Refund]:
    """Refunds, the newest first."""
    rows = await tx.fetch(
        _LIST_REFUNDS,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        wanted.visit_id,
        wanted.state,
        wanted.way,
        wanted.payment_id,
    )
    return [read_row(Refund, row) for row in rows]


_WAITING_OF_VISIT = """
    SELECT coalesce(sum(amount), 0) FROM refund
    WHERE organization_id = $1 AND visit_id = $2 AND state IN ('requested', 'approved', 'sent', 'unknown')
"""


async def sum_waiting_refunds(tx: Transaction, visit_id: VisitId) -> Dong:
    """What is reserved for refunds of a visit and has not left yet, in đồng."""
    return Dong(int(await tx.fetchval(_WAITING_OF_VISIT, tx.organization_id, visit_id)))


_DUE = """
    SELECT id FROM refund
    WHERE organization_id = $1 AND way = 'provider' AND state IN ('approved', 'sent', 'unknown') AND due_at <= $2
    ORDER BY due_at LIMIT $3
"""


async def find_due_refunds(tx: Transaction, *, now: datetime, at_most: int) -> list[RefundId]:
    """Refunds that are to be sent to their provider, or queried, now."""
    return [RefundId(row["id"]) for row in await tx.fetch(_DUE, tx.organization_id, now, at_most)]


_APPROVAL_ABOVE = """
    SELECT refund_approval_above FROM organization WHERE id = $1
"""


async def read_approval_above(tx: Transaction) -> Dong:
    """The amount above which a second person approves a refund."""
    return Dong(int(await tx.fetchval(_APPROVAL_ABOVE, tx.organization_id)))


_SET_APPROVAL_ABOVE = """
    UPDATE organization SET refund_approval_above = $2 WHERE id = $1
"""


async def set_approval_above(tx: Transaction, amount: Dong) -> None:
    """Set the amount above which a second person approves a refund, as two persons approved."""
    await tx.execute(_SET_APPROVAL_ABOVE, tx.organization_id, amount)


_ADD_DESTINATION = """
    INSERT INTO refund_destination (organization_id, refund_id, bank_bin, account_number, holder, source)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def add_destination(tx: Transaction, refund_id: RefundId, destination: BankDestination) -> None:
    """Store where a refund is transferred to."""
    await tx.execute(
        _ADD_DESTINATION,
        tx.organization_id,
        refund_id,
        destination.bank_bin,
        destination.account_number,
        destination.holder,
        "stated" if destination.is_stated else "captured",
    )


_DESTINATION = """
    SELECT bank_bin, account_number, holder, source = 'stated' AS is_stated FROM refund_destination
    WHERE organization_id = $1 AND refund_id = $2
"""


async def read_destination(tx: Transaction, refund_id: RefundId) -> BankDestination | None:
    """Where a refund is transferred to; None for other ways, and once it is erased."""
    row = await tx.fetchrow(_DESTINATION, tx.organization_id, refund_id)
    return None if row is None else read_row(BankDestination, row)


_PAYERS = """
    SELECT DISTINCT payer_name AS name, payer_account AS account, payer_bank AS bank FROM payment_origin
    WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[]) AND payer_account <> ''
"""


async def read_payers(tx: Transaction, payment_ids: Sequence[PaymentId]) -> list[tuple[str, str, str]]:
    """The different payers of payments with a known account: name, account, bank."""
    rows = await tx.fetch(_PAYERS, tx.organization_id, list(payment_ids))
    return [(row["name"], row["account"], row["bank"]) for row in rows]


_DEPOSITS_OF = """
    SELECT DISTINCT allocation.deposit_id AS id FROM allocation
    WHERE allocation.organization_id = $1 AND allocation.payment_id = ANY ($2::uuid[])
        AND allocation.deposit_id IS NOT NULL
    ORDER BY id
"""


async def find_deposits_of(tx: Transaction, payment_ids: Sequence[PaymentId]) -> list[DepositId]:
    """The deposits that payments were ever allocated to."""
    return [DepositId(row["id"]) for row in await tx.fetch(_DEPOSITS_OF, tx.organization_id, list(payment_ids))]


_IS_HELD = """
    SELECT EXISTS (SELECT FROM payment_hold WHERE organization_id = $1 AND payment_id = $2 AND released_at IS NULL)
"""


async def is_held(tx: Transaction, payment_id: PaymentId) -> bool:
    """Whether a payment may be a duplicate that nobody has decided; its position is locked."""
    found: bool = await tx.fetchval(_IS_HELD, tx.organization_id, payment_id)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundedPayment:
    """A payment as its provider knows it; `started_as` is the number that the provider gave when it was started."""

    id: PaymentId
    amount: Dong
    method: str
    provider_account_id: ProviderAccountId | None
    provider_reference: str
    occurred_at: datetime
    reference_code: str | None
    created_at: datetime | None
    started_as: str | None
    refunded: Dong
    refund_reserved: Dong


_PAYMENT_OF_REFUND = """
    SELECT payment.id, payment.amount, payment.provider_account_id, payment.provider_reference, payment.occurred_at,
        payment.method, intent.reference_code, intent.created_at, position.refunded, position.refund_reserved,
        intent.instruction ->> 'provider_reference' AS started_as
    FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    LEFT JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
    WHERE payment.organization_id = $1 AND payment.id = $2
"""


async def read_payment_of_refund(tx: Transaction, payment_id: PaymentId) -> RefundedPayment | None:
    """What a provider needs to know of a payment in order to return it."""
    row = await tx.fetchrow(_PAYMENT_OF_REFUND, tx.organization_id, payment_id)
    return None if row is None else read_row(RefundedPayment, row)


_FIND_FOR_OUTFLOW = """
    SELECT id FROM (
        SELECT 1 AS choice, refund.id FROM refund
        WHERE refund.organization_id = $1 AND refund.reference = ANY ($2::text[])
        UNION ALL
        SELECT 2, refund.id FROM refund
        WHERE refund.organization_id = $1 AND refund.provider_account_id = $3 AND refund.provider_reference <> ''
            AND 'transaction:' || refund.provider_reference = ANY ($4::text[])
        UNION ALL
        SELECT 3, refund.id FROM refund
        JOIN refund_part AS part ON part.organization_id = $1 AND part.refund_id = refund.id
        WHERE refund.organization_id = $1 AND refund.provider_account_id = $3 AND part.payment_id = $5
    ) AS found
    JOIN refund USING (id)
    WHERE refund.organization_id = $1 AND refund.amount = $6 AND refund.outflow_id IS NULL
        AND (refund.state IN ('sent', 'unknown', 'done', 'returned')
            OR choice = 1 AND refund.state = 'approved' AND refund.way = 'manual_transfer')
    ORDER BY choice, id LIMIT 1
"""


async def find_refund_of_outflow(
    tx: Transaction,
    *,
    codes: Sequence[str],
    account_id: UUID,
    keys: Sequence[str],
    payment_id: PaymentId | None,
    amount: Dong,
) -> RefundId | None:
    """The refund that an outflow of equal amount belongs to: by our code, its own name, or its payment.

    It was sent, or is a transfer by hand with our code that nobody has recorded as sent yet.
    """
    found: UUID | None = await tx.fetchval(
        _FIND_FOR_OUTFLOW, tx.organization_id, list(codes), account_id, list(keys), payment_id, amount
    )
    return None if found is None else RefundId(found)


_ACCOUNT_NAME = """
    SELECT name FROM provider_account WHERE organization_id = $1 AND id = $2
"""


async def read_account_name(tx: Transaction, account_id: ProviderAccountId) -> str | None:
    """The name of a provider account."""
    name: str | None = await tx.fetchval(_ACCOUNT_NAME, tx.organization_id, account_id)
    return name


_IS_REFERENCE_USED = """
    SELECT EXISTS (SELECT FROM refund
        WHERE organization_id = $1 AND bank_account_id = $2 AND way = 'manual_transfer'
            AND state IN ('done', 'returned')
            AND bank_reference <> '' AND vienphi_normal_reference(bank_reference) = vienphi_normal_reference($3))
"""


async def is_reference_used(tx: Transaction, bank_account_id: UUID, reference: str) -> bool:
    """Whether a transfer of this account was confirmed with the bank's reference; an index guards the same."""
    return bool(await tx.fetchval(_IS_REFERENCE_USED, tx.organization_id, bank_account_id, reference))
