"""Finds deliveries; retries dead letters once their cause is removed, or closes them by two persons.

A retry applies the stored, verified notices, dated by their first arrival, and needs no credential. It reserves its
keys only now: if the invoice was paid otherwise meanwhile the money becomes credit; if it was received again it is a
duplicate. Source: docs/design.md §5, point 7.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import NotFound, Refused
from billing.core.ids import DeliveryId, OrganizationId
from billing.core.list_slice import day_begins, day_ends
from billing.core.reasons import read_reason
from billing.db.database import Transaction
from billing.ledger.store.journal import open_day, write_audit
from billing.organizations.domain.approval import Approval, ApprovalKind
from billing.organizations.service.approvals import propose, read_latest_approvals, reject_proposed
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.payment_events import Answer, Delivery
from billing.payments.store.dead_letters import (
    DeadLetter,
    DeadLetterState,
    DeliveryAnswered,
    StoredDelivery,
    close_dead_letter,
    lock_dead_letter,
    mark_retried,
    read_dead_letters,
    read_delivery,
)
from providers.contract import Notice
from providers.notice_json import NoticesUnreadable, read_notices

__all__ = [
    "LIMIT_MAX",
    "AlreadyClosed",
    "AlreadyRetried",
    "DeadLetter",
    "DeadLetterState",
    "DeliveryAnswered",
    "NothingToRetry",
    "StoredNoticesUnreadable",
    "close_approved_dead_letter",
    "find_delivery",
    "list_dead_letters",
    "propose_close",
    "retry_dead_letter",
]

LIMIT_MAX = 200


class AlreadyRetried(Refused):
    """This dead letter was retried earlier; its answer is stored with the delivery it was retried as."""

    code = "already_retried"


class AlreadyClosed(Refused):
    """Two persons closed this dead letter; it is never booked."""

    code = "already_closed"


class NothingToRetry(Refused):
    """The stored message reports no payment; there is nothing to write."""

    code = "nothing_to_retry"


class StoredNoticesUnreadable(Refused):
    """This version cannot restore the stored notices exactly; a later version wrote them."""

    code = "stored_notices_unreadable"


async def find_delivery(
    context: PaymentContext, organization_id: OrganizationId, delivery_id: DeliveryId
) -> DeliveryAnswered | DeadLetter:
    """A delivery with its answer, or the dead letter of that id. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        answered = await read_delivery(tx, delivery_id)
        if answered is not None:
            return answered
        stored = await lock_dead_letter(tx, delivery_id)
        if stored is None:
            raise NotFound("no such delivery", field="delivery_id")
        (letter,) = await _with_closings(tx, [stored.letter])
    return letter


async def list_dead_letters(
    context: PaymentContext,
    organization_id: OrganizationId,
    *,
    after: DeliveryId | None = None,
    limit: int = LIMIT_MAX,
    state: DeadLetterState = DeadLetterState.WAITING,
    arrived_on: tuple[date | None, date | None] = (None, None),
) -> Sequence[DeadLetter]:
    """Dead letters in a state, the oldest first; first and last day of arrival in Vietnam included."""
    first, last = arrived_on
    arrived = (None if first is None else day_begins(first), None if last is None else day_ends(last))
    async with context.database.transaction(organization_id) as tx:
        found = await read_dead_letters(tx, after=after, limit=min(limit, LIMIT_MAX), state=state, arrived=arrived)
        return await _with_closings(tx, found)


async def retry_dead_letter(
    context: PaymentContext, organization_id: OrganizationId, delivery_id: DeliveryId, *, actor: Actor
) -> Answer:
    """Apply a dead letter now and mark it as retried, in one transaction.

    A person who retries it also rejects an open proposal to close it. Raises NotFound, AlreadyRetried,
    AlreadyClosed, StoredNoticesUnreadable, NothingToRetry, or the error that still prevents the write; it then stays
    open.
    """
    now = context.clock()
    async with context.database.transaction(organization_id, posting=True) as tx:
        await open_day(tx, business_date(now), at=now)
        if actor.person is not None:
            await reject_proposed(tx, context, ApprovalKind.DEAD_LETTER_CLOSING, delivery_id, actor)
        stored = await _lock_waiting(tx, delivery_id)
        account = await context.accounts.find(organization_id, stored.letter.account_name)
        assert account is not None, "accounts are never removed"
        notices = _notices(stored)
        retried_as = DeliveryId(context.ids.new())
        delivery = Delivery(id=retried_as, account=account, callback=stored.callback, notices=notices)
        answers = await apply_deliveries(tx, [delivery], context)
        await mark_retried(tx, delivery_id, at=now, retried_as=retried_as)
        await _note(tx, context, "delivery_retried", retried_as, actor)
    context.publish_change(organization_id)
    return answers[retried_as]


async def propose_close(
    context: PaymentContext, organization_id: OrganizationId, delivery_id: DeliveryId, *, reason: str, actor: Actor
) -> UUID:
    """Propose that a dead letter is never booked, with the reason; another person decides. Returns the approval's id.

    Raises PersonNeeded, InvalidValue, NotFound, AlreadyRetried, AlreadyClosed, ProposalWaiting.
    """
    require_person(actor)
    text = read_reason(reason)
    async with context.database.transaction(organization_id) as tx:
        letter = (await _lock_waiting(tx, delivery_id)).letter
        payload = {
            "account": letter.account_name,
            "received_at": letter.received_at.isoformat(),
            "fault": letter.fault,
            "reason": text,
        }
        return await propose(tx, context, ApprovalKind.DEAD_LETTER_CLOSING, delivery_id, payload=payload, actor=actor)


async def close_approved_dead_letter(
    tx: Transaction, context: PaymentContext, approval: Approval, actor: Actor
) -> None:
    """A step: close a dead letter, which another person than the proposer decided; its day may then close.

    Raises AlreadyRetried.
    """
    delivery_id = DeliveryId(approval.subject_id)
    await _lock_waiting(tx, delivery_id)
    await close_dead_letter(tx, delivery_id, at=context.clock())
    await _note(tx, context, "dead_letter_closed", delivery_id, actor)


async def _with_closings(tx: Transaction, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
    kind = ApprovalKind.DEAD_LETTER_CLOSING
    closings = await read_latest_approvals(tx, kind, [letter.id for letter in letters])
    return [replace(letter, closing=closings.get(letter.id)) for letter in letters]


async def _lock_waiting(tx: Transaction, delivery_id: DeliveryId) -> StoredDelivery:
    stored = await lock_dead_letter(tx, delivery_id)
    if stored is None:
        raise NotFound("no such dead letter", field="delivery_id")
    if stored.letter.retried_at is not None:
        raise AlreadyRetried("this delivery was retried before")
    if stored.letter.closed_at is not None:
        raise AlreadyClosed("two persons closed this delivery; it is not booked")
    return stored


def _notices(stored: StoredDelivery) -> tuple[Notice, ...]:
    """The notices that were verified at arrival."""
    try:
        notices = read_notices(stored.notices)
    except NoticesUnreadable as error:
        raise StoredNoticesUnreadable(
            "this version cannot read the stored notices; retry with the version that stored them, or close the dead"
            " letter by two persons"
        ) from error
    if not notices:
        raise NothingToRetry("the stored message reports no payment")
    return notices


async def _note(tx: Transaction, context: PaymentContext, action: str, subject: UUID, actor: Actor) -> None:
    await write_audit(
        tx,
        context.ids.new(),
        recorded_at=context.clock(),
        actor=actor,
        action=action,
        subject=("delivery", subject),
    )
