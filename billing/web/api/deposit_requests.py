"""Deposit requests: what is to be collected for an open visit before its final bill (tạm thu, tạm ứng).

GET  /v1/visits/{id}/deposit-proposal
POST /v1/visits/{id}/deposit-requests   {"lines": [...]} or {"amount"?}, "supersedes"?
GET  /v1/deposit-requests               ?visit_id, ?state, ?from, ?to
GET  /v1/deposit-requests/{id}
POST /v1/deposit-requests/{id}/withdraw
"""

from http import HTTPStatus

from aiohttp import web
from pydantic import Field

from billing.core.ids import DepositRequestId, VisitId
from billing.core.money import dong
from billing.payments.domain.deposit import RequestKind, RequestState
from billing.visit_accounts.service.deposit_requests import (
    LINES_MAX,
    NewRequest,
    find_proposal,
    find_request,
    list_requests,
    request_deposit,
    withdraw_request,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text

_TAG = "deposits"


class NewDepositRequest(Body):
    """Ordered lines (the sender's line ids), or an advance in whole đồng; without both, the proposed amount.

    `supersedes` is an open request of the same kind that this one replaces.
    """

    lines: list[str] = Field(default=[], max_length=LINES_MAX)
    amount: int | None = None
    supersedes: str | None = None


class DepositProposalDocument(Document):
    """The advance proposed from the cost to date, in whole đồng.

    patient_share + threshold − borne_by_others − paid − held − requested, at least 0. `threshold` is 0 for outpatients.
    """

    cost_to_date: int
    patient_share: int
    held: int
    paid: int
    requested: int
    borne_by_others: int
    threshold: int
    amount: int


class RequestedLineDocument(Document):
    """A line with its patient amount when it was requested, in whole đồng."""

    line: str
    amount: int


class DepositRequestSummary(Document):
    """A deposit request, in whole đồng. `remaining` is what it still requests; a paid order line may be performed."""

    id: Text
    visit_id: Text
    ma_lk: str
    kind: RequestKind
    state: RequestState
    version: int
    amount: int
    proposed_amount: int
    received: int
    remaining: int
    requested_at: Text
    requested_by: Text | None
    superseded_by: Text | None


class DepositRequestDocument(DepositRequestSummary):
    """A deposit request with its order lines; an advance has none."""

    lines: list[RequestedLineDocument]


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: DepositProposalDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_deposit_proposal(request: web.Request) -> web.Response:
    """Propose the amount of an advance from the cost to date."""
    proposal = await find_proposal(app_state(request).context, request[CALLER].organization_id, _visit_id(request))
    return json_response(DepositProposalDocument.model_validate(proposal))


@operation(
    Operation(
        tag=_TAG,
        request=NewDepositRequest,
        responses={HTTPStatus.CREATED: DepositRequestDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_deposit_request(request: web.Request) -> web.Response:
    """Request a deposit for ordered lines, or an advance."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewDepositRequest)
    new = NewRequest(
        visit_id=_visit_id(request),
        lines=tuple(body.lines),
        amount=None if body.amount is None else dong(body.amount),
        supersedes=None if body.supersedes is None else DepositRequestId(read_id(body.supersedes, field="supersedes")),
    )
    request_id = await request_deposit(
        context, caller.organization_id, new, actor=caller.actor, request=idempotent_request
    )
    found = await find_request(context, caller.organization_id, request_id)
    return created_response(
        DepositRequestDocument.model_validate(found), idempotent_request, location=f"/v1/deposit-requests/{request_id}"
    )


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[DepositRequestSummary]},
        filters={
            "visit_id": "is of this visit",
            "state": one_of("its state", RequestState),
            **DAY_FILTERS,
        },
    )
)
async def get_deposit_requests(request: web.Request) -> web.Response:
    """List deposit requests, the newest first, without their lines."""
    page = read_page(request, filters=("visit_id", "state", *DAY_FILTERS))
    rows = await list_requests(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        visit_id=read_filter_id(page, "visit_id", VisitId),
        state=read_choice(page, "state", RequestState),
    )
    return json_response(page_document(rows, page, DepositRequestSummary.model_validate))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: DepositRequestDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_deposit_request(request: web.Request) -> web.Response:
    """Read one deposit request."""
    return await _answer(request, _request_id(request))


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: DepositRequestDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_deposit_request_withdrawal(request: web.Request) -> web.Response:
    """Withdraw a request that is not paid. Money received for it stays in the deposit."""
    caller = request[CALLER]
    request_id = _request_id(request)
    await withdraw_request(app_state(request).context, caller.organization_id, request_id, actor=caller.actor)
    return await _answer(request, request_id)


async def _answer(request: web.Request, request_id: DepositRequestId) -> web.Response:
    found = await find_request(app_state(request).context, request[CALLER].organization_id, request_id)
    return json_response(DepositRequestDocument.model_validate(found))


def _request_id(request: web.Request) -> DepositRequestId:
    return DepositRequestId(read_id(request.match_info["id"], field="deposit_request_id"))


def _visit_id(request: web.Request) -> VisitId:
    return VisitId(read_id(request.match_info["id"], field="visit_id"))
