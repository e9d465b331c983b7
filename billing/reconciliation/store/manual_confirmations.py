"""Manual confirmations of transfers, each with the exception that states it."""

from datetime import datetime, timedelta
from uuid import UUID

from billing.core.ids import PersonId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.manual_confirmation import ConfirmableTarget, ManualConfirmation, TargetKind

_CONFIRMABLE = """
    SELECT found.id, found.kind, found.number, found.received, found.remaining,
        coalesce(setting.confirms_offline, false) AS confirms_offline
    FROM visit_account AS account
    CROSS JOIN LATERAL (
        SELECT request.id, request.kind, '' AS number, request.received, request.amount - request.received AS remaining
        FROM deposit
        JOIN deposit_request AS request ON request.organization_id = $1 AND request.deposit_id = deposit.id
            AND request.state IN ('requested', 'partly')
        WHERE deposit.organization_id = $1 AND deposit.visit_id = $2 AND account.state = 'open'
        UNION ALL
        SELECT invoice.id, 'invoice', invoice.number, invoice.allocated, invoice.owed
        FROM invoice
        WHERE invoice.organization_id = $1 AND invoice.visit_id = $2 AND invoice.state = 'issued' AND invoice.owed > 0
    ) AS found
    LEFT JOIN cash_setting AS setting
        ON setting.organization_id = $1 AND setting.facility_id = account.facility_id
    WHERE account.organization_id = $1 AND account.visit_id = $2
    ORDER BY found.id DESC
"""

_STANDING = """
    SELECT stated.id, stated.deposit_request_id, stated.invoice_id, stated.exception_id, stated.amount,
        person.name AS person, stated.confirmed_at
    FROM manual_confirmation AS stated
    JOIN person ON person.organization_id = $1 AND person.id = stated.confirmed_by
    WHERE stated.organization_id = $1 AND stated.visit_id = $2 AND stated.ended_at IS NULL
    ORDER BY stated.id
"""


async def read_confirmable(tx: Transaction, visit_id: VisitId) -> list[ConfirmableTarget]:
    """The open requests of an open visit and its invoices that are owed, the newest first."""
    standing = {one.deposit_request_id or one.invoice_id: one for one in await read_standing(tx, visit_id)}
    rows = await tx.fetch(_CONFIRMABLE, tx.organization_id, visit_id)
    return [
        ConfirmableTarget(
            id=row["id"],
            kind=TargetKind(row["kind"]),
            number=row["number"],
            received=Dong(row["received"]),
            remaining=Dong(row["remaining"]),
            confirms_offline=row["confirms_offline"],
            confirmation=standing.get(row["id"]),
        )
        for row in rows
    ]


async def read_standing(tx: Transaction, visit_id: VisitId) -> list[ManualConfirmation]:
    """The confirmations of a visit that stand, the oldest first."""
    return [read_row(ManualConfirmation, row) for row in await tx.fetch(_STANDING, tx.organization_id, visit_id)]


_IS_KNOWN = """
    SELECT EXISTS (SELECT FROM manual_confirmation WHERE organization_id = $1 AND bank_reference = $2)
"""


async def is_confirmed(tx: Transaction, bank_reference: str) -> bool:
    """Whether a transfer was ever confirmed."""
    known: bool = await tx.fetchval(_IS_KNOWN, tx.organization_id, bank_reference)
    return known


# Payments of the last days: a transfer that is confirmed now was sent today, or before a weekend. Of any amount: a part
# of what is requested has arrived too.
_ARRIVED_REFERENCES = """
    SELECT DISTINCT bank_reference FROM payment
    WHERE organization_id = $1 AND occurred_at >= $2 AND bank_reference <> ''
"""


async def read_arrived_references(tx: Transaction, *, since: datetime) -> list[str]:
    """The bank references of the payments since a time."""
    rows = await tx.fetch(_ARRIVED_REFERENCES, tx.organization_id, since)
    return [row["bank_reference"] for row in rows]


# The exception names the newest code of the request or invoice, so that its list shows the visit. Of two confirmations
# of one transfer the later one waits for the first and adds nothing.
_ADD = """
    WITH added AS (
        INSERT INTO manual_confirmation (organization_id, id, visit_id, deposit_request_id, invoice_id, exception_id,
            amount, bank_reference, confirmed_by, confirmed_at)
        VALUES ($1, $3, $4, $5, $12, $2, $6, $7, $8, $9::timestamptz)
        ON CONFLICT (organization_id, bank_reference) DO NOTHING RETURNING exception_id
    )
    INSERT INTO exception_case (organization_id, id, reason, state, amount, intent_id, owner_id, opened_at, due_at)
    SELECT $1, added.exception_id, 'manual_confirmation_not_seen', 'open', $6, (
            SELECT max(code.id::text)::uuid FROM (
                SELECT id FROM intent WHERE organization_id = $1 AND deposit_request_id = $5
                UNION ALL SELECT intent_id FROM intent_invoice WHERE organization_id = $1 AND invoice_id = $12
            ) AS code
        ), $10, $9::timestamptz, $9::timestamptz + $11::interval
    FROM added RETURNING id
"""


async def add_confirmation(
    tx: Transaction,
    stated: ManualConfirmation,
    visit_id: VisitId,
    bank_reference: str,
    *,
    by: PersonId,
    owner: tuple[PersonId | None, timedelta],
) -> bool:
    """Add a confirmation with its exception; False if its transfer was confirmed meanwhile.

    `owner` is who decides the exception, and the time until it is due.
    """
    added = await tx.fetchval(
        _ADD,
        tx.organization_id,
        stated.exception_id,
        stated.id,
        visit_id,
        stated.deposit_request_id,
        stated.amount,
        bank_reference,
        by,
        stated.confirmed_at,
        *owner,
        stated.invoice_id,
    )
    return added is not None


# Confirmations that end now, or the one of $2. The transfer may have arrived under a code of its target, or count for
# the visit otherwise: under another code of it, or assigned to it.
_STATES = """
    SELECT id, is_open, has_arrived FROM (
        SELECT stated.id, CASE WHEN stated.invoice_id IS NULL THEN request.state IN ('requested', 'partly')
                ELSE invoice.state = 'issued' AND invoice.owed > 0 END AS is_open,
            EXISTS (
                SELECT FROM (
                    SELECT payment.id FROM intent
                    JOIN payment ON payment.organization_id = $1 AND payment.intent_id = intent.id
                    WHERE intent.organization_id = $1 AND intent.deposit_request_id = stated.deposit_request_id
                    UNION ALL
                    SELECT payment.id FROM intent_invoice AS code
                    JOIN payment ON payment.organization_id = $1 AND payment.intent_id = code.intent_id
                    WHERE code.organization_id = $1 AND code.invoice_id = stated.invoice_id
                    UNION ALL
                    SELECT part.payment_id FROM deposit
                    JOIN allocation AS part ON part.organization_id = $1 AND part.deposit_id = deposit.id
                    WHERE deposit.organization_id = $1 AND deposit.visit_id = stated.visit_id
                    UNION ALL
                    SELECT part.payment_id FROM invoice AS bill
                    JOIN allocation AS part ON part.organization_id = $1 AND part.invoice_id = bill.id
                    WHERE bill.organization_id = $1 AND bill.visit_id = stated.visit_id
                ) AS came
                JOIN payment ON payment.organization_id = $1 AND payment.id = came.id
                WHERE regexp_replace(vienphi_normal_reference(payment.bank_reference), '[^0-9A-Z]', '', 'g')
                    = stated.bank_reference
            ) AS has_arrived, one.state = 'closed' AS is_decided
        FROM manual_confirmation AS stated
        LEFT JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = stated.deposit_request_id
        LEFT JOIN invoice ON invoice.organization_id = $1 AND invoice.id = stated.invoice_id
        JOIN exception_case AS one ON one.organization_id = $1 AND one.id = stated.exception_id
        WHERE stated.organization_id = $1 AND stated.ended_at IS NULL
    ) AS state
    WHERE CASE WHEN $2::uuid IS NULL THEN is_decided OR has_arrived OR NOT is_open ELSE id = $2 END
    ORDER BY id LIMIT $3
"""


async def find_confirmations_to_end(tx: Transaction, *, at_most: int) -> list[UUID]:
    """Confirmations whose request, invoice or exception has ended, or whose transfer has arrived."""
    return [row["id"] for row in await tx.fetch(_STATES, tx.organization_id, None, at_most)]


async def read_target_state(tx: Transaction, confirmation_id: UUID) -> tuple[bool, bool] | None:
    """Whether the target of a confirmation still waits for money, and whether its transfer has arrived; None: ended."""
    row = await tx.fetchrow(_STATES, tx.organization_id, confirmation_id, 1)
    return None if row is None else (row["is_open"], row["has_arrived"])


_READ = """
    SELECT visit_id, exception_id, invoice_id IS NOT NULL AS is_invoice FROM manual_confirmation
    WHERE organization_id = $1 AND id = $2
"""


async def read_subjects(tx: Transaction, confirmation_id: UUID) -> tuple[VisitId, UUID, bool]:
    """Visit and exception of a confirmation, and whether it is of an invoice; they never change."""
    row = await tx.fetchrow(_READ, tx.organization_id, confirmation_id)
    assert row is not None, "a confirmation is never removed"
    return VisitId(row["visit_id"]), row["exception_id"], row["is_invoice"]


_END = """
    UPDATE manual_confirmation SET ended_at = $3 WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL
"""


async def end_confirmation(tx: Transaction, confirmation_id: UUID, *, at: datetime) -> None:
    """End a confirmation; one that has ended stays as it is."""
    await tx.execute(_END, tx.organization_id, confirmation_id, at)
