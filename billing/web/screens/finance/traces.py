"""Bank traces (tra soát): listed, read with their notes, noted, and taken further.

GET  /finance/traces               ?state
GET  /finance/traces/{id}
POST /finance/traces/{id}/notes
POST /finance/traces/{id}/advance

A decision on an exception opens a trace. Source: docs/reconciliation.md, Bank traces.
"""

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.reconciliation.domain.bank_trace import TRANSITIONS, TraceState, read_note
from billing.reconciliation.service.bank_traces import (
    TraceStep,
    add_trace_note,
    advance_bank_trace,
    list_bank_traces,
    read_bank_trace,
)
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.params import form_day, read_given, read_uuid, read_word, today
from billing.web.screens.forms import Form, idempotent_request, read_form
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

PATH = "/finance/traces"
_PAGE_SIZE = 50


async def get_traces(request: web.Request) -> web.Response:
    """The traces of a state, the newest first; without one those that are open or wait for evidence."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "state", "after")
    state = read_word(given, "state", TraceState) or TraceState.OPEN
    part = ListSlice(before=read_uuid(given, "after"), limit=_PAGE_SIZE + 1)
    found = await list_bank_traces(context, caller.organization_id, part, state=state)
    shown = found[:_PAGE_SIZE]
    return render(
        request,
        "finance/traces.html",
        traces=shown,
        state=state,
        states=tuple(TraceState),
        next_after=shown[-1].id if len(found) > _PAGE_SIZE else None,
        today=today(request),
    )


async def get_trace(request: web.Request) -> web.Response:
    """One trace with its notes and the steps that it may take."""
    caller = current(request).caller
    details = await read_bank_trace(
        app_state(request).context, caller.organization_id, read_id(request.match_info["id"], field="trace_id")
    )
    return render(
        request,
        "finance/trace.html",
        details=details,
        steps=[after for before, after in sorted(TRANSITIONS) if before is details.trace.state],
        may_decide=caller.has(Right.RECONCILE),
        today=today(request),
    )


async def post_trace_note(request: web.Request) -> web.Response:
    """Add a note to a trace."""
    form = await read_form(request)
    caller, trace_id = current(request).caller, read_id(request.match_info["id"], field="trace_id")
    await add_trace_note(
        app_state(request).context,
        caller.organization_id,
        trace_id,
        read_note(form.text("text"), form.text("document")),
        actor=caller.actor,
        request=idempotent_request(request, form),
    )
    return see_other(request, f"{PATH}/{trace_id}")


async def post_trace_step(request: web.Request) -> web.Response:
    """Take a trace one state further."""
    form = await read_form(request)
    caller, trace_id = current(request).caller, read_id(request.match_info["id"], field="trace_id")
    await advance_bank_trace(
        app_state(request).context, caller.organization_id, trace_id, _step(form), actor=caller.actor
    )
    return see_other(request, f"{PATH}/{trace_id}")


def _step(form: Form) -> TraceStep:
    try:
        state, version = TraceState(form.text("state")), int(form.text("version"))
    except ValueError as cause:
        raise InvalidValue("choose the next step", field="state") from cause
    return TraceStep(
        state=state,
        version=version,
        text=form.text("text"),
        document=form.text("document"),
        due_on=form_day(form, "due_on"),
    )
