"""Bank traces and their notes. Notes are only added. Source: docs/reconciliation.md, Bank traces."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import PersonId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.bank_trace import BankTrace, NewTraceNote, TraceState

_ADD_TRACE = """
    INSERT INTO bank_trace (organization_id, id, exception_id, state, version, amount, owner_id, due_on, opened_by,
        opened_at)
    VALUES ($1, $2, $3, 'open', 1, $4, $5, $6, $7, $8)
    ON CONFLICT (organization_id, exception_id) WHERE state IN ('open', 'evidence_requested') DO NOTHING
"""


async def add_trace(tx: Transaction, trace: BankTrace, *, by: PersonId) -> bool:
    """Open a trace of a locked exception; False where one is open."""
    added = await tx.execute(
        _ADD_TRACE,
        tx.organization_id,
        trace.id,
        trace.exception_id,
        trace.amount,
        trace.owner_id,
        trace.due_on,
        by,
        trace.opened_at,
    )
    return added == "INSERT 0 1"


_LOCK_TRACE = """
    SELECT id FROM bank_trace WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""

_FIND_TRACES = """
    SELECT trace.id, trace.exception_id, trace.state, trace.version, trace.amount, trace.owner_id, owner.name AS owner,
        trace.due_on, trace.opened_at, trace.ended_at, trace.ended_by, ender.name AS ender
    FROM bank_trace AS trace
    JOIN person AS owner ON owner.organization_id = $1 AND owner.id = trace.owner_id
    LEFT JOIN person AS ender ON ender.organization_id = $1 AND ender.id = trace.ended_by
    WHERE trace.organization_id = $1 AND ($2::uuid IS NULL OR trace.id < $2) AND ($3::uuid IS NULL OR trace.id >= $3)
        AND ($5::uuid IS NULL OR trace.id = $5) AND ($6::text IS NULL OR trace.state = $6)
        AND ($7::uuid IS NULL OR trace.owner_id = $7) AND ($8::uuid IS NULL OR trace.exception_id = $8)
    ORDER BY trace.id DESC LIMIT $4
"""


async def read_traces(
    tx: Transaction,
    part: ListSlice,
    *,
    trace_id: UUID | None = None,
    state: TraceState | None = None,
    owner_id: UUID | None = None,
    exception_id: UUID | None = None,
) -> list[BankTrace]:
    """Traces of a slice of the list, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _FIND_TRACES,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        trace_id,
        None if state is None else state.value,
        owner_id,
        exception_id,
    )
    return [read_row(BankTrace, row) for row in rows]


async def find_trace(tx: Transaction, trace_id: UUID) -> BankTrace | None:
    """One trace, not locked."""
    return next(iter(await read_traces(tx, ListSlice(limit=1), trace_id=trace_id)), None)


async def lock_trace(tx: Transaction, trace_id: UUID) -> BankTrace | None:
    """Lock a trace until the transaction ends, then read it; None if there is none."""
    await tx.fetch(_LOCK_TRACE, tx.organization_id, trace_id)
    return await find_trace(tx, trace_id)


_UPDATE_TRACE = """
    UPDATE bank_trace SET state = $3, version = $4, owner_id = $5, due_on = $6, ended_by = $7, ended_at = $8
    WHERE organization_id = $1 AND id = $2
"""


async def update_trace(tx: Transaction, trace: BankTrace) -> None:
    """Write a locked trace in its new state."""
    await tx.execute(
        _UPDATE_TRACE,
        tx.organization_id,
        trace.id,
        trace.state.value,
        trace.version,
        trace.owner_id,
        trace.due_on,
        trace.ended_by,
        trace.ended_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceNote:
    """A note; `step` is the state that the trace got with it. `person` is the name of its writer."""

    id: UUID
    step: TraceState | None
    text: str
    document: str
    person_id: PersonId
    person: str
    written_at: datetime


_ADD_NOTE = """
    INSERT INTO bank_trace_note (organization_id, id, trace_id, step, text, document, written_by, written_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def add_note(
    tx: Transaction,
    note_id: UUID,
    trace_id: UUID,
    note: NewTraceNote,
    *,
    by: PersonId,
    at: datetime,
) -> None:
    """Add a note to a trace that exists."""
    step = None if note.step is None else note.step.value
    values = (note_id, trace_id, step, note.text, note.document, by, at)
    await tx.execute(_ADD_NOTE, tx.organization_id, *values)


_READ_NOTES = """
    SELECT note.id, note.step, note.text, note.document, note.written_by AS person_id, person.name AS person,
        note.written_at
    FROM bank_trace_note AS note
    JOIN person ON person.organization_id = $1 AND person.id = note.written_by
    WHERE note.organization_id = $1 AND note.trace_id = $2
    ORDER BY note.written_at, note.id
"""


async def read_notes(tx: Transaction, trace_id: UUID) -> tuple[TraceNote, ...]:
    """The notes of a trace, the oldest first."""
    return tuple(read_row(TraceNote, row) for row in await tx.fetch(_READ_NOTES, tx.organization_id, trace_id))
