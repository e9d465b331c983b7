"""Holds of duplicate candidates: released by a decision of a person, held again where the decision is reverted.

Source: docs/design.md §5, Duplicates.
"""

from datetime import datetime
from uuid import UUID

from billing.core.ids import AllocationId, PaymentId
from billing.core.money import Dong
from billing.db.database import Transaction

_READ_HOLD = """
    SELECT other_payment_id FROM payment_hold WHERE organization_id = $1 AND payment_id = $2 AND released_at IS NULL
"""


async def find_held_with(tx: Transaction, payment_id: PaymentId) -> PaymentId | None:
    """The payment that a held payment may be the duplicate of; None if it is not held. Its position is locked."""
    found: UUID | None = await tx.fetchval(_READ_HOLD, tx.organization_id, payment_id)
    return None if found is None else PaymentId(found)


_RELEASE = """
    UPDATE payment_hold SET released_at = $3 WHERE organization_id = $1 AND payment_id = $2 AND released_at IS NULL
"""


async def release_hold(tx: Transaction, payment_id: PaymentId, *, at: datetime) -> bool:
    """Release the hold of a payment whose position is locked; False where it is not held."""
    return await tx.execute(_RELEASE, tx.organization_id, payment_id, at) == "UPDATE 1"


_HOLD_AGAIN = """
    UPDATE payment_hold SET released_at = NULL WHERE organization_id = $1 AND payment_id = $2
"""


async def hold_again(tx: Transaction, payment_id: PaymentId) -> None:
    """Hold a payment again whose hold was released; its position is locked."""
    await tx.execute(_HOLD_AGAIN, tx.organization_id, payment_id)


_RESTORE = """
    WITH restored AS (
        INSERT INTO allocation (organization_id, id, payment_id, target, amount, reason, recorded_at)
        VALUES ($1, $2, $3, 'unallocated', $4, 'duplicate_reverted', $5)
    )
    UPDATE payment_position SET unallocated = unallocated + $4, refunded = refunded - $4
    WHERE organization_id = $1 AND payment_id = $3
"""


async def restore_unallocated(
    tx: Transaction, payment_id: PaymentId, allocation_id: AllocationId, amount: Dong, *, at: datetime
) -> None:
    """Count the money of a payment as unallocated again that was declared a duplicate; its position is locked."""
    await tx.execute(_RESTORE, tx.organization_id, allocation_id, payment_id, amount, at)
