"""Bank traces (tra soát): listed, noted, and taken through their states. A decision opens them (`tracing.py`).

Source: docs/reconciliation.md, Bank traces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.core.list_slice import ListSlice
from billing.db.context import Context
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.ledger.service.audit import note
from billing.reconciliation.domain.bank_trace import BankTrace, NewTraceNote, TraceState, read_note
from billing.reconciliation.store.bank_traces import (
    TraceNote,
    add_note,
    find_trace,
    lock_trace,
    read_notes,
    read_traces,
    update_trace,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceDetails:
    """A trace with its notes, the oldest first."""

    trace: BankTrace
    notes: Sequence[TraceNote]


async def read_bank_trace(context: Context, organization_id: OrganizationId, trace_id: UUID) -> TraceDetails:
    """A trace with its notes. Raises NotFound."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        trace = await find_trace(tx, trace_id)
        if trace is None:
            raise _unknown()
        return TraceDetails(trace=trace, notes=await read_notes(tx, trace_id))


async def list_bank_traces(
    context: Context,
    organization_id: OrganizationId,
    part: ListSlice,
    *,
    state: TraceState | None = None,
    owner_id: UUID | None = None,
    exception_id: UUID | None = None,
) -> list[BankTrace]:
    """Traces, the newest first; None filters nothing."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_traces(tx, part, state=state, owner_id=owner_id, exception_id=exception_id)


async def add_trace_note(
    context: Context,
    organization_id: OrganizationId,
    trace_id: UUID,
    written: NewTraceNote,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> None:
    """Add a note or a document to a trace, also to an ended one. A repeated `request` adds none.

    Raises NotFound, PersonNeeded, or idempotency errors.
    """
    person = require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        if await find_previous_result(tx, request) is not None:
            return
        if await find_trace(tx, trace_id) is None:
            raise _unknown()
        note_id, now = context.ids.new(), context.clock()
        await add_note(tx, note_id, trace_id, written, by=person, at=now)
        await save_result(tx, request, [note_id], now=now)
        await note(tx, context, actor, "bank_trace_noted", ("bank_trace", trace_id))
    context.publish_change(organization_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStep:
    """A step of a trace with its note: the state that it gets, and the version that the person read."""

    state: TraceState
    version: int
    text: str
    document: str = ""
    due_on: date | None = None


async def advance_bank_trace(
    context: Context, organization_id: OrganizationId, trace_id: UUID, step: TraceStep, *, actor: Actor
) -> None:
    """Take a trace one state further. Raises NotFound, TraceChanged, InvalidValue, PersonNeeded."""
    person, written = require_person(actor), read_note(step.text, step.document, step=step.state)
    now = context.clock()
    if step.due_on is not None and step.due_on < business_date(now):
        raise InvalidValue("a trace is due today or later", field="due_on")
    async with context.database.transaction(organization_id) as tx:
        trace = await lock_trace(tx, trace_id)
        if trace is None:
            raise _unknown()
        after = trace.step(step.state, version=step.version, by=person, at=now, due_on=step.due_on)
        await update_trace(tx, after)
        await add_note(tx, context.ids.new(), trace_id, written, by=person, at=now)
        await note(tx, context, actor, f"bank_trace_{step.state}", ("bank_trace", trace_id))
    context.publish_change(organization_id)


def _unknown() -> NotFound:
    return NotFound("no such bank trace", field="trace_id")
