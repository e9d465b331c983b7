"""Receipts: numbered papers for money in (phiếu thu) and out (phiếu chi).

GET  /v1/receipts               ?visit_id, ?shift_id, ?state, ?from, ?to
GET  /v1/receipts/{id}
POST /v1/receipts/{id}/reprint
POST /v1/receipts/{id}/void     {"reason"}
POST /v1/receipts/{id}/move     {"shift_id", "reason"}
"""

from dataclasses import fields
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import Field

from billing.core.ids import ReceiptId, ShiftId, VisitId
from billing.visit_accounts.domain.receipt import Direction, PartMethod, Purpose, Receipt, ReceiptState
from billing.visit_accounts.service.receipt_moves import move_receipt
from billing.visit_accounts.service.receipts import (
    PrintedReceipt,
    find_receipt,
    list_all_receipts,
    reprint_receipt,
    void_issued_receipt,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text


class VoidReason(Body):
    """Why a receipt is void."""

    reason: str


class ReceiptMove(Body):
    """The open shift that takes a receipt of the wrong shift, and why."""

    shift_id: str
    reason: str


class ListedReceiptDocument(Document):
    """A receipt. `amount` is what is credited, in đồng. `moved_to` is the shift that has it now, where it was moved."""

    id: Text
    number: str = Field(validation_alias="written_number")
    direction: Direction
    purpose: Purpose
    state: ReceiptState
    amount: int
    visit_id: Text | None
    shift_id: Text | None
    moved_to: Text | None
    block_id: Text | None
    deposit_request_id: Text | None
    invoice_id: Text | None
    issued_at: Text
    issued_by: Text | None
    void_reason: str
    voided_at: Text | None
    voided_by: Text | None
    reprints: int


class ReceiptPartDocument(Document):
    """One method of a receipt; the parts sum to its amount. `rounding` is negative where the cash was rounded up."""

    method: PartMethod
    amount: int
    payment_id: Text | None
    refund_id: Text | None


class ReceiptDocument(ListedReceiptDocument):
    """A receipt with its parts, and as it was printed; `printed` is null once erased, or for an unused number."""

    parts: list[ReceiptPartDocument]
    printed: dict[str, Any] | None


def receipt_document(found: PrintedReceipt) -> ReceiptDocument:
    """The document of a receipt as read."""
    values = {field.name: getattr(found.receipt, field.name) for field in fields(Receipt)}
    kept = {name: values[name] for name in values if name in ReceiptDocument.model_fields and name != "number"}
    return ReceiptDocument.model_validate(
        {
            **kept,
            "written_number": found.receipt.written_number,
            "parts": list(found.receipt.parts),
            "printed": None if found.printed is None else dict(found.printed),
        }
    )


@operation(
    Operation(
        tag="cash-desk",
        responses={HTTPStatus.OK: PageDocument[ListedReceiptDocument]},
        filters={
            "visit_id": "is of this visit",
            "shift_id": "was issued in this shift",
            "state": one_of("its state", ReceiptState),
            **DAY_FILTERS,
        },
    )
)
async def get_receipts(request: web.Request) -> web.Response:
    """List receipts, the newest first, without their parts."""
    page = read_page(request, filters=("visit_id", "shift_id", "state", *DAY_FILTERS))
    rows = await list_all_receipts(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        visit_id=read_filter_id(page, "visit_id", VisitId),
        shift_id=read_filter_id(page, "shift_id", ShiftId),
        state=read_choice(page, "state", ReceiptState),
    )
    return json_response(page_document(rows, page, ListedReceiptDocument.model_validate))


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: ReceiptDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_receipt(request: web.Request) -> web.Response:
    """Read one receipt as it was printed."""
    return await _answer(request, _receipt_id(request))


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: ReceiptDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def post_reprint(request: web.Request) -> web.Response:
    """Count one more print of a receipt; print `printed` and mark it as a copy."""
    context, caller, receipt_id = app_state(request).context, request[CALLER], _receipt_id(request)
    await reprint_receipt(context, caller.organization_id, receipt_id, actor=caller.actor)
    return await _answer(request, receipt_id)


@operation(
    Operation(
        tag="cash-desk",
        request=VoidReason,
        responses={HTTPStatus.OK: ReceiptDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_void(request: web.Request) -> web.Response:
    """Void a receipt of a shift that is open; its cashier cannot. Cash goes back, other money becomes credit."""
    context, caller, receipt_id = app_state(request).context, request[CALLER], _receipt_id(request)
    body = await read_model(request, VoidReason)
    await void_issued_receipt(context, caller.organization_id, receipt_id, reason=body.reason, actor=caller.actor)
    return await _answer(request, receipt_id)


@operation(
    Operation(
        tag="cash-desk",
        request=ReceiptMove,
        responses={HTTPStatus.CREATED: ReceiptDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
        is_creating=True,
    )
)
async def post_move(request: web.Request) -> web.Response:
    """Move a receipt to another open shift of its facility, with its cash; the cashier who has it cannot.

    Not once its shift has ended: return its money by a refund, then collect it again in the right shift.
    """
    context, caller, receipt_id = app_state(request).context, request[CALLER], _receipt_id(request)
    body, idempotent_request = await read_idempotent(request, ReceiptMove)
    await move_receipt(
        context,
        caller.organization_id,
        receipt_id,
        ShiftId(read_id(body.shift_id, field="shift_id")),
        reason=body.reason,
        actor=caller.actor,
        request=idempotent_request,
    )
    found = await find_receipt(context, caller.organization_id, receipt_id)
    return created_response(receipt_document(found), idempotent_request)


def _receipt_id(request: web.Request) -> ReceiptId:
    return ReceiptId(read_id(request.match_info["id"], field="receipt_id"))


async def _answer(request: web.Request, receipt_id: ReceiptId) -> web.Response:
    found = await find_receipt(app_state(request).context, request[CALLER].organization_id, receipt_id)
    return json_response(receipt_document(found))
