"""Erases comments on exceptions and notes of bank traces, which may name a patient. Source: docs/personal-data.md."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.db.database import Transaction

_ERASE_COMMENTS = """
    WITH old AS (
        SELECT comment.id FROM exception_comment AS comment
        JOIN exception_case AS one ON one.organization_id = $1 AND one.id = comment.exception_id
        WHERE comment.organization_id = $1 AND comment.written_at < $2 AND one.state = 'closed'
        ORDER BY comment.id LIMIT $3
    )
    DELETE FROM exception_comment AS comment USING old WHERE comment.organization_id = $1 AND comment.id = old.id
"""


async def erase_comments(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Erase comments written before a time on exceptions that are closed; returns how many rows went."""
    return int((await tx.execute(_ERASE_COMMENTS, tx.organization_id, before, at_most)).rpartition(" ")[2])


_ERASE_COMMENTS_OF = """
    DELETE FROM exception_comment AS comment USING exception_case AS one
    WHERE comment.organization_id = $1 AND one.organization_id = $1 AND one.id = comment.exception_id
        AND (one.payment_id = ANY ($2::uuid[]) OR one.intent_id = ANY ($3::uuid[]))
"""


async def erase_comments_of(tx: Transaction, payments: Sequence[UUID | str], intents: Sequence[UUID | str]) -> int:
    """Erase the comments on exceptions of payments and intents; returns how many rows went."""
    return int((await tx.execute(_ERASE_COMMENTS_OF, tx.organization_id, payments, intents)).rpartition(" ")[2])


_ERASE_NOTES = """
    WITH old AS (
        SELECT note.id FROM bank_trace_note AS note
        JOIN bank_trace AS trace ON trace.organization_id = $1 AND trace.id = note.trace_id
        WHERE note.organization_id = $1 AND note.written_at < $2 AND trace.ended_at < $2
        ORDER BY note.id LIMIT $3
    )
    DELETE FROM bank_trace_note AS note USING old WHERE note.organization_id = $1 AND note.id = old.id
"""


async def erase_trace_notes(tx: Transaction, *, before: datetime, at_most: int) -> int:
    """Erase notes written before a time of traces that ended before it; returns how many rows went."""
    return int((await tx.execute(_ERASE_NOTES, tx.organization_id, before, at_most)).rpartition(" ")[2])


_ERASE_NOTES_OF = """
    DELETE FROM bank_trace_note AS note USING bank_trace AS trace, exception_case AS one
    WHERE note.organization_id = $1 AND trace.organization_id = $1 AND trace.id = note.trace_id
        AND one.organization_id = $1 AND one.id = trace.exception_id
        AND (one.payment_id = ANY ($2::uuid[]) OR one.intent_id = ANY ($3::uuid[]))
"""


async def erase_trace_notes_of(tx: Transaction, payments: Sequence[UUID | str], intents: Sequence[UUID | str]) -> int:
    """Erase the notes of traces about payments and intents; returns how many rows went."""
    return int((await tx.execute(_ERASE_NOTES_OF, tx.organization_id, payments, intents)).rpartition(" ")[2])
