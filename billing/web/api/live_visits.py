"""Visits while they are open: headers and charges from other systems, and the account that they make.

PUT  /v1/facilities/{facility_code}/visits/{ma_lk}
PUT  /v1/facilities/{facility_code}/visits/{ma_lk}/charges/{line}
POST /v1/facilities/{facility_code}/visits/{ma_lk}/charges                  a batch: all of it or nothing
POST /v1/facilities/{facility_code}/visits/{ma_lk}/charges/{line}/cancel    the decision of a person
GET  /v1/visits/{id}/account

A repeated version with equal content changes nothing, so none of these needs an idempotency key.
"""

from http import HTTPStatus

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.core.ids import VisitId
from billing.visit_accounts.domain.message import Channel, Message, MessageKind, MessageOutcome
from billing.visit_accounts.formats.header_json import require_text
from billing.visit_accounts.formats.message_schema import CHARGE_SCHEMA, CHARGES_SCHEMA, HEADER_SCHEMA
from billing.visit_accounts.service.account_views import find_account_view
from billing.visit_accounts.service.visit_messages import ChangedAccount, cancel_charge, put_charges, put_visit
from billing.web.account_documents import (
    AccountDocument,
    ChargeDocument,
    RequestSummary,
    account_document,
    charge_document,
    request_summary,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, Parameter, operation
from billing.web.request_bodies import JSON, Body, BodyUnreadable, read_body, read_id, read_model, require_media_type
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY

_PATH = {
    "facility_code": Parameter("MA_CSKCB of the facility"),
    "ma_lk": Parameter("the visit's code at its facility (MA_LK)"),
    "line": Parameter("the sender's stable id of the line; not its STT"),
}
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


class CancelBody(Body):
    """The reason of a person to cancel an order."""

    reason: str = Field(min_length=3, max_length=1000)


@with_config(EXACTLY)
class ChangedChargesDocument(TypedDict):
    """The account after a message, and the charges that it changed; none where it repeats what is known."""

    account: AccountDocument
    is_unchanged: bool
    charges: list[ChargeDocument]


@with_config(EXACTLY)
class AccountViewDocument(TypedDict):
    """The account of a visit with its charges in the order of their numbers, and the open deposit requests.

    `refunds_waiting`, in đồng, is reserved for refunds and still owed to the patient.
    """

    account: AccountDocument
    charges: list[ChargeDocument]
    requests: list[RequestSummary]
    refunds_waiting: int


@operation(
    Operation(
        tag="visits",
        request=HEADER_SCHEMA,
        responses={HTTPStatus.CREATED: AccountDocument, HTTPStatus.OK: AccountDocument},
        problems=_REFUSED,
        path=_PATH,
    )
)
async def put_live_visit(request: web.Request) -> web.Response:
    """Open the account of a visit (201), or update its header (200). A repeated version changes nothing."""
    message = await _message(request, MessageKind.VISIT)
    caller = request[CALLER]
    changed = await put_visit(app_state(request).context, caller.organization_id, message, actor=caller.actor)
    return json_response(
        account_document(changed.account, changed.deposit),
        status=HTTPStatus.CREATED if changed.is_new else HTTPStatus.OK,
        location=f"/v1/visits/{changed.account.visit_id}" if changed.is_new else None,
    )


@operation(
    Operation(
        tag="visits",
        request=CHARGE_SCHEMA,
        responses={HTTPStatus.OK: ChangedChargesDocument},
        problems=_REFUSED,
        path=_PATH,
    )
)
async def put_charge(request: web.Request) -> web.Response:
    """Add or update one charge of an open visit. The visit is priced at once."""
    return await _put_charges(request, MessageKind.CHARGE)


@operation(
    Operation(
        tag="visits",
        request=CHARGES_SCHEMA,
        responses={HTTPStatus.OK: ChangedChargesDocument},
        problems=_REFUSED,
        path=_PATH,
    )
)
async def post_charges(request: web.Request) -> web.Response:
    """Add or update up to 1000 charges of an open visit: all of them, or none, with the failing lines named."""
    return await _put_charges(request, MessageKind.CHARGES)


async def _put_charges(request: web.Request, kind: MessageKind) -> web.Response:
    message = await _message(request, kind)
    caller = request[CALLER]
    changed = await put_charges(app_state(request).context, caller.organization_id, message, actor=caller.actor)
    return json_response(_changed(changed))


@operation(
    Operation(
        tag="visits",
        request=CancelBody,
        responses={HTTPStatus.OK: ChangedChargesDocument},
        problems=_REFUSED,
        path=_PATH,
    )
)
async def post_charge_cancellation(request: web.Request) -> web.Response:
    """Cancel an order by the decision of a person, also one that was started or performed."""
    body = await read_model(request, CancelBody)
    message = _addressed(request, MessageKind.CHARGE, b"")
    caller = request[CALLER]
    changed = await cancel_charge(
        app_state(request).context, caller.organization_id, message, reason=body.reason, actor=caller.actor
    )
    return json_response(_changed(changed))


@operation(Operation(tag="visits", responses={HTTPStatus.OK: AccountViewDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_account(request: web.Request) -> web.Response:
    """Read the account of a visit: shares, charges with states and amounts, deposit, open requests."""
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    view = await find_account_view(app_state(request).context, request[CALLER].organization_id, visit_id)
    return json_response(
        {
            "account": account_document(view.account, view.deposit),
            "charges": [charge_document(charge) for charge in view.charges],
            "requests": [request_summary(each) for each in view.requests],
            "refunds_waiting": view.refunds_waiting,
        }
    )


async def _message(request: web.Request, kind: MessageKind) -> Message:
    """The message of a request. Raises the errors of `read_body`, MediaTypeNotSupported, InvalidValue."""
    require_media_type(request, JSON)
    content = await read_body(request, size_max=app_state(request).limits.visit_size_max)
    return _addressed(request, kind, content)


def _addressed(request: web.Request, kind: MessageKind, content: bytes) -> Message:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise BodyUnreadable(f"byte {cause.start} is not UTF-8") from cause
    parts = {name: require_text(request.match_info.get(name, "-"), field=name) for name in _PATH}
    return Message(
        channel=Channel.HTTP,
        kind=kind,
        facility_code=parts["facility_code"],
        ma_lk=parts["ma_lk"],
        document=text,
        received_at=app_state(request).context.clock(),
        line=parts["line"] if kind is MessageKind.CHARGE else "",
    )


def _changed(changed: ChangedAccount) -> ChangedChargesDocument:
    return {
        "account": account_document(changed.account, changed.deposit),
        "is_unchanged": changed.outcome is MessageOutcome.UNCHANGED,
        "charges": [charge_document(changed.content.charges[line]) for line in sorted(changed.lines)],
    }
