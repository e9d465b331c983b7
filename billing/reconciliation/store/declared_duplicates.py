"""Held payments that a person may declare duplicates while their lines are matched: locked, then read.

A decision locks the hold of its payment and then looks for a line; a match locks the holds of its payments and then
looks for declarations. So one of the two sees the other. Source: docs/design.md §5, lock order.
"""

from collections.abc import Sequence
from uuid import UUID

from billing.core.ids import PaymentId
from billing.db.database import Transaction

_LOCK_HOLD = """
    SELECT FROM payment_hold WHERE organization_id = $1 AND payment_id = $2 FOR NO KEY UPDATE
"""


async def lock_hold(tx: Transaction, payment_id: PaymentId) -> None:
    """Lock the hold of a payment, so that no line is matched with it until the transaction ends."""
    await tx.execute(_LOCK_HOLD, tx.organization_id, payment_id)


_SHARE_HOLDS = """
    SELECT payment_id FROM payment_hold WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[])
    ORDER BY payment_id FOR SHARE
"""


async def lock_holds(tx: Transaction, payment_ids: Sequence[UUID]) -> list[UUID]:
    """Let no person declare these payments duplicates until the transaction ends; returns those that have a hold.

    A released hold is one too. A statement that matches the payments afterwards leaves out the declared ones.
    """
    return [row["payment_id"] for row in await tx.fetch(_SHARE_HOLDS, tx.organization_id, list(payment_ids))]


# In a later statement than the lock: a declaration that it waited for is visible.
_DECLARED = """
    SELECT payment_id FROM declared_duplicate WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[])
"""


async def lock_against_declaration(tx: Transaction, payment_ids: Sequence[UUID]) -> set[UUID]:
    """Let no person declare these payments duplicates until the transaction ends; returns those that are declared."""
    if not payment_ids:
        return set()
    held = await lock_holds(tx, payment_ids)
    if not held:
        return set()
    return {row["payment_id"] for row in await tx.fetch(_DECLARED, tx.organization_id, held)}
