"""Payments: money received, its position, and its allocations.

GET  /v1/payments         ?intent_id, ?invoice_id, ?ma_lk, ?from, ?to
GET  /v1/payments/{id}
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web

from billing.core.ids import IntentId, InvoiceId, PaymentId
from billing.payments.domain.payment import AllocationReason, AllocationTarget, ReversalReason
from billing.payments.domain.reallocation import MoveReason
from billing.payments.service.lists import find_payment, list_payments
from billing.visit_accounts.domain.receipt import PartMethod
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_filter_id, read_page
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text, enum_schema

_METHODS = (PartMethod.PROVIDER, PartMethod.CASH, PartMethod.CARD, PartMethod.TRANSFER)


class PositionDocument(Document):
    """The position of a payment, in đồng; the parts sum to the amount of the payment."""

    on_invoices: int
    on_deposits: int
    on_guarantees: int
    credit: int
    unallocated: int
    refund_reserved: int
    refunded: int


class PaymentSummary(Document):
    """Money received; amounts in whole đồng. `is_held`: a possible duplicate that a person must decide.

    `is_time_known` is false where only the day of `occurred_at` is known.
    `account` is the provider account; null for cash, card payments at a terminal and transfers that a person confirmed.
    """

    id: Text
    method: Annotated[str, enum_schema(_METHODS)]
    account: str | None
    intent_id: Text | None
    amount: int
    provider_reference: str
    bank_reference: str
    occurred_at: Text
    is_time_known: bool
    recorded_at: Text
    is_held: bool
    position: PositionDocument


class AllocationDocument(Document):
    """The assignment of a part of the payment; `reverses_id` is the allocation that this one reverses."""

    id: Text
    target: Annotated[str, enum_schema(AllocationTarget)]
    invoice_id: Text | None
    deposit_id: Text | None
    guarantee_id: Text | None
    amount: int
    reverses_id: Text | None
    reason: Annotated[str, enum_schema((*AllocationReason, *ReversalReason, *MoveReason))]
    recorded_at: Text


class PaymentDocument(PaymentSummary):
    """A payment with all its allocations."""

    allocations: list[AllocationDocument]


@operation(
    Operation(
        tag="payments",
        responses={HTTPStatus.OK: PageDocument[PaymentSummary]},
        filters={
            "intent_id": "came under this intent's code",
            "invoice_id": "was ever allocated to this invoice",
            "ma_lk": "was ever allocated to visits of this MA_LK",
            **DAY_FILTERS,
        },
    )
)
async def get_payments(request: web.Request) -> web.Response:
    """List payments, the newest first."""
    page = read_page(request, filters=("intent_id", "invoice_id", "ma_lk", *DAY_FILTERS))
    rows = await list_payments(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        intent_id=read_filter_id(page, "intent_id", IntentId),
        invoice_id=read_filter_id(page, "invoice_id", InvoiceId),
        ma_lk=page.filters.get("ma_lk"),
    )
    return json_response(page_document(rows, page, PaymentSummary.model_validate))


@operation(Operation(tag="payments", responses={HTTPStatus.OK: PaymentDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_payment(request: web.Request) -> web.Response:
    """Read one payment."""
    payment_id = PaymentId(read_id(request.match_info["id"], field="payment_id"))
    payment = await find_payment(app_state(request).context, request[CALLER].organization_id, payment_id)
    return json_response(PaymentDocument.model_validate(payment))
