"""Blocks of receipt numbers for paper while the server is away.

POST /v1/receipt-blocks                 {"desk_id", "count"}
GET  /v1/receipt-blocks/{id}
POST /v1/receipt-blocks/{id}/receipts   {"number", "issued_at", "visit_id", and the fields of a collection}
POST /v1/receipt-blocks/{id}/unused     {"numbers"}
"""

from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.core.ids import DeskId, VisitId
from billing.visit_accounts.service.receipt_blocks import (
    BlockView,
    PaperReceipt,
    enter_paper_receipt,
    enter_unused_numbers,
    find_block,
    reserve_block,
)
from billing.visit_accounts.service.receipts import find_receipt
from billing.web.api.collections import NewCollection, read_collection
from billing.web.api.receipts import ReceiptDocument, receipt_document
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, Text


class NewBlock(Body):
    """A number of receipts, at most 1000, for the paper of a desk."""

    desk_id: str
    count: int


class PaperCollection(NewCollection):
    """A receipt that was written on paper under `number` of the block, at its own time (ISO 8601 with zone)."""

    number: int
    issued_at: str
    visit_id: str


class UnusedNumbers(Body):
    """Numbers of the block that no receipt was written under."""

    numbers: list[int]


class BlockDocument(Document):
    """A range of numbers of a series, both ends included, and those that were entered."""

    id: Text
    desk_id: Text
    series: str
    year: int
    first_number: int
    last_number: int
    reserved_by: Text
    reserved_at: Text
    entered: list[int]


def _document(view: BlockView) -> BlockDocument:
    block = view.block
    values = {name: getattr(block, name) for name in BlockDocument.model_fields if name != "entered"}
    return BlockDocument.model_validate({**values, "entered": list(view.entered)})


@operation(
    Operation(
        tag="cash-desk",
        request=NewBlock,
        responses={HTTPStatus.CREATED: BlockDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        is_creating=True,
    )
)
async def post_receipt_block(request: web.Request) -> web.Response:
    """Reserve the next numbers of the series for paper."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewBlock)
    block_id = await reserve_block(
        context,
        caller.organization_id,
        DeskId(read_id(body.desk_id, field="desk_id")),
        body.count,
        actor=caller.actor,
        request=idempotent_request,
    )
    return created_response(
        _document(await find_block(context, caller.organization_id, block_id)),
        idempotent_request,
        location=f"/v1/receipt-blocks/{block_id}",
    )


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: BlockDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_receipt_block(request: web.Request) -> web.Response:
    """Read a block with the numbers that were entered."""
    view = await find_block(app_state(request).context, request[CALLER].organization_id, _block_id(request))
    return json_response(_document(view))


@operation(
    Operation(
        tag="cash-desk",
        request=PaperCollection,
        responses={HTTPStatus.CREATED: ReceiptDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_paper_receipt(request: web.Request) -> web.Response:
    """Enter a paper receipt under its own number and time; its cash is in your open shift."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, PaperCollection)
    collection = read_collection(body, VisitId(read_id(body.visit_id, field="visit_id")), caller)
    paper = PaperReceipt(number=body.number, issued_at=_read_time(body.issued_at), collection=collection)
    receipt_id = await enter_paper_receipt(
        context,
        caller.organization_id,
        _block_id(request),
        paper,
        actor=caller.actor,
        request=idempotent_request,
    )
    return created_response(
        receipt_document(await find_receipt(context, caller.organization_id, receipt_id)),
        idempotent_request,
        location=f"/v1/receipts/{receipt_id}",
    )


@operation(
    Operation(
        tag="cash-desk",
        request=UnusedNumbers,
        responses={HTTPStatus.CREATED: BlockDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_unused_numbers(request: web.Request) -> web.Response:
    """Enter the numbers of a block that were not used; each is void with the reason `unused`."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, UnusedNumbers)
    block_id = _block_id(request)
    await enter_unused_numbers(
        context,
        caller.organization_id,
        block_id,
        body.numbers,
        actor=caller.actor,
        request=idempotent_request,
    )
    return created_response(
        _document(await find_block(context, caller.organization_id, block_id)),
        idempotent_request,
        location=f"/v1/receipt-blocks/{block_id}",
    )


def _block_id(request: web.Request) -> UUID:
    return read_id(request.match_info["id"], field="block_id")


def _read_time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidValue("issued_at is a time in ISO 8601 with its zone", field="issued_at")
    return found
