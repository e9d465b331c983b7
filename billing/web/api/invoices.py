"""Invoices: issue one for a visit, read its lines and the applied rules of every amount.

POST /v1/invoices         {"visit_id"}
GET  /v1/invoices         ?visit_id, ?ma_lk, ?number, ?state, ?from, ?to
GET  /v1/invoices/{id}
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.core.ids import InvoiceId, VisitId
from billing.coverage.domain.price_result import AppliedRule
from billing.invoices.domain.invoice import InvoiceState
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.invoices.service.lists import list_invoices
from billing.web.app_state import CALLER, app_state
from billing.web.idempotency import repeat_headers
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.price_documents import reason_document, shares_document, steps_document
from billing.web.request_bodies import Body, read_id, read_idempotent
from billing.web.responses import isoformat, json_response
from billing.web.schemas import EXACTLY, PageDocument, SharesDocument


class NewInvoice(Body):
    """The visit to invoice."""

    visit_id: str


@with_config(EXACTLY)
class InvoiceSummary(TypedDict):
    """An issued invoice: shares, paid and owed amounts, in whole đồng. `guarantor` owes the private share."""

    id: str
    number: str
    visit_id: str
    visit_version: int
    ma_lk: str
    state: InvoiceState
    version: int
    issued_at: str | None
    shares: SharesDocument
    guarantor: str
    corrections: int
    paid: int
    owed: int


class InvoiceDocument(InvoiceSummary):
    """An invoice with its lines, their breakdown and their applied rules with sentence, citation and period."""

    reasons: list[dict[str, Any]]
    lines: list[dict[str, Any]]


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
    row = await find_invoice(app.context, caller.organization_id, invoice_id)
    return json_response(
        _invoice(row),
        status=HTTPStatus.CREATED,
        location=f"/v1/invoices/{invoice_id}",
        headers=repeat_headers(idempotent_request),
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
    rows = await list_invoices(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        visit_id=read_filter_id(page, "visit_id"),
        ma_lk=page.filters.get("ma_lk"),
        number=page.filters.get("number"),
        state=read_choice(page, "state", InvoiceState),
    )
    return json_response(page_document(rows, page, _summary))


@operation(Operation(tag="invoices", responses={HTTPStatus.OK: InvoiceDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_invoice(request: web.Request) -> web.Response:
    """Read one invoice."""
    app, caller = app_state(request), request[CALLER]
    invoice_id = InvoiceId(read_id(request.match_info["id"], field="invoice_id"))
    return json_response(_invoice(await find_invoice(app.context, caller.organization_id, invoice_id)))


def _invoice(row: Mapping[str, Any]) -> InvoiceDocument:
    """A summary with reasons and lines; amounts of lines as text with two decimals."""
    return {
        **_summary(row),
        "reasons": [_reason(reason) for reason in row["reasons"] or ()],
        "lines": [
            {
                **line,
                "reasons": [_reason(reason) for reason in line["reasons"]],
                "breakdown": steps_document(line["breakdown"]),
            }
            for line in row["lines"]
        ],
    }


def _summary(row: Mapping[str, Any]) -> InvoiceSummary:
    return {
        "id": str(row["id"]),
        "number": row["number"],
        "visit_id": str(row["visit_id"]),
        "visit_version": row["visit_version"],
        "ma_lk": row["ma_lk"],
        "state": row["state"],
        "version": row["version"],
        "issued_at": isoformat(row["issued_at"]),
        "shares": shares_document(row["shares"]),
        "guarantor": row["guarantor"],
        "corrections": row["corrections"],
        "paid": row["allocated"],
        "owed": row["owed"],
    }


def _reason(kept: Mapping[str, Any]) -> dict[str, object]:
    """A stored applied rule with its sentences in every language."""
    return reason_document(AppliedRule(kept["rule"], kept["operands"], kept.get("variant", "")))
