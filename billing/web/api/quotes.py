"""Quotes: the price of a visit or a claim file. Nothing is stored.

POST /v1/quotes         application/xml, text/xml: a claim file; application/json: one visit
"""

from http import HTTPStatus

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.coverage.formats.worked_case_json import write_finding
from billing.coverage.service.quote import estimate_claim_file, estimate_visit
from billing.visits.formats.visit_schema import VISIT_SCHEMA
from billing.web.api.visits import XML
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, operation
from billing.web.price_documents import price_document
from billing.web.request_bodies import JSON, parse_json, read_body, require_media_type
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, FindingDocument, PriceDocument


@with_config(EXACTLY)
class QuotedVisitDocument(TypedDict):
    """The price of one visit; `hoso` is its index in the file."""

    hoso: int
    ma_lk: str
    price: PriceDocument


@with_config(EXACTLY)
class QuoteDocument(TypedDict):
    """Every priced visit, and all findings."""

    visits: list[QuotedVisitDocument]
    findings: list[FindingDocument]


@operation(
    Operation(
        tag="quotes",
        request=VISIT_SCHEMA,
        request_contents=(Content(media_type=XML[0], description="A claim file (XML 130)"),),
        responses={HTTPStatus.OK: QuoteDocument},
        problems=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    )
)
async def post_quote(request: web.Request) -> web.Response:
    """Price a visit or a claim file as an invoice would. Nothing is stored."""
    require_media_type(request, JSON, *XML)
    app, organization_id = app_state(request), request[CALLER].organization_id
    content = await read_body(request, size_max=app.limits.visit_size_max)
    if request.content_type == JSON:
        quote = await estimate_visit(app.context, organization_id, await parse_json(content))
    else:
        quote = await estimate_claim_file(app.context, organization_id, content)
    return json_response(
        {
            "visits": [
                {"hoso": one.hoso, "ma_lk": one.visit.ma_lk, "price": price_document(one.visit.ma_lk, one.priced)}
                for one in quote.visits
            ],
            "findings": [write_finding(finding) for finding in quote.findings],
        }
    )
