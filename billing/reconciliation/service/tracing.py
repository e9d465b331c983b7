"""Open the bank trace of an exception: an action of a decision. A step; `bank_traces.py` takes it further.

Source: docs/reconciliation.md, Bank traces.
"""

from datetime import timedelta

from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.ledger.service.audit import note
from billing.reconciliation.domain.bank_trace import BankTrace, NewTraceNote, TraceOpen, TraceState
from billing.reconciliation.service.deciding import Deciding, Effect
from billing.reconciliation.store.bank_traces import add_note, add_trace

TRACE_DUE = timedelta(days=7)
"""When a trace is due that states no day: banks answer within 7 days (our rule)."""


async def open_trace(deciding: Deciding) -> Effect:
    """Open a bank trace; the exception stays open until a person decides it. Raises TraceOpen, ExceptionChanged."""
    tx, context, person = deciding.tx, deciding.context, require_person(deciding.actor)
    today = business_date(context.clock())
    due_on = deciding.new.due_on or today + TRACE_DUE
    if due_on < today:
        raise InvalidValue("a trace is due today or later", field="due_on")
    await deciding.lock()
    trace = BankTrace(
        id=context.ids.new(),
        exception_id=deciding.case.id,
        state=TraceState.OPEN,
        version=1,
        amount=deciding.case.amount,
        owner_id=deciding.case.owner_id or person,
        due_on=due_on,
        opened_at=context.clock(),
    )
    if not await add_trace(tx, trace, by=person):
        raise TraceOpen("a bank trace of this exception is open", field="action")
    first = NewTraceNote(text=deciding.new.reason, step=TraceState.OPEN)
    await add_note(tx, context.ids.new(), trace.id, first, by=person, at=context.clock())
    await note(tx, context, deciding.actor, "bank_trace_opened", ("bank_trace", trace.id))
    return Effect(is_closing=False)
