"""Exceptions while they are decided: locked, closed, opened again, assigned. `exception_lists.py` lists them.

An exception is locked after the payment position and the refund (docs/design.md §5).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.core.ids import PaymentId, PersonId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.exception import ExceptionReason, ExceptionState
from billing.reconciliation.domain.exception_case import ExceptionCase

_FIND_CASE = """
    SELECT one.id, one.reason, one.state, one.amount, one.version, one.payment_id, one.intent_id, one.item_kind,
        one.item_id, one.match_id, one.bank_account_id, one.owner_id, one.due_at, one.changed_at, person.name AS changer
    FROM exception_case AS one
    LEFT JOIN person ON person.organization_id = $1 AND person.id = one.changed_by
    WHERE one.organization_id = $1 AND one.id = $2
"""


async def find_case(tx: Transaction, exception_id: UUID) -> ExceptionCase | None:
    """An exception, not locked; None if there is none."""
    row = await tx.fetchrow(_FIND_CASE, tx.organization_id, exception_id)
    return None if row is None else read_row(ExceptionCase, row)


_LOCK_CASES = """
    SELECT id FROM exception_case WHERE organization_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""

# In a later statement than the lock: a change that it waited for is visible, the name of its person included.
_READ_CASES = """
    SELECT one.id, one.reason, one.state, one.amount, one.version, one.payment_id, one.intent_id, one.item_kind,
        one.item_id, one.match_id, one.bank_account_id, one.owner_id, one.due_at, one.changed_at, person.name AS changer
    FROM exception_case AS one
    LEFT JOIN person ON person.organization_id = $1 AND person.id = one.changed_by
    WHERE one.organization_id = $1 AND one.id = ANY ($2::uuid[])
    ORDER BY one.id
"""


async def lock_cases(tx: Transaction, exception_ids: Sequence[UUID]) -> list[ExceptionCase]:
    """Lock exceptions until the transaction ends, in id order; those that do not exist are left out."""
    await tx.fetch(_LOCK_CASES, tx.organization_id, list(exception_ids))
    return [
        read_row(ExceptionCase, row) for row in await tx.fetch(_READ_CASES, tx.organization_id, list(exception_ids))
    ]


_CHANGE = """
    UPDATE exception_case SET state = $3, version = version + 1, changed_by = $4, changed_at = $5
    WHERE organization_id = $1 AND id = $2
"""


async def change_case(
    tx: Transaction, exception_id: UUID, state: ExceptionState, *, by: PersonId | None, at: datetime
) -> None:
    """Write the state of a locked exception after a decision; `by` None is the system."""
    await tx.execute(_CHANGE, tx.organization_id, exception_id, state.value, by, at)


_ASSIGN = """
    WITH changed AS (
        UPDATE exception_case AS one SET owner_id = t.owner_id, due_at = t.due_at, version = one.version + 1,
            changed_by = $2, changed_at = $3
        FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[]) AS t (id, exception_id, owner_id, due_at)
        WHERE one.organization_id = $1 AND one.id = t.exception_id
    )
    INSERT INTO exception_assignment (organization_id, id, exception_id, owner_id, due_at, assigned_by, assigned_at)
    SELECT $1, id, exception_id, owner_id, due_at, $2, $3
    FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[]) AS t (id, exception_id, owner_id, due_at)
"""


async def assign_cases(
    tx: Transaction,
    assigned: Sequence[tuple[UUID, UUID, PersonId | None, datetime]],
    *,
    by: PersonId,
    at: datetime,
) -> None:
    """Set owner and due time of locked exceptions: id of the assignment, exception, owner, due time."""
    await tx.execute(_ASSIGN, tx.organization_id, by, at, *columns(assigned, 4))


_OPEN_OF_PAYMENT = """
    SELECT id FROM exception_case
    WHERE organization_id = $1 AND payment_id = $2 AND state = 'open' AND id <> $3
        AND reason = ANY ($4::text[])
"""


async def find_open_of_payment(
    tx: Transaction, payment_id: PaymentId, reasons: Sequence[ExceptionReason], *, but: UUID
) -> list[UUID]:
    """Open exceptions of a payment for these reasons, without one of them; not locked."""
    names = [reason.value for reason in reasons]
    return [row["id"] for row in await tx.fetch(_OPEN_OF_PAYMENT, tx.organization_id, payment_id, but, names)]
