"""Deliveries looked up, and those that could not be written replayed once what was wrong is mended.

A replay re-reads the stored, already verified message, dated by its first arrival. It claims its keys only now: paid
otherwise meanwhile it becomes credit, told again meanwhile it is a duplicate. Source: DESIGN §5, point 7.
"""

from collections.abc import Sequence

from billing.domain.actor import Actor
from billing.domain.errors import NotFound, Refused
from billing.domain.ids import DeliveryId, OrganizationId
from billing.domain.ledger import business_date
from billing.services.context import Context
from billing.services.steps.notices import Answer, Delivery, apply_deliveries
from billing.storage.journal import open_day, write_audit
from billing.storage.poison import (
    DeliveryAnswered,
    PoisonRow,
    lock_poison,
    mark_replayed,
    read_delivery,
    read_poison,
)
from providers.contract import Callbacks, Notices

__all__ = [
    "LIMIT_MAX",
    "AlreadyReplayed",
    "DeliveryAnswered",
    "NothingToReplay",
    "PoisonRow",
    "find_delivery",
    "list_poison",
    "replay",
]

LIMIT_MAX = 200


class AlreadyReplayed(Refused):
    """This delivery was replayed before; its answer stands under the delivery it was replayed as."""

    code = "already_replayed"


class NothingToReplay(Refused):
    """The stored message says nothing of money; there is nothing to write."""

    code = "nothing_to_replay"


async def find_delivery(
    context: Context, organization_id: OrganizationId, delivery_id: DeliveryId
) -> DeliveryAnswered | PoisonRow:
    """A delivery as it was answered, or as it waits. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        answered = await read_delivery(tx, delivery_id)
        if answered is not None:
            return answered
        kept = await lock_poison(tx, delivery_id)
    if kept is None:
        raise NotFound("no such delivery", field="delivery_id")
    return kept[0]


async def list_poison(
    context: Context, organization_id: OrganizationId, *, after: DeliveryId | None = None, limit: int = LIMIT_MAX
) -> Sequence[PoisonRow]:
    """Deliveries that wait to be replayed, the oldest first."""
    async with context.database.transaction(organization_id) as tx:
        return await read_poison(tx, after=after, limit=min(limit, LIMIT_MAX))


async def replay(context: Context, organization_id: OrganizationId, delivery_id: DeliveryId, *, actor: Actor) -> Answer:
    """Apply a kept delivery now, in one transaction with the note that it was replayed.

    Raises NotFound, AlreadyReplayed, NothingToReplay, or whatever still keeps it from being written; it then waits on.
    """
    now = context.clock()
    async with context.database.transaction(organization_id, posting=True) as tx:
        await open_day(tx, business_date(now), at=now)
        kept = await lock_poison(tx, delivery_id)
        if kept is None:
            raise NotFound("no such delivery waits", field="delivery_id")
        row, callback = kept
        if row.replayed_at is not None:
            raise AlreadyReplayed("this delivery was replayed before")
        account = await context.accounts.find(organization_id, row.account_name)
        assert account is not None, "accounts are never removed"
        assert isinstance(account.provider, Callbacks), "it has delivered before"
        read = account.provider.read_callback(callback)
        if not isinstance(read, Notices) or not read.notices:
            raise NothingToReplay("the stored message says nothing of money")
        replayed_as = DeliveryId(context.ids.new())
        delivery = Delivery(id=replayed_as, account=account, callback=callback, notices=read.notices)
        answers = await apply_deliveries(tx, [delivery], context)
        await mark_replayed(tx, delivery_id, at=now, replayed_as=replayed_as)
        await write_audit(
            tx,
            context.ids.new(),
            recorded_at=now,
            actor=actor,
            action="delivery_replayed",
            subject=("delivery", replayed_as),
        )
    return answers[replayed_as]
