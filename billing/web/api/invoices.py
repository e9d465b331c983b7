"""Invoices: issue one for a visit, read its lines and the applied rules of every amount.

POST /v1/invoices         {"visit_id"}
GET  /v1/invoices         ?visit_id, ?ma_lk, ?number, ?state, ?from, ?to
GET  /v1/invoices/{id}
"""

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import BeforeValidator, Field

from billing.core.ids import InvoiceId, VisitId
from billing.coverage.domain.price_result import AppliedRule
from billing.invoices.domain.invoice import InvoiceState
from billing.invoices.domain.invoice_details import InvoiceFilter, InvoiceLine
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.invoices.service.lists import list_invoices
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.price_documents import reason_document, shares_document, steps_document
from billing.web.request_bodies import Body, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, SharesDocument, Text


class NewInvoice(Body):
    """The visit to invoice."""

    visit_id: str


def _reasons(reasons: Iterable[AppliedRule]) -> list[dict[str, object]]:
    """Applied rules with their sentences in every language."""
    return [reason_document(reason) for reason in reasons]


def _lines(lines: Iterable[InvoiceLine]) -> list[dict[str, object]]:
    """Lines with amounts as text of two decimals."""
    names = [field.name for field in fields(InvoiceLine)]
    return [
        {name: _text(getattr(line, name)) for name in names}
        | {"reasons": _reasons(line.reasons), "breakdown": steps_document(line.breakdown)}
        for line in lines
    ]


def _text(value: object) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else value


class InvoiceSummary(Document):
    """An issued invoice: shares, paid and owed amounts, in whole đồng. `guarantor` owes the private share."""

    id: Text
    number: str
    visit_id: Text
    visit_version: int
    ma_lk: str
    state: InvoiceState
    version: int
    issued_at: Text | None
    shares: Annotated[SharesDocument, BeforeValidator(shares_document)]
    guarantor: str
    corrections: int
    paid: int = Field(validation_alias="allocated")
    owed: int


class InvoiceDocument(InvoiceSummary):
    """An invoice with its lines, their breakdown and their applied rules with sentence, citation and period."""

    reasons: Annotated[list[dict[str, Any]], BeforeValidator(_reasons)]
    lines: Annotated[list[dict[str, Any]], BeforeValidator(_lines)]


@operation(
    Operation(
        tag="invoices",
        request=NewInvoice,
        responses={HTTPStatus.CREATED: InvoiceDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        is_creating=True,
    )
)
async def post_invoice(request: web.Request) -> web.Response:
    """Issue an invoice for the charge items of a visit that are on no invoice yet."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewInvoice)
    visit_id = VisitId(read_id(body.visit_id, field="visit_id"))
    invoice_id = await issue_invoice(
        app.context, caller.organization_id, visit_id, actor=caller.actor, request=idempotent_request
    )
    invoice = await find_invoice(app.context, caller.organization_id, invoice_id)
    return created_response(
        InvoiceDocument.model_validate(invoice), idempotent_request, location=f"/v1/invoices/{invoice_id}"
    )


@operation(
    Operation(
        tag="invoices",
        responses={HTTPStatus.OK: PageDocument[InvoiceSummary]},
        filters={
            "visit_id": "was issued for this visit",
            "ma_lk": "was issued for visits of this MA_LK",
            "number": "the invoice's number",
            "state": one_of("its state", InvoiceState),
            **DAY_FILTERS,
        },
    )
)
async def get_invoices(request: web.Request) -> web.Response:
    """List invoices, the newest first, without their lines."""
    page = read_page(request, filters=("visit_id", "ma_lk", "number", "state", *DAY_FILTERS))
    wanted = InvoiceFilter(
        visit_id=read_filter_id(page, "visit_id", VisitId),
        ma_lk=page.filters.get("ma_lk"),
        number=page.filters.get("number"),
        state=read_choice(page, "state", InvoiceState),
    )
    rows = await list_invoices(app_state(request).context, request[CALLER].organization_id, page.slice, wanted)
    return json_response(page_document(rows, page, InvoiceSummary.model_validate))


@operation(Operation(tag="invoices", responses={HTTPStatus.OK: InvoiceDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_invoice(request: web.Request) -> web.Response:
    """Read one invoice."""
    app, caller = app_state(request), request[CALLER]
    invoice_id = InvoiceId(read_id(request.match_info["id"], field="invoice_id"))
    invoice = await find_invoice(app.context, caller.organization_id, invoice_id)
    return json_response(InvoiceDocument.model_validate(invoice))
