"""Debts (nợ viện phí): a visit closes with money owed, by agreement with a person who is liable.

POST /v1/visits/{id}/debts       {"due_on", "reason", "guarantor": {"name", …}}
GET  /v1/debts                   ?visit_id, ?state, ?from, ?to
GET  /v1/debts/{id}
POST /v1/debts/{id}/withdraw
POST /v1/debts/{id}/write-off    {"reason"}: another person decides, /v1/approvals
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.ids import VisitId
from billing.ops.approval_kinds import find_proposal
from billing.visit_accounts.domain.guarantee import DebtState
from billing.visit_accounts.service.debts import (
    NewDebt,
    agree_debt,
    list_all_debts,
    propose_write_off,
    read_debt,
    withdraw_debt,
)
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_day, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text

_TAG = "final-bills"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class Guarantor(Body):
    """The person who is liable for a debt."""

    name: str
    relation: str = ""
    citizen_number: str = ""
    phone: str = ""
    address: str = ""


class NewDebtBody(Body):
    """Until when the debt is paid, why, and who is liable."""

    due_on: str
    reason: str
    guarantor: Guarantor


class WriteOff(Body):
    """Why a debt is not collected any more."""

    reason: str


class DebtDocument(Document):
    """A debt, in whole đồng. `owed` is what the invoices of the visit owe now; `guarantor` is empty once erased."""

    id: Text
    visit_id: Text
    ma_lk: str
    due_on: Text
    reason: str
    state: DebtState
    owed: int
    written_off: int
    guarantor: dict[str, str]
    created_at: Text


@operation(
    Operation(
        tag=_TAG,
        request=NewDebtBody,
        responses={HTTPStatus.CREATED: DebtDocument},
        problems=_REFUSED,
        is_creating=True,
    )
)
async def post_debt(request: web.Request) -> web.Response:
    """Agree that an open visit may close with money owed."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewDebtBody)
    new = NewDebt(
        due_on=read_day(body.due_on, field="due_on"), reason=body.reason, guarantor=body.guarantor.model_dump()
    )
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    debt_id = await agree_debt(
        context, caller.organization_id, visit_id, new, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        DebtDocument.model_validate(await read_debt(context, caller.organization_id, debt_id)),
        idempotent_request,
        location=f"/v1/debts/{debt_id}",
    )


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[DebtDocument]},
        filters={"visit_id": "is of this visit", "state": one_of("its state", DebtState), **DAY_FILTERS},
    )
)
async def get_debts(request: web.Request) -> web.Response:
    """List debts with what is still owed, the newest first."""
    page = read_page(request, filters=("visit_id", "state", *DAY_FILTERS))
    rows = await list_all_debts(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        state=read_choice(page, "state", DebtState),
        visit_id=read_filter_id(page, "visit_id", VisitId),
    )
    return json_response(page_document(rows, page, DebtDocument.model_validate))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: DebtDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_debt(request: web.Request) -> web.Response:
    """Read one debt."""
    debt_id = read_id(request.match_info["id"], field="debt_id")
    row = await read_debt(app_state(request).context, request[CALLER].organization_id, debt_id)
    return json_response(DebtDocument.model_validate(row))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: DebtDocument}, problems=_REFUSED))
async def post_debt_withdrawal(request: web.Request) -> web.Response:
    """Withdraw a debt that its visit does not need."""
    context, caller = app_state(request).context, request[CALLER]
    debt_id = read_id(request.match_info["id"], field="debt_id")
    await withdraw_debt(context, caller.organization_id, debt_id, actor=caller.actor)
    return json_response(DebtDocument.model_validate(await read_debt(context, caller.organization_id, debt_id)))


@operation(Operation(tag=_TAG, request=WriteOff, responses={HTTPStatus.OK: ApprovalDocument}, problems=_REFUSED))
async def post_write_off(request: web.Request) -> web.Response:
    """Propose to write off what is still owed; it is written off when another person approves it."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, WriteOff)
    approval_id = await propose_write_off(
        context,
        caller.organization_id,
        read_id(request.match_info["id"], field="debt_id"),
        reason=body.reason,
        actor=caller.actor,
    )
    return json_response(approval_document(await find_proposal(context, caller.organization_id, approval_id)))
