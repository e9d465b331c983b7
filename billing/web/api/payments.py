"""Payments: money received, its position, and its allocations.

GET  /v1/payments         ?intent_id, ?invoice_id, ?ma_lk, ?from, ?to
GET  /v1/payments/{id}
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.core.ids import PaymentId
from billing.payments.domain.payment import AllocationReason, AllocationTarget, ReversalReason
from billing.payments.service.lists import find_payment, list_payments
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_filter_id, read_page
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, PageDocument, enum_schema


@with_config(EXACTLY)
class PositionDocument(TypedDict):
    """The position of a payment, in đồng; the parts sum to the amount of the payment."""

    on_invoices: int
    on_deposits: int
    credit: int
    unallocated: int
    refund_reserved: int
    refunded: int


@with_config(EXACTLY)
class PaymentSummary(TypedDict):
    """Money received; amounts in whole đồng. `is_held`: a possible duplicate that a person must decide."""

    id: str
    account: str
    intent_id: str | None
    amount: int
    provider_reference: str
    bank_reference: str
    occurred_at: str
    recorded_at: str
    is_held: bool
    position: PositionDocument


class AllocationDocument(TypedDict):
    """The assignment of a part of the payment; `reverses_id` is the allocation that this one reverses."""

    id: str
    target: Annotated[str, enum_schema(AllocationTarget)]
    invoice_id: str | None
    amount: int
    reverses_id: str | None
    reason: Annotated[str, enum_schema((*AllocationReason, *ReversalReason))]
    recorded_at: str


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
        intent_id=read_filter_id(page, "intent_id"),
        invoice_id=read_filter_id(page, "invoice_id"),
        ma_lk=page.filters.get("ma_lk"),
    )
    return json_response(page_document(rows, page, _summary))


@operation(Operation(tag="payments", responses={HTTPStatus.OK: PaymentDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_payment(request: web.Request) -> web.Response:
    """Read one payment."""
    payment_id = PaymentId(read_id(request.match_info["id"], field="payment_id"))
    row = await find_payment(app_state(request).context, request[CALLER].organization_id, payment_id)
    document: PaymentDocument = {**_summary(row), "allocations": row["allocations"]}
    return json_response(document)


def _summary(row: Mapping[str, Any]) -> PaymentSummary:
    return {
        "id": str(row["id"]),
        "account": row["account"],
        "intent_id": None if row["intent_id"] is None else str(row["intent_id"]),
        "amount": row["amount"],
        "provider_reference": row["provider_reference"],
        "bank_reference": row["bank_reference"],
        "occurred_at": row["occurred_at"].isoformat(),
        "recorded_at": row["recorded_at"].isoformat(),
        "is_held": row["is_held"],
        "position": {
            "on_invoices": row["on_invoices"],
            "on_deposits": row["on_deposits"],
            "credit": row["credit"],
            "unallocated": row["unallocated"],
            "refund_reserved": row["refund_reserved"],
            "refunded": row["refunded"],
        },
    }
