"""Applying an approved change of a provider account; the database alone may do it. Proposals are in `approvals`."""

from uuid import UUID

from billing.db.database import Transaction

_APPLY = """
    SELECT vienphi_apply_account_change($1, $2)
"""


async def apply_change(tx: Transaction, approval_id: UUID, *, new_bank_account_id: UUID) -> None:
    """Apply an approved change. The database refuses a change that two persons did not approve."""
    await tx.execute(_APPLY, approval_id, new_bank_account_id)
