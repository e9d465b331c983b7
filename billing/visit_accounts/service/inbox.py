"""Read the integration inbox, and the rejected message that is to be retried."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from billing.core.actor import Actor
from billing.core.errors import BillingError
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice, first_id_after_day, first_id_of_day
from billing.db.context import Context
from billing.organizations.store.organizations import find_facility
from billing.visit_accounts.domain.message import (
    Message,
    MessageId,
    MessageKind,
    MessageOutcome,
    NotRetryable,
    Processed,
    UnknownMessage,
    refused,
)
from billing.visit_accounts.service.message_inbox import store_message
from billing.visit_accounts.store.inbox import (
    InboxMessage,
    ProcessedRow,
    SenderDay,
    list_messages,
    read_message,
    read_senders,
    read_sources,
)

__all__ = [
    "InboxMessage",
    "ProcessedRow",
    "SenderDay",
    "find_message",
    "find_retry",
    "list_inbox",
    "list_senders",
    "read_file_rows",
    "store_file",
]


async def read_file_rows(context: Context, organization_id: OrganizationId, file: str) -> list[ProcessedRow]:
    """The rows of a dropped file that were processed."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_sources(tx, file)


async def store_file(
    context: Context, organization_id: OrganizationId, message: Message, refusal: BillingError | None
) -> None:
    """Store a dropped file in the inbox, once; `refusal` states why it, or rows of it, are rejected."""
    async with context.database.transaction(organization_id) as tx:
        facility_id = await find_facility(tx, message.facility_code)
        if any(row.source == message.source for row in await read_sources(tx, message.source.partition(":")[0])):
            return
        processed = (
            Processed(outcome=MessageOutcome.ACCEPTED, facility_id=facility_id)
            if refusal is None
            else refused(refusal, facility_id=facility_id)
        )
        await store_message(tx, context, Actor.system(), message, processed)


async def list_inbox(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    outcome: MessageOutcome | None = None,
    ma_lk: str | None = None,
    facility_code: str | None = None,
) -> list[InboxMessage]:
    """Messages by outcome, MA_LK and facility, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await list_messages(tx, part, outcome=outcome, ma_lk=ma_lk, facility_code=facility_code)


async def list_senders(context: Context, organization_id: OrganizationId, day: date) -> Sequence[SenderDay]:
    """The senders of a day with their messages and what is still rejected."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_senders(tx, first_id_of_day(day), first_id_after_day(day))


async def find_message(
    context: Context, organization_id: OrganizationId, message_id: MessageId
) -> tuple[InboxMessage, str | None]:
    """A message and its text (None once erased). Raises UnknownMessage."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        found = await read_message(tx, message_id)
    if found is None:
        raise UnknownMessage("no such message", field="message_id")
    return found


async def find_retry(context: Context, organization_id: OrganizationId, message_id: MessageId) -> Message:
    """The message that repeats a rejected one. Raises UnknownMessage, NotRetryable."""
    found, document = await find_message(context, organization_id, message_id)
    if found.outcome is not MessageOutcome.REJECTED:
        raise NotRetryable(f"the message is {found.outcome}; only a rejected one is retried")
    if found.retried_by is not None:
        raise NotRetryable(f"the message was retried with success: {found.retried_by}")
    if found.kind is MessageKind.FILE or document is None:
        raise NotRetryable("a file is dropped again, and a message whose text is erased is sent again")
    first = Message(
        channel=found.channel,
        kind=found.kind,
        facility_code=found.facility_code,
        ma_lk=found.ma_lk,
        document=document,
        received_at=context.clock(),
        line=found.line,
    )
    return replace(first, retry_of=message_id)
