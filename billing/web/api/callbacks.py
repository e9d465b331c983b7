"""Callbacks as they were answered: read one, list the dead letters that wait, retry or close one of these.

GET  /v1/callbacks                      dead letters, the oldest first: ?state (waiting, retried, closed), ?from, ?to
GET  /v1/callbacks/{id}
POST /v1/callbacks/{id}/retry
POST /v1/callbacks/{id}/close           {"reason"}: one person proposes that it is never booked; another approves
"""

from http import HTTPStatus
from typing import Annotated, cast
from uuid import UUID

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.core.ids import DeliveryId
from billing.core.reasons import REASON_LENGTH_MAX
from billing.payments.service.retry_dead_letters import (
    DeadLetter,
    DeadLetterState,
    DeliveryAnswered,
    find_delivery,
    list_dead_letters,
    propose_close,
    retry_dead_letter,
)
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import DecisionDocument, decision_document
from billing.web.operation import Operation, Parameter, one_of, operation
from billing.web.pagination import DAY_FILTERS, read_choice, read_page, write_cursor
from billing.web.request_bodies import Body, read_id, read_model
from billing.web.responses import isoformat, json_response
from billing.web.schemas import EXACTLY, PageDocument, enum_schema
from providers.contract import Verdict

_ANSWERED = "answered"


@with_config(EXACTLY)
class CallbackDocument(TypedDict):
    """A verified delivery. `state` is `answered`, or that of a dead letter: `waiting`, `retried` or `closed`.

    `verdict` and `receipt_id` are the provider's answer once it was written; `fault` is the error that prevented that.
    `verified_by` states how the message was verified. A person who wants it closed proposes it with `close_reason`;
    another person closes it. Persons are given by their ids.
    """

    id: str
    account: str
    received_at: str
    state: Annotated[str, enum_schema((*DeadLetterState, _ANSWERED))]
    verdict: Annotated[str, enum_schema(Verdict)] | None
    receipt_id: str | None
    notices: int | None
    fault: str | None
    verified_at: str | None
    verified_by: str | None
    retried_at: str | None
    retried_as: str | None
    close_reason: str | None
    closed_at: str | None
    approval: DecisionDocument | None


@with_config(EXACTLY)
class RetryDocument(TypedDict):
    """The answer of a dead letter that was retried."""

    verdict: Annotated[str, enum_schema(Verdict)]
    receipt_id: str


class NewClosing(Body):
    """Why a dead letter is never booked."""

    reason: str = Field(min_length=3, max_length=REASON_LENGTH_MAX)


@operation(
    Operation(
        tag="callbacks",
        responses={HTTPStatus.OK: PageDocument[CallbackDocument]},
        filters={
            "state": one_of("`waiting` is the default", DeadLetterState),
            "from": Parameter("first day of arrival, as in Vietnam", format="date"),
            "to": Parameter("last day of arrival, as in Vietnam", format="date"),
        },
    )
)
async def get_callbacks(request: web.Request) -> web.Response:
    """List dead letters, the oldest first: those that wait to be retried or closed, unless a state is given."""
    page = read_page(request, filters=("state", *DAY_FILTERS))
    after = None if page.after is None else DeliveryId(page.after)
    context, organization_id = app_state(request).context, request[CALLER].organization_id
    rows = await list_dead_letters(
        context,
        organization_id,
        after=after,
        limit=page.limit,
        state=read_choice(page, "state", DeadLetterState) or DeadLetterState.WAITING,
        arrived_on=(page.first_day, page.last_day),
    )
    # The longest page may be the last: an empty one follows then.
    return json_response(
        {
            "items": [_letter(row) for row in rows],
            "next_cursor": write_cursor(rows[-1].id) if len(rows) == page.limit else None,
        }
    )


@operation(Operation(tag="callbacks", responses={HTTPStatus.OK: CallbackDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_callback(request: web.Request) -> web.Response:
    """Read one callback as it was answered, or as it waits."""
    return await _read(request, _id(request))


@operation(
    Operation(
        tag="callbacks",
        responses={HTTPStatus.OK: RetryDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_retry(request: web.Request) -> web.Response:
    """Apply a dead letter, now that its cause is removed."""
    caller = request[CALLER]
    delivery_id = _id(request)
    answer = await retry_dead_letter(
        app_state(request).context, caller.organization_id, delivery_id, actor=caller.actor
    )
    return json_response({"verdict": answer.verdict.value, "receipt_id": str(answer.receipt_id)})


@operation(
    Operation(
        tag="callbacks",
        request=NewClosing,
        responses={HTTPStatus.OK: CallbackDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_close(request: web.Request) -> web.Response:
    """Propose that a dead letter is never booked; another person decides."""
    caller, delivery_id = request[CALLER], _id(request)
    body = await read_model(request, NewClosing)
    await propose_close(
        app_state(request).context, caller.organization_id, delivery_id, reason=body.reason, actor=caller.actor
    )
    return await _read(request, delivery_id)


async def _read(request: web.Request, delivery_id: DeliveryId) -> web.Response:
    found = await find_delivery(app_state(request).context, request[CALLER].organization_id, delivery_id)
    return json_response(_letter(found) if isinstance(found, DeadLetter) else _answered(found))


def _id(request: web.Request) -> DeliveryId:
    return DeliveryId(read_id(request.match_info["id"], field="delivery_id"))


_NO_DEAD_LETTER: dict[str, None] = dict.fromkeys(
    (
        *("fault", "verified_at", "verified_by", "retried_at", "retried_as"),
        *("close_reason", "closed_at", "approval"),
    )
)


def _answered(row: DeliveryAnswered) -> CallbackDocument:
    answered: dict[str, object] = {
        "id": str(row.id),
        "account": row.account_name,
        "received_at": row.received_at.isoformat(),
        "state": _ANSWERED,
        "verdict": row.verdict,
        "receipt_id": str(row.receipt_id),
        "notices": row.notices,
    }
    return cast(CallbackDocument, answered | _NO_DEAD_LETTER)


def _letter(row: DeadLetter) -> CallbackDocument:
    return {
        "id": str(row.id),
        "account": row.account_name,
        "received_at": row.received_at.isoformat(),
        "state": row.state,
        "verdict": None,
        "receipt_id": None,
        "notices": None,
        "fault": row.fault,
        "verified_at": isoformat(row.verified_at),
        "verified_by": row.verified_by,
        "retried_at": isoformat(row.retried_at),
        "retried_as": _id_text(row.retried_as),
        "close_reason": None if row.closing is None else str(row.closing.payload["reason"]),
        "closed_at": isoformat(row.closed_at),
        "approval": None if row.closing is None else decision_document(row.closing),
    }


def _id_text(identity: UUID | None) -> str | None:
    return None if identity is None else str(identity)
