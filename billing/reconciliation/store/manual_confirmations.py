"""Manual confirmations of transfers, each with the exception that states it."""

from datetime import datetime, timedelta
from uuid import UUID

from billing.core.ids import PersonId, VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.manual_confirmation import ConfirmableRequest, ManualConfirmation

_CONFIRMABLE = """
    SELECT request.id, request.amount - request.received AS remaining,
        coalesce(setting.confirms_offline, false) AS confirms_offline
    FROM deposit
    JOIN visit_account AS account ON account.organization_id = $1 AND account.visit_id = deposit.visit_id
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.deposit_id = deposit.id
        AND request.state IN ('requested', 'partly') AND request.kind = 'order_lines'
    LEFT JOIN cash_setting AS setting
        ON setting.organization_id = $1 AND setting.facility_id = account.facility_id
    WHERE deposit.organization_id = $1 AND deposit.visit_id = $2 AND account.state = 'open'
    ORDER BY request.id DESC
"""

_STANDING = """
    SELECT stated.id, stated.deposit_request_id, stated.exception_id, stated.amount, person.name AS person,
        stated.confirmed_at
    FROM manual_confirmation AS stated
    JOIN person ON person.organization_id = $1 AND person.id = stated.confirmed_by
    WHERE stated.organization_id = $1 AND stated.visit_id = $2 AND stated.ended_at IS NULL
    ORDER BY stated.id
"""


async def read_confirmable(tx: Transaction, visit_id: VisitId) -> list[ConfirmableRequest]:
    """The open requests of an open visit that name orders, the newest first."""
    standing = {one.deposit_request_id: one for one in await read_standing(tx, visit_id)}
    rows = await tx.fetch(_CONFIRMABLE, tx.organization_id, visit_id)
    return [
        ConfirmableRequest(
            id=row["id"],
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


# Payments of the last days: a transfer that is confirmed now was sent today, or before a weekend.
_REFERENCES_OF_AMOUNT = """
    SELECT DISTINCT bank_reference FROM payment
    WHERE organization_id = $1 AND occurred_at >= $2 AND amount = $3 AND bank_reference <> ''
"""


async def read_arrived_references(tx: Transaction, *, amount: Dong, since: datetime) -> list[str]:
    """The bank references of the payments of this amount."""
    rows = await tx.fetch(_REFERENCES_OF_AMOUNT, tx.organization_id, since, amount)
    return [row["bank_reference"] for row in rows]


# The exception names the newest code of the request, so that its list shows the visit. Of two confirmations of one
# transfer the later one waits for the first and adds nothing.
_ADD = """
    WITH added AS (
        INSERT INTO manual_confirmation (organization_id, id, visit_id, deposit_request_id, exception_id, amount,
            bank_reference, confirmed_by, confirmed_at)
        VALUES ($1, $3, $4, $5, $2, $6, $7, $8, $9::timestamptz)
        ON CONFLICT (organization_id, bank_reference) DO NOTHING RETURNING exception_id
    )
    INSERT INTO exception_case (organization_id, id, reason, state, amount, intent_id, owner_id, opened_at, due_at)
    SELECT $1, added.exception_id, 'manual_confirmation_not_seen', 'open', $6, (
            SELECT max(id::text)::uuid FROM intent WHERE organization_id = $1 AND deposit_request_id = $5
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
    )
    return added is not None


_TO_END = """
    SELECT stated.id
    FROM manual_confirmation AS stated
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = stated.deposit_request_id
    JOIN exception_case AS one ON one.organization_id = $1 AND one.id = stated.exception_id
    WHERE stated.organization_id = $1 AND stated.ended_at IS NULL
        AND (one.state = 'closed' OR request.state NOT IN ('requested', 'partly'))
    ORDER BY stated.id LIMIT $2
"""


async def find_confirmations_to_end(tx: Transaction, *, at_most: int) -> list[UUID]:
    """Confirmations whose request or exception has ended."""
    return [row["id"] for row in await tx.fetch(_TO_END, tx.organization_id, at_most)]


_READ = """
    SELECT visit_id, exception_id FROM manual_confirmation WHERE organization_id = $1 AND id = $2
"""


async def read_subjects(tx: Transaction, confirmation_id: UUID) -> tuple[VisitId, UUID]:
    """Visit and exception of a confirmation, which never change."""
    row = await tx.fetchrow(_READ, tx.organization_id, confirmation_id)
    assert row is not None, "a confirmation is never removed"
    return VisitId(row["visit_id"]), row["exception_id"]


_IS_OPEN = """
    SELECT request.state IN ('requested', 'partly') FROM manual_confirmation AS stated
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = stated.deposit_request_id
    WHERE stated.organization_id = $1 AND stated.id = $2
"""


async def is_request_open(tx: Transaction, confirmation_id: UUID) -> bool:
    """Whether the request of a confirmation still waits for money."""
    found: bool = await tx.fetchval(_IS_OPEN, tx.organization_id, confirmation_id)
    return found


_END = """
    UPDATE manual_confirmation SET ended_at = $3 WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL
"""


async def end_confirmation(tx: Transaction, confirmation_id: UUID, *, at: datetime) -> None:
    """End a confirmation; one that has ended stays as it is."""
    await tx.execute(_END, tx.organization_id, confirmation_id, at)
