"""The integration inbox: every message with its outcome; the text of a message in a table of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import FacilityId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.message import Channel, Message, MessageId, MessageKind, MessageOutcome, Processed

_ADD_MESSAGE = """
    INSERT INTO integration_message (organization_id, id, facility_id, facility_code, channel, kind, ma_lk, line,
        sender_version, outcome, error_code, detail, field, difference, retry_of, actor_kind, actor_id, received_at,
        source)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
"""

_ADD_DOCUMENT = """
    INSERT INTO integration_document (organization_id, message_id, document) VALUES ($1, $2, $3)
"""


async def add_message(
    tx: Transaction, message_id: MessageId, message: Message, processed: Processed, *, actor: Actor
) -> None:
    """Store a message with its outcome."""
    await tx.execute(
        _ADD_MESSAGE,
        tx.organization_id,
        message_id,
        processed.facility_id,
        message.facility_code,
        message.channel.value,
        message.kind.value,
        message.ma_lk,
        message.line,
        processed.sender_version,
        processed.outcome.value,
        processed.error_code,
        processed.detail,
        processed.field,
        [dict(each) for each in processed.difference],
        message.retry_of,
        actor.kind.value,
        actor.id,
        message.received_at,
        message.source,
    )
    await tx.execute(_ADD_DOCUMENT, tx.organization_id, message_id, message.document.replace("\x00", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage:
    """A message of the inbox. `retried_by` is the message that repeated it with success."""

    id: MessageId
    facility_id: FacilityId | None
    facility_code: str
    channel: Channel
    kind: MessageKind
    ma_lk: str
    line: str
    sender_version: int | None
    outcome: MessageOutcome
    error_code: str
    detail: str
    field: str
    difference: tuple[Mapping[str, Any], ...]
    retry_of: MessageId | None
    retried_by: MessageId | None
    received_at: datetime


_LIST_MESSAGES = """
    SELECT message.id, message.facility_id, message.facility_code, message.channel, message.kind, message.ma_lk,
        message.line, message.sender_version, message.outcome, message.error_code, message.detail, message.field,
        message.difference, message.retry_of, retry.id AS retried_by, message.received_at
    FROM integration_message AS message
    LEFT JOIN integration_message AS retry ON retry.organization_id = $1 AND retry.retry_of = message.id
        AND retry.outcome <> 'rejected'
    WHERE message.organization_id = $1
        AND ($2::uuid IS NULL OR message.id < $2) AND ($3::uuid IS NULL OR message.id >= $3)
        AND ($4::text IS NULL OR message.outcome = $4) AND ($5::text IS NULL OR message.ma_lk = $5)
        AND ($6::text IS NULL OR message.facility_code = $6)
    ORDER BY message.id DESC LIMIT $7
"""


async def list_messages(
    tx: Transaction,
    part: ListSlice,
    *,
    outcome: MessageOutcome | None = None,
    ma_lk: str | None = None,
    facility_code: str | None = None,
) -> list[InboxMessage]:
    """Messages by outcome, MA_LK and facility, the newest first; None filters nothing."""
    outcome_text = None if outcome is None else outcome.value
    rows = await tx.fetch(
        _LIST_MESSAGES, tx.organization_id, part.before, part.first, outcome_text, ma_lk, facility_code, part.limit
    )
    return [read_row(InboxMessage, row) for row in rows]


_READ_MESSAGE = """
    SELECT message.id, message.facility_id, message.facility_code, message.channel, message.kind, message.ma_lk,
        message.line, message.sender_version, message.outcome, message.error_code, message.detail, message.field,
        message.difference, message.retry_of, retry.id AS retried_by, message.received_at
    FROM integration_message AS message
    LEFT JOIN integration_message AS retry ON retry.organization_id = $1 AND retry.retry_of = message.id
        AND retry.outcome <> 'rejected'
    WHERE message.organization_id = $1 AND message.id = $2
"""

_READ_DOCUMENT = """
    SELECT document FROM integration_document WHERE organization_id = $1 AND message_id = $2
"""


async def read_message(tx: Transaction, message_id: MessageId) -> tuple[InboxMessage, str | None] | None:
    """A message and its text (None once erased); None where there is none."""
    row = await tx.fetchrow(_READ_MESSAGE, tx.organization_id, message_id)
    if row is None:
        return None
    document: str | None = await tx.fetchval(_READ_DOCUMENT, tx.organization_id, message_id)
    return read_row(InboxMessage, row), document


@dataclass(frozen=True, slots=True)
class ProcessedRow:
    """A row of a dropped file that was processed, with its refusal; an empty `error_code` is none."""

    source: str
    error_code: str
    field: str
    detail: str


_READ_SOURCES = """
    SELECT source, error_code, field, detail FROM integration_message
    WHERE organization_id = $1 AND source >= $2 AND source < $3 ORDER BY source
"""


async def read_sources(tx: Transaction, file: str) -> list[ProcessedRow]:
    """The rows of a dropped file that were processed; their sources begin with the id of the file and a colon."""
    rows = await tx.fetch(_READ_SOURCES, tx.organization_id, f"{file}:", f"{file};")
    return [read_row(ProcessedRow, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDay:
    """The messages of one sender on a day: of a facility by a channel."""

    facility_code: str
    channel: Channel
    count: int
    rejected: int
    last_at: datetime


_SENDERS = """
    SELECT message.facility_code, message.channel, count(*) AS count,
        count(*) FILTER (WHERE message.outcome = 'rejected' AND NOT EXISTS (
            SELECT FROM integration_message AS retry WHERE retry.organization_id = $1 AND retry.retry_of = message.id
                AND retry.outcome <> 'rejected')) AS rejected,
        max(message.received_at) AS last_at
    FROM integration_message AS message
    WHERE message.organization_id = $1 AND message.id >= $2 AND message.id < $3
    GROUP BY message.facility_code, message.channel ORDER BY message.facility_code, message.channel
"""


async def read_senders(tx: Transaction, first: UUID, before: UUID) -> list[SenderDay]:
    """The senders of the messages whose ids are in a range; `rejected` are those that nothing repeated with success."""
    return [read_row(SenderDay, row) for row in await tx.fetch(_SENDERS, tx.organization_id, first, before)]
