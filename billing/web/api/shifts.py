"""Shifts: the cash of one cashier at one desk.

POST /v1/shifts                   {"desk_id", "opening_float", "issued_float"?, "difference_reason"?}
GET  /v1/shifts                   ?desk_id, ?state, ?from, ?to
GET  /v1/shifts/{id}
POST /v1/shifts/{id}/paid-in      {"amount", "reason"}
POST /v1/shifts/{id}/paid-out     {"amount", "reason"}
POST /v1/shifts/{id}/end          {"counted", "difference_reason"?}
POST /v1/shifts/{id}/close
POST /v1/shifts/{id}/force-close  {"counted", "reason"}
"""

from dataclasses import asdict
from http import HTTPStatus

from aiohttp import web
from pydantic import Field

from billing.core.ids import DeskId, ShiftId
from billing.core.money import dong
from billing.visit_accounts.domain.receipt import Direction, PartMethod, ReceiptState
from billing.visit_accounts.domain.shift import ShiftEventKind, ShiftState
from billing.visit_accounts.service.shifts import (
    NewShift,
    close_shift,
    end_shift,
    find_shift,
    force_close_shift,
    list_all_shifts,
    open_shift,
    pay_in,
    pay_out,
)
from billing.visit_accounts.store.shift_views import ShiftView
from billing.web.app_state import CALLER, app_state
from billing.web.idempotency import repeat_headers
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent, read_model
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text


class OpenShift(Body):
    """The desk and the float that the cashier has counted, in đồng; `issued_float` of it comes from the safe now.

    Where the rest is not what the last shift left, `difference_reason` is needed and the difference is booked.
    """

    desk_id: str
    opening_float: int
    issued_float: int = 0
    difference_reason: str = ""


class CashMoved(Body):
    """Cash in đồng that comes from the safe or goes back to it, and why."""

    amount: int
    reason: str


class CountedCash(Body):
    """The number of notes by denomination, as `{"500000": 2, "1000": 5}`; a difference needs its reason."""

    counted: dict[str, int]
    difference_reason: str = ""


class ForcedClose(Body):
    """The count of a head cashier for a cashier who left, and why."""

    counted: dict[str, int]
    reason: str


class ListedShiftDocument(Document):
    """A shift in a list. `cashier_id` is the person who works in it."""

    id: Text
    desk_id: Text
    cashier_id: Text
    state: ShiftState
    version: int
    opened_at: Text
    ended_at: Text | None
    closed_at: Text | None
    is_forced: bool


class ShiftEventDocument(Document):
    """A movement of cash, in đồng; negative out of the drawer. `entry_id` is its entry in the journal."""

    id: Text
    kind: ShiftEventKind
    amount: int
    reason: str
    receipt_id: Text | None
    entry_id: Text | None
    recorded_at: Text


class ShiftReceiptDocument(Document):
    """A receipt of the shift."""

    id: Text
    number: str = Field(validation_alias="written_number")
    direction: Direction
    state: ReceiptState
    amount: int


class ShiftSlipDocument(Document):
    """A card payment of the shift; `batch_id` once its batch is recorded."""

    payment_id: Text
    terminal_id: Text
    approval_code: str
    amount: int
    batch_id: Text | None


class MethodSumDocument(Document):
    """The sum of the valid receipts of the shift by direction and method."""

    direction: Direction
    method: PartMethod
    amount: int
    parts: int


class ShiftDocument(ListedShiftDocument):
    """A shift. `cash` is what its drawer holds.

    `is_hidden`: the facility counts blindly, and the cashier of an open shift sees neither cash nor receipts.
    """

    expected_float: int
    opening_float: int
    counted: dict[str, int] | None
    counted_cash: int | None
    expected_cash: int | None
    difference_reason: str
    forced_reason: str
    ended_by: Text | None
    closed_by: Text | None
    cash: int | None
    is_hidden: bool
    events: list[ShiftEventDocument]
    receipts: list[ShiftReceiptDocument]
    slips: list[ShiftSlipDocument]
    sums: list[MethodSumDocument]


def shift_document(view: ShiftView) -> ShiftDocument:
    """The document of a shift as read."""
    more = {name: getattr(view, name) for name in ("cash", "is_hidden", "events", "receipts", "slips", "sums")}
    return ShiftDocument.model_validate({**asdict(view.shift), **{name: _plain(more[name]) for name in more}})


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


_DECIDED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@operation(
    Operation(
        tag="cash-desk",
        request=OpenShift,
        responses={HTTPStatus.CREATED: ShiftDocument},
        problems=_DECIDED,
        is_creating=True,
    )
)
async def post_shift(request: web.Request) -> web.Response:
    """Open your shift at a desk."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, OpenShift)
    new = NewShift(
        desk_id=DeskId(read_id(body.desk_id, field="desk_id")),
        opening_float=dong(body.opening_float, field="opening_float"),
        issued_float=dong(body.issued_float, field="issued_float"),
        difference_reason=body.difference_reason,
    )
    shift_id = await open_shift(context, caller.organization_id, new, actor=caller.actor, request=idempotent_request)
    return await _answer(
        request,
        shift_id,
        status=HTTPStatus.CREATED,
        location=f"/v1/shifts/{shift_id}",
        headers=repeat_headers(idempotent_request),
    )


@operation(
    Operation(
        tag="cash-desk",
        responses={HTTPStatus.OK: PageDocument[ListedShiftDocument]},
        filters={"desk_id": "was at this desk", "state": one_of("its state", ShiftState), **DAY_FILTERS},
    )
)
async def get_shifts(request: web.Request) -> web.Response:
    """List shifts, the newest first."""
    page = read_page(request, filters=("desk_id", "state", *DAY_FILTERS))
    rows = await list_all_shifts(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        desk_id=read_filter_id(page, "desk_id", DeskId),
        state=read_choice(page, "state", ShiftState),
    )
    return json_response(page_document(rows, page, ListedShiftDocument.model_validate))


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: ShiftDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_shift(request: web.Request) -> web.Response:
    """Read one shift with its events, receipts, card slips and sums by method."""
    return await _answer(request, _shift_id(request))


@operation(
    Operation(
        tag="cash-desk",
        request=CashMoved,
        responses={HTTPStatus.CREATED: ShiftDocument},
        problems=_DECIDED,
        is_creating=True,
    )
)
async def post_paid_in(request: web.Request) -> web.Response:
    """Record cash that came from the safe into your drawer."""
    return await _move(request, is_in=True)


@operation(
    Operation(
        tag="cash-desk",
        request=CashMoved,
        responses={HTTPStatus.CREATED: ShiftDocument},
        problems=_DECIDED,
        is_creating=True,
    )
)
async def post_paid_out(request: web.Request) -> web.Response:
    """Record cash that went from your drawer back to the safe."""
    return await _move(request, is_in=False)


@operation(
    Operation(
        tag="cash-desk",
        request=CountedCash,
        responses={HTTPStatus.OK: ShiftDocument},
        problems=(*_DECIDED, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_shift_end(request: web.Request) -> web.Response:
    """End your shift with its counted cash; over and short are booked with your reason."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, CountedCash)
    shift_id = _shift_id(request)
    await end_shift(
        context,
        caller.organization_id,
        shift_id,
        body.counted,
        difference_reason=body.difference_reason,
        actor=caller.actor,
    )
    return await _answer(request, shift_id)


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: ShiftDocument}, problems=_DECIDED))
async def post_shift_close(request: web.Request) -> web.Response:
    """Close an ended shift after you audited it; its cashier cannot."""
    context, caller, shift_id = app_state(request).context, request[CALLER], _shift_id(request)
    await close_shift(context, caller.organization_id, shift_id, actor=caller.actor)
    return await _answer(request, shift_id)


@operation(
    Operation(
        tag="cash-desk",
        request=ForcedClose,
        responses={HTTPStatus.OK: ShiftDocument},
        problems=(*_DECIDED, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_forced_close(request: web.Request) -> web.Response:
    """End the shift of a cashier who left, with your count; a third person closes it later."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, ForcedClose)
    shift_id = _shift_id(request)
    await force_close_shift(
        context, caller.organization_id, shift_id, body.counted, reason=body.reason, actor=caller.actor
    )
    return await _answer(request, shift_id)


async def _move(request: web.Request, *, is_in: bool) -> web.Response:
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, CashMoved)
    shift_id = _shift_id(request)
    move = pay_in if is_in else pay_out
    await move(
        context,
        caller.organization_id,
        shift_id,
        dong(body.amount),
        reason=body.reason,
        actor=caller.actor,
        request=idempotent_request,
    )
    headers = repeat_headers(idempotent_request)
    return await _answer(
        request, shift_id, status=HTTPStatus.CREATED, location=f"/v1/shifts/{shift_id}", headers=headers
    )


def _shift_id(request: web.Request) -> ShiftId:
    return ShiftId(read_id(request.match_info["id"], field="shift_id"))


async def _answer(
    request: web.Request,
    shift_id: ShiftId,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    location: str | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    caller = request[CALLER]
    view = await find_shift(app_state(request).context, caller.organization_id, shift_id, viewer=caller.actor.person)
    return json_response(shift_document(view), status=status, location=location, headers=headers or {})
