"""Quotes: what a visit or a claim file would cost; nothing of it is kept.

POST /v1/quotes         application/xml, text/xml: a claim file; application/json: one visit
"""

from http import HTTPStatus

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.coverage.formats.worked_case_json import write_finding
from billing.coverage.service.quote import estimate_claim_file, estimate_visit
from billing.visits.formats.visit_schema import VISIT_SCHEMA
from billing.web.answers import json_answer
from billing.web.api.visits import XML
from billing.web.bodies import JSON, parse_json, read_body, require_media_type
from billing.web.documents import EXACTLY, FindingDocument, PriceDocument
from billing.web.explaining import price_document
from billing.web.operations import Content, Description, described
from billing.web.surroundings import CALLER, surroundings


@with_config(EXACTLY)
class QuotedVisitDocument(TypedDict):
    """What one visit would cost; `hoso` is its place in the file."""

    hoso: int
    ma_lk: str
    price: PriceDocument


@with_config(EXACTLY)
class QuoteDocument(TypedDict):
    """Every visit that could be priced, and everything found on the way."""

    visits: list[QuotedVisitDocument]
    findings: list[FindingDocument]


@described(
    Description(
        tag="quotes",
        request=VISIT_SCHEMA,
        request_contents=(Content(media_type=XML[0], description="A claim file (XML 130)"),),
        answers={HTTPStatus.OK: QuoteDocument},
        problems=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    )
)
async def post_quote(request: web.Request) -> web.Response:
    """Price a visit or a claim file as an invoice would be, without keeping anything of it."""
    require_media_type(request, JSON, *XML)
    around, organization_id = surroundings(request), request[CALLER].organization_id
    content = await read_body(request, size_max=around.limits.visit_size_max)
    if request.content_type == JSON:
        quote = await estimate_visit(around.context, organization_id, await parse_json(content))
    else:
        quote = await estimate_claim_file(around.context, organization_id, content)
    return json_answer(
        {
            "visits": [
                {"hoso": one.hoso, "ma_lk": one.visit.ma_lk, "price": price_document(one.visit.ma_lk, one.priced)}
                for one in quote.visits
            ],
            "findings": [write_finding(finding) for finding in quote.findings],
        }
    )
