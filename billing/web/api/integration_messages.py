"""The integration inbox: every message of other systems with its outcome, and the retry of a rejected one.

GET  /v1/integration-messages              ?outcome, ?ma_lk, ?facility, ?from, ?to
GET  /v1/integration-messages/{id}
POST /v1/integration-messages/{id}/retry
"""

from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.visit_accounts.domain.message import Channel, MessageId, MessageKind, MessageOutcome
from billing.visit_accounts.service.inbox import InboxMessage, find_message, find_retry, list_inbox
from billing.visit_accounts.service.visit_messages import put_charges, put_visit
from billing.web.account_documents import AccountDocument, account_document, exact_texts
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_page
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, PageDocument


@with_config(EXACTLY)
class MessageSummary(TypedDict):
    """A message with its outcome. `retried_by` is the message that repeated it with success."""

    id: str
    facility: str
    channel: Channel
    kind: MessageKind
    ma_lk: str
    line: str
    sender_version: int | None
    outcome: MessageOutcome
    error_code: str
    detail: str
    field: str
    retry_of: str | None
    retried_by: str | None
    received_at: str


@with_config(EXACTLY)
class MessageDocument(MessageSummary):
    """A message with what it changed, or the lines that were refused, and its text; null once erased.

    Personal values of a header are named without their values.
    """

    difference: list[dict[str, Any]]
    document: str | None


@operation(
    Operation(
        tag="integration",
        responses={HTTPStatus.OK: PageDocument[MessageSummary]},
        filters={
            "outcome": one_of("what became of the message", MessageOutcome),
            "ma_lk": "the facility's MA_LK",
            "facility": "MA_CSKCB of the facility",
            **DAY_FILTERS,
        },
    )
)
async def get_integration_messages(request: web.Request) -> web.Response:
    """List the messages of other systems, the newest first."""
    page = read_page(request, filters=("outcome", "ma_lk", "facility", *DAY_FILTERS))
    rows = await list_inbox(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        outcome=read_choice(page, "outcome", MessageOutcome),
        ma_lk=page.filters.get("ma_lk"),
        facility_code=page.filters.get("facility"),
    )
    return json_response(page_document(rows, page, _summary))


@operation(Operation(tag="integration", responses={HTTPStatus.OK: MessageDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_integration_message(request: web.Request) -> web.Response:
    """Read one message: what it changed or why it was rejected, and its text."""
    message_id = MessageId(read_id(request.match_info["id"], field="message_id"))
    found, text = await find_message(app_state(request).context, request[CALLER].organization_id, message_id)
    difference = [exact_texts(each) for each in found.difference]
    return json_response({**_summary(found), "difference": difference, "document": text})


@operation(
    Operation(
        tag="integration",
        responses={HTTPStatus.OK: AccountDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_message_retry(request: web.Request) -> web.Response:
    """Process a rejected message again. It is accepted once; the answer is that of the message itself."""
    caller, context = request[CALLER], app_state(request).context
    message_id = MessageId(read_id(request.match_info["id"], field="message_id"))
    message = await find_retry(context, caller.organization_id, message_id)
    process = put_visit if message.kind is MessageKind.VISIT else put_charges
    changed = await process(context, caller.organization_id, message, actor=caller.actor)
    return json_response(account_document(changed.account, changed.deposit))


def _summary(row: InboxMessage) -> MessageSummary:
    return {
        "id": str(row.id),
        "facility": row.facility_code,
        "channel": row.channel,
        "kind": row.kind,
        "ma_lk": row.ma_lk,
        "line": row.line,
        "sender_version": row.sender_version,
        "outcome": row.outcome,
        "error_code": row.error_code,
        "detail": row.detail,
        "field": row.field,
        "retry_of": None if row.retry_of is None else str(row.retry_of),
        "retried_by": None if row.retried_by is None else str(row.retried_by),
        "received_at": row.received_at.isoformat(),
    }
