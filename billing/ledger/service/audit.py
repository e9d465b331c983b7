"""Writes the audit: who decided what, in the transaction of the decision."""

from uuid import UUID

from billing.core.actor import Actor
from billing.db.context import Context
from billing.db.database import Transaction
from billing.ledger.store.journal import write_audit


async def note(tx: Transaction, context: Context, actor: Actor, action: str, subject: tuple[str, UUID]) -> None:
    """Record the action of an actor on a subject, now; `subject` is its kind and id."""
    await write_audit(tx, context.ids.new(), recorded_at=context.clock(), actor=actor, action=action, subject=subject)
