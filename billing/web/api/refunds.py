"""Refunds: request, send, confirm and cancel; payment orders for the bank.

POST /v1/refunds                     {"visit_id" or "payment_id", "amount", "way", "reason", "destination"?}
GET  /v1/refunds                     ?visit_id, ?payment_id, ?state, ?way, ?from, ?to
GET  /v1/refunds/{id}
POST /v1/refunds/{id}/send           {"bank_account_id"?}
POST /v1/refunds/{id}/confirm        {"bank_reference"}
POST /v1/refunds/{id}/cancel
POST /v1/payment-orders              {"refund_ids", "bank_account_id", "layout"}
GET  /v1/payment-orders/{id}/file
"""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import Field

from billing.core.ids import PaymentId, RefundId, VisitId
from billing.core.money import dong
from billing.organizations.domain.rights import Right
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.refund import BankDestination, RefundFilter, RefundState, RefundWay
from billing.payments.service.provider_refunds import call_provider
from billing.visit_accounts.service.payment_orders import (
    NewPaymentOrder,
    create_payment_order,
    find_payment_order,
    write_order_file,
)
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import (
    cancel_refund,
    confirm_refund,
    find_refund,
    list_all_refunds,
    request_refund,
    send_refund,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text

_CONFLICTS = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class Destination(Body):
    """The bank account of the patient or payer. One that was not captured from the payment needs a second person."""

    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    holder: str = Field(min_length=1, max_length=100)


class RefundBody(Body):
    """Money to return, in đồng: of one payment, or the free money of a visit."""

    visit_id: str | None = None
    payment_id: str | None = None
    amount: int
    way: Annotated[RefundWay, Field(strict=False)]
    reason: str
    destination: Destination | None = None


class RefundSending(Body):
    """For a transfer without a payment order: the bank account that it leaves."""

    bank_account_id: str | None = None


class RefundConfirmation(Body):
    """The bank's reference of the transfer."""

    bank_reference: str


class PaymentOrderBody(Body):
    """Approved transfers for one file of the bank. `layout` names the columns that the bank expects."""

    refund_ids: list[str]
    bank_account_id: str
    layout: str


class RefundSummary(Document):
    """A refund. `reference` is our code of it at the provider, or in the text of the transfer."""

    id: Text
    reference: str
    visit_id: Text | None
    way: RefundWay
    amount: int
    reason: str
    needs_approval: bool
    state: RefundState
    version: int
    requested_by: Text | None
    requested_at: Text
    sent_by: Text | None
    sent_at: Text | None
    provider_reference: str
    bank_reference: str
    ended_by: Text | None
    ended_at: Text | None
    returned_at: Text | None


class RefundPartDocument(Document):
    """What of a payment is returned, in đồng, and where it was before."""

    payment_id: Text
    source: AllocationTarget
    amount: int


class DestinationDocument(Document):
    """The account of a transfer. `is_stated`: named by a person, not captured from the payer."""

    bank_bin: str
    account_number: str
    holder: str
    is_stated: bool


class RefundDocument(RefundSummary):
    """A refund with its payments and its destination."""

    payments: list[RefundPartDocument]
    destination: DestinationDocument | None


class TransferDocument(Document):
    """A line of a payment order; `reference` is in the text of the transfer."""

    line: int
    refund_id: Text
    reference: str
    amount: int


class PaymentOrderDocument(Document):
    """A file of transfers; `amount` is their sum in đồng."""

    id: Text
    bank_account_id: Text
    layout: str
    amount: int
    created_by: Text
    created_at: Text
    transfers: list[TransferDocument]


@operation(
    Operation(
        tag="refunds",
        request=RefundBody,
        responses={HTTPStatus.CREATED: RefundDocument},
        problems=_CONFLICTS,
        is_creating=True,
    )
)
async def post_refund(request: web.Request) -> web.Response:
    """Request a refund and reserve its money. Above the amount of the organization a second person approves it."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, RefundBody)
    to = body.destination
    new = NewRefund(
        amount=dong(body.amount),
        way=body.way,
        reason=body.reason,
        visit_id=None if body.visit_id is None else VisitId(read_id(body.visit_id, field="visit_id")),
        payment_id=None if body.payment_id is None else PaymentId(read_id(body.payment_id, field="payment_id")),
        destination=None
        if to is None
        else BankDestination(bank_bin=to.bank_bin, account_number=to.account_number, holder=to.holder, is_stated=True),
    )
    refund_id = await request_refund(
        context, caller.organization_id, new, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        await _document(request, refund_id), idempotent_request, location=f"/v1/refunds/{refund_id}"
    )


@operation(
    Operation(
        tag="refunds",
        responses={HTTPStatus.OK: PageDocument[RefundSummary]},
        filters={
            "visit_id": "returns money of this visit",
            "payment_id": "returns money of this payment",
            "state": one_of("its state", RefundState),
            "way": one_of("its way", RefundWay),
            **DAY_FILTERS,
        },
    )
)
async def get_refunds(request: web.Request) -> web.Response:
    """List refunds, the newest first, without their payments."""
    page = read_page(request, filters=("visit_id", "payment_id", "state", "way", *DAY_FILTERS))
    wanted = RefundFilter(
        visit_id=read_filter_id(page, "visit_id", VisitId),
        payment_id=read_filter_id(page, "payment_id", PaymentId),
        state=read_choice(page, "state", RefundState),
        way=read_choice(page, "way", RefundWay),
    )
    rows = await list_all_refunds(app_state(request).context, request[CALLER].organization_id, page.slice, wanted)
    return json_response(page_document(rows, page, RefundSummary.model_validate))


@operation(Operation(tag="refunds", responses={HTTPStatus.OK: RefundDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_refund(request: web.Request) -> web.Response:
    """Read one refund."""
    return json_response(await _document(request, _refund_id(request)))


@operation(
    Operation(
        tag="refunds",
        request=RefundSending,
        responses={HTTPStatus.OK: RefundDocument},
        problems=(*_CONFLICTS, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_refund_sending(request: web.Request) -> web.Response:
    """Send an approved refund: in cash from your drawer, through its provider, or as a transfer made by hand."""
    context, caller, refund_id = app_state(request).context, request[CALLER], _refund_id(request)
    body = await read_model(request, RefundSending)
    refund = (await find_refund(context, caller.organization_id, refund_id)).refund
    if refund.way is not RefundWay.CASH:
        caller.require(Right.REFUND)
    if refund.way is RefundWay.PROVIDER:
        await call_provider(context, caller.organization_id, refund_id, actor=caller.actor)
    else:
        bank = body.bank_account_id
        await send_refund(
            context,
            caller.organization_id,
            refund_id,
            bank_account_id=None if bank is None else read_id(bank, field="bank_account_id"),
            actor=caller.actor,
        )
    return json_response(await _document(request, refund_id))


@operation(
    Operation(
        tag="refunds",
        request=RefundConfirmation,
        responses={HTTPStatus.OK: RefundDocument},
        problems=(*_CONFLICTS, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_refund_confirmation(request: web.Request) -> web.Response:
    """Confirm a transfer that another person sent, with the bank's reference."""
    context, caller, refund_id = app_state(request).context, request[CALLER], _refund_id(request)
    body = await read_model(request, RefundConfirmation)
    await confirm_refund(
        context, caller.organization_id, refund_id, bank_reference=body.bank_reference, actor=caller.actor
    )
    return json_response(await _document(request, refund_id))


@operation(Operation(tag="refunds", responses={HTTPStatus.OK: RefundDocument}, problems=_CONFLICTS))
async def post_refund_cancellation(request: web.Request) -> web.Response:
    """Cancel a refund whose money has not left; a transfer that the bank rejected, by another person."""
    context, caller, refund_id = app_state(request).context, request[CALLER], _refund_id(request)
    await cancel_refund(context, caller.organization_id, refund_id, actor=caller.actor)
    return json_response(await _document(request, refund_id))


@operation(
    Operation(
        tag="refunds",
        request=PaymentOrderBody,
        responses={HTTPStatus.CREATED: PaymentOrderDocument},
        problems=_CONFLICTS,
        is_creating=True,
    )
)
async def post_payment_order(request: web.Request) -> web.Response:
    """Put approved transfers into one payment order for the bank; they are sent with it."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, PaymentOrderBody)
    order_id = await create_payment_order(
        context,
        caller.organization_id,
        NewPaymentOrder(
            refund_ids=[RefundId(read_id(each, field="refund_ids")) for each in body.refund_ids],
            bank_account_id=read_id(body.bank_account_id, field="bank_account_id"),
            layout=body.layout,
        ),
        actor=caller.actor,
        request=idempotent_request,
    )
    found = await find_payment_order(context, caller.organization_id, order_id)
    transfers = [TransferDocument.model_validate(each) for each in found.transfers]
    document = {name: getattr(found.order, name) for name in PaymentOrderDocument.model_fields if name != "transfers"}
    return created_response(
        PaymentOrderDocument.model_validate({**document, "transfers": transfers}),
        idempotent_request,
        location=f"/v1/payment-orders/{order_id}/file",
    )


@operation(
    Operation(
        tag="refunds",
        responses={HTTPStatus.OK: Content(media_type="text/csv", description="the file for the bank, CSV or XLSX")},
        problems=_CONFLICTS,
    )
)
async def get_payment_order_file(request: web.Request) -> web.Response:
    """Download the file of a payment order in the layout of the bank."""
    context, caller = app_state(request).context, request[CALLER]
    order_id: UUID = read_id(request.match_info["id"], field="payment_order_id")
    file = await write_order_file(context, caller.organization_id, order_id, actor=caller.actor)
    return web.Response(
        body=file.content,
        headers={
            "Content-Type": file.media_type,
            "Content-Disposition": f'attachment; filename="payment-order-{order_id}.{file.suffix}"',
        },
    )


def _refund_id(request: web.Request) -> RefundId:
    return RefundId(read_id(request.match_info["id"], field="refund_id"))


async def _document(request: web.Request, refund_id: RefundId) -> RefundDocument:
    found = await find_refund(app_state(request).context, request[CALLER].organization_id, refund_id)
    summary = {name: getattr(found.refund, name) for name in RefundSummary.model_fields}
    return RefundDocument.model_validate(
        {
            **summary,
            "payments": [RefundPartDocument.model_validate(part) for part in found.parts],
            "destination": None if found.destination is None else DestinationDocument.model_validate(found.destination),
        }
    )
