"""Expires intents: an overdue collection requests nothing more; money under its code is still booked.

Rows that another transaction has locked are left for the next round. An UNKNOWN intent is not expired by the clock,
only once its provider has answered that it knows no such payment. Source: docs/design.md §5, States.
"""

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.ledger.store.journal import write_audit, write_message
from billing.payments.domain.intent import IntentState
from billing.payments.domain.poll_schedule import next_poll_at
from billing.payments.service.context import PaymentContext
from billing.payments.service.webhook_messages import intent_message
from billing.payments.store.intent_rows import read_owed
from billing.payments.store.polls import expire_intents, lock_overdue_intents, schedule_polls
from providers.contract import Outcome

EXPIRED_MAX = 200
"""Intents that one transaction expires."""


async def expire_once(context: PaymentContext, organization_id: OrganizationId) -> int:
    """Expire overdue intents and schedule a status poll of each; returns how many expired."""
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        overdue = await lock_overdue_intents(tx, now=now, at_most=EXPIRED_MAX)
        changed = [(intent, intent.with_outcome(Outcome.EXPIRED)) for intent in overdue]
        expired = [(before, after) for before, after in changed if after.state is IntentState.EXPIRED]
        await expire_intents(tx, expired)
        await schedule_polls(
            tx,
            [after for _, after in expired],
            started_at=now,
            due_at=next_poll_at(started_at=now, now=now),
        )
        owed = await read_owed(tx, [intent.id for _, intent in expired])
        for _, intent in expired:
            topic, payload = intent_message(intent, owed=owed[intent.id])
            await write_message(tx, context.ids.new(), topic=topic, payload=payload)
            await write_audit(
                tx,
                context.ids.new(),
                recorded_at=now,
                actor=Actor.system(),
                action="intent_expired",
                subject=("intent", intent.id),
            )
    return len(expired)
