"""Held payments that a person may declare duplicates while their lines are matched: locked, then read.

A decision locks the hold of its payment and then looks for a line; a match locks the holds of its payments and then
looks for declarations. So one of the two sees the other. Source: docs/design.md §5, lock order.
"""

from collections.abc import Sequence
from datetime import date
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

_SHARE_RECENT_HOLDS = """
    SELECT payment_id FROM payment_hold WHERE organization_id = $1 AND held_at >= $2::date
    ORDER BY payment_id FOR SHARE
"""


async def lock_recent_holds(tx: Transaction, *, since: date) -> list[UUID]:
    """Let no person declare a payment a duplicate whose hold began on a day or later, until the transaction ends.

    Returns the payments of these holds, released ones too. A statement that matches payments reads them afterwards and
    leaves out the declared ones, and those whose hold was not locked.
    """
    return [row["payment_id"] for row in await tx.fetch(_SHARE_RECENT_HOLDS, tx.organization_id, since)]


# In a later statement than the lock: a declaration that it waited for is visible.
_DECLARED = """
    SELECT payment_id FROM declared_duplicate WHERE organization_id = $1 AND payment_id = ANY ($2::uuid[])
"""


async def lock_against_declaration(tx: Transaction, payment_ids: Sequence[UUID]) -> set[UUID]:
    """Let no person declare these payments duplicates until the transaction ends; returns those that are declared."""
    if not payment_ids:
        return set()
    held = [row["payment_id"] for row in await tx.fetch(_SHARE_HOLDS, tx.organization_id, list(payment_ids))]
    if not held:
        return set()
    return {row["payment_id"] for row in await tx.fetch(_DECLARED, tx.organization_id, held)}
