"""The final bill of a visit: what it collects or returns, closing, reopening, line refunds.

GET  /v1/visits/{id}/final-bill
POST /v1/visits/{id}/final-bill
POST /v1/visits/{id}/reopen                   {"reason"}
POST /v1/visits/{id}/charges/{line}/refund    {"reason", "room_confirmation", "is_released"?}
GET  /v1/closed-visits-with-money
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator

from billing.core.ids import OrganizationId, VisitId
from billing.invoices.domain.correction import CorrectionKind
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.service.final_bills import (
    VisitBill,
    close_visit,
    find_final_bill,
    list_closed_with_money,
    reopen_visit,
)
from billing.visit_accounts.service.line_refunds import NewLineRefund, find_line_refund, refund_line
from billing.web.api.guarantees import ExemptionDocument, GuaranteeDocument
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, Parameter, operation
from billing.web.pagination import page_document, read_page
from billing.web.price_documents import shares_document
from billing.web.request_bodies import Body, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, SharesDocument, Text

_TAG = "final-bills"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class NoFields(Body):
    """Nothing is stated."""


class Reopening(Body):
    """Why a closed visit is opened again."""

    reason: str


class NewLineRefundBody(Body):
    """Why a line is refunded, and who of the room confirms that it was not performed.

    With `is_released` the freed money becomes credit, from which it is refunded; otherwise it stays in the deposit.
    """

    reason: str
    room_confirmation: str
    is_released: bool = True


class FinalBillDocument(Document):
    """One final bill, in whole đồng. patient share = guaranteed + exempted + written off + paid + owed."""

    id: Text
    number: int
    invoice_id: Text | None
    shares: Annotated[SharesDocument, BeforeValidator(shares_document)]
    guaranteed: int
    exempted: int
    written_off: int
    paid: int
    owed: int
    released: int
    recorded_at: Text
    closed_by: Text | None
    reopened_at: Text | None
    reopening_reason: str


class CorrectedLineDocument(Document):
    """The signed change of a line, amounts as text with two decimals."""

    table: str
    stt: int
    code: str
    name: str
    quantity: Text
    hospital_amount: Text
    self_pay: Text
    copay: Text
    fund: Text
    other_funds: Text


class CorrectionDocument(Document):
    """A signed change of an invoice for each payer, in whole đồng; a negative `patient` is a credit note."""

    id: Text
    invoice_id: Text
    number: str
    kind: CorrectionKind
    source_id: Text | None
    patient: int
    other: int
    insurer: int
    private: int
    recorded_at: Text
    lines: list[CorrectedLineDocument]


class VisitBillDocument(Document):
    """The bill of a visit as of now, in whole đồng.

    patient share − guaranteed − exempted − written off − paid − deposit − credit = to collect, or to return.
    """

    visit_id: Text
    ma_lk: str
    state: AccountState
    is_provisional: bool
    price_error: str
    shares: Annotated[SharesDocument, BeforeValidator(shares_document)]
    guaranteed: int
    exempted: int
    written_off: int
    paid: int
    deposit: int
    credit: int
    to_collect: int
    to_return: int
    guarantees: list[GuaranteeDocument]
    exemptions: list[ExemptionDocument]
    corrections: list[CorrectionDocument]
    final_bills: list[FinalBillDocument]


class LineRefundDocument(Document):
    """A refunded line, in whole đồng: `freed` of the patient share, `released` of it to credit."""

    id: Text
    visit_id: Text
    line: str
    reason: str
    room_confirmation: str
    freed: int
    released: int
    recorded_at: Text


class ClosedVisitWithMoneyDocument(Document):
    """A closed visit with money in its deposit, credit, an amount owed, or open deposit requests."""

    visit_id: Text
    ma_lk: str
    ended_at: Text
    deposit: int
    credit: int
    owed: int
    requests: int
    debt_id: Text | None


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: VisitBillDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_final_bill(request: web.Request) -> web.Response:
    """Read what the final bill of a visit would collect or return, or what a closed visit owes."""
    caller = request[CALLER]
    return json_response(await _document(request, caller.organization_id, _visit_id(request)))


@operation(
    Operation(
        tag=_TAG,
        request=NoFields,
        responses={HTTPStatus.CREATED: VisitBillDocument},
        problems=_REFUSED,
        is_creating=True,
    )
)
async def post_final_bill(request: web.Request) -> web.Response:
    """Close a visit: issue or correct its invoices, apply its deposit, release the surplus."""
    context, caller, visit_id = app_state(request).context, request[CALLER], _visit_id(request)
    _body, idempotent_request = await read_idempotent(request, NoFields)
    await close_visit(context, caller.organization_id, visit_id, actor=caller.actor, request=idempotent_request)
    return created_response(
        await _document(request, caller.organization_id, visit_id),
        idempotent_request,
        location=f"/v1/visits/{visit_id}/final-bill",
    )


@operation(Operation(tag=_TAG, request=Reopening, responses={HTTPStatus.OK: VisitBillDocument}, problems=_REFUSED))
async def post_reopening(request: web.Request) -> web.Response:
    """Open a closed visit and its deposit again; its next final bill corrects the invoices."""
    context, caller, visit_id = app_state(request).context, request[CALLER], _visit_id(request)
    body = await read_model(request, Reopening)
    await reopen_visit(context, caller.organization_id, visit_id, reason=body.reason, actor=caller.actor)
    return json_response(await _document(request, caller.organization_id, visit_id))


@operation(
    Operation(
        tag=_TAG,
        request=NewLineRefundBody,
        responses={HTTPStatus.CREATED: LineRefundDocument},
        problems=_REFUSED,
        path={"line": Parameter("the sender's stable id of the line; not its STT")},
        is_creating=True,
    )
)
async def post_line_refund(request: web.Request) -> web.Response:
    """Cancel a charge that the room did not perform; the visit is priced again and the money is free."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewLineRefundBody)
    new = NewLineRefund(
        line=request.match_info["line"],
        reason=body.reason,
        room_confirmation=body.room_confirmation,
        is_released=body.is_released,
    )
    refund_id = await refund_line(
        context, caller.organization_id, _visit_id(request), new, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        LineRefundDocument.model_validate(await find_line_refund(context, caller.organization_id, refund_id)),
        idempotent_request,
    )


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: PageDocument[ClosedVisitWithMoneyDocument]}, filters={}))
async def get_closed_visits_with_money(request: web.Request) -> web.Response:
    """List closed visits with an open deposit, credit, request or amount owed, the newest visit first."""
    page = read_page(request, filters=())
    rows = await list_closed_with_money(app_state(request).context, request[CALLER].organization_id, page.slice)
    return json_response(page_document(rows, page, ClosedVisitWithMoneyDocument.model_validate))


async def _document(request: web.Request, organization_id: OrganizationId, visit_id: VisitId) -> VisitBillDocument:
    bill = await find_final_bill(app_state(request).context, organization_id, visit_id)
    return VisitBillDocument.model_validate(_fields(bill))


def _fields(bill: VisitBill) -> dict[str, object]:
    account, amounts = bill.account, bill.amounts
    return {
        "visit_id": account.visit_id,
        "ma_lk": account.ma_lk,
        "state": account.state,
        "is_provisional": account.is_provisional,
        "price_error": account.price_error,
        "shares": amounts.shares,
        "guaranteed": amounts.guaranteed,
        "exempted": amounts.exempted,
        "written_off": amounts.written_off,
        "paid": amounts.paid,
        "deposit": amounts.deposit,
        "credit": amounts.credit,
        "to_collect": amounts.to_collect,
        "to_return": amounts.to_return,
        "guarantees": bill.bearers.guarantees,
        "exemptions": bill.bearers.exemptions,
        "corrections": bill.corrections,
        "final_bills": bill.final_bills,
    }


def _visit_id(request: web.Request) -> VisitId:
    return VisitId(read_id(request.match_info["id"], field="visit_id"))
