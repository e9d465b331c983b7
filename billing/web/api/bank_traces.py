"""Bank traces (tra soát): questions to a bank or provider where money is. A decision on an exception opens them.

GET  /v1/bank-traces                ?state, ?owner_id, ?exception_id, ?from, ?to
GET  /v1/bank-traces/{id}
POST /v1/bank-traces/{id}/notes     {"text", "document"?}
POST /v1/bank-traces/{id}/advance   {"state", "version", "text", "document"?, "due_on"?}
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from billing.core.ids import PersonId
from billing.reconciliation.domain.bank_trace import TraceState, read_note
from billing.reconciliation.service.bank_traces import (
    TraceStep,
    add_trace_note,
    advance_bank_trace,
    list_bank_traces,
    read_bank_trace,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_filter_uuid, read_page
from billing.web.request_bodies import Body, read_day, read_id, read_model
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text

_TAG = "exceptions"


class TraceDocument(Document):
    """A bank trace, in whole đồng, with owner and deadline. `version` is sent with a step."""

    id: Text
    exception_id: Text
    state: TraceState
    version: int
    amount: int
    owner_id: Text
    owner: str
    due_on: Text
    opened_at: Text
    ended_at: Text | None


class TraceNoteDocument(Document):
    """A note, with the name or number of a document; `step` is the state that the trace got with it."""

    id: Text
    step: TraceState | None
    text: str
    document: str
    person_id: Text
    person: str
    written_at: Text


class TraceDetailsDocument(TraceDocument):
    """A trace with its notes, the oldest first."""

    notes: list[TraceNoteDocument]


class TraceNoteBody(Body):
    """A note, with the name or number of a document where there is one."""

    text: str
    document: str = ""


class TraceStepBody(Body):
    """A step of a trace with its note; `due_on` is the new deadline."""

    state: Annotated[TraceState, Field(strict=False)]
    version: int
    text: str
    document: str = ""
    due_on: str | None = None


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[TraceDocument]},
        filters={
            "state": one_of("its state", TraceState),
            "owner_id": "is owned by this person",
            "exception_id": "is of this exception",
            **DAY_FILTERS,
        },
    )
)
async def get_bank_traces(request: web.Request) -> web.Response:
    """List bank traces, the newest first."""
    page = read_page(request, filters=("state", "owner_id", "exception_id", *DAY_FILTERS))
    rows = await list_bank_traces(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        state=read_choice(page, "state", TraceState),
        owner_id=read_filter_id(page, "owner_id", PersonId),
        exception_id=read_filter_uuid(page, "exception_id"),
    )
    return json_response(page_document(rows, page, _head))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: TraceDetailsDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_bank_trace(request: web.Request) -> web.Response:
    """Read one bank trace with its notes."""
    return await _details(request)


@operation(
    Operation(
        tag=_TAG,
        request=TraceNoteBody,
        responses={HTTPStatus.OK: TraceDetailsDocument},
        problems=(HTTPStatus.NOT_FOUND,),
    )
)
async def post_bank_trace_note(request: web.Request) -> web.Response:
    """Add a note or a document to a bank trace."""
    context, caller = app_state(request).context, request[CALLER]
    trace_id = read_id(request.match_info["id"], field="trace_id")
    body = await read_model(request, TraceNoteBody)
    written = read_note(body.text, body.document)
    await add_trace_note(context, caller.organization_id, trace_id, written, actor=caller.actor)
    return await _details(request)


@operation(
    Operation(
        tag=_TAG,
        request=TraceStepBody,
        responses={HTTPStatus.OK: TraceDetailsDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_bank_trace_step(request: web.Request) -> web.Response:
    """Take a bank trace one state further: evidence requested, won or lost."""
    context, caller = app_state(request).context, request[CALLER]
    trace_id = read_id(request.match_info["id"], field="trace_id")
    body = await read_model(request, TraceStepBody)
    step = TraceStep(
        state=body.state,
        version=body.version,
        text=body.text,
        document=body.document,
        due_on=None if body.due_on is None else read_day(body.due_on, field="due_on"),
    )
    await advance_bank_trace(context, caller.organization_id, trace_id, step, actor=caller.actor)
    return await _details(request)


def _head(trace: object) -> TraceDocument:
    return TraceDocument.model_validate(trace)


async def _details(request: web.Request) -> web.Response:
    context, caller = app_state(request).context, request[CALLER]
    trace_id = read_id(request.match_info["id"], field="trace_id")
    found = await read_bank_trace(context, caller.organization_id, trace_id)
    return json_response(
        TraceDetailsDocument(
            **_head(found.trace).model_dump(), notes=[TraceNoteDocument.model_validate(each) for each in found.notes]
        )
    )
