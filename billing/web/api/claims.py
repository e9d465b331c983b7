"""Checks of claims before submission, and the price of a visit by each care route. Nothing is stored.

POST /v1/claims/check            a claim file, or JSON {"visit", "facts"?}
GET  /v1/visits/{id}/claim-check a recorded visit
POST /v1/quotes/what-if          as /v1/claims/check
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, NotRequired

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.claims.domain.claim import Severity
from billing.claims.formats.claim_json import check_json, compare_json
from billing.claims.service.check import (
    check_claim_file,
    check_stored_visit,
    check_visit_document,
    compare_claim_file,
    compare_visit_document,
)
from billing.core.ids import VisitId
from billing.coverage.domain.explain import RULE_STATUSES, Language
from billing.coverage.domain.what_if import RouteStatus
from billing.visits.formats.json_fields import Fields
from billing.visits.formats.visit_facts_json import SuppliedFacts, parse_facts
from billing.web.api.visits import XML
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, operation
from billing.web.pagination import InvalidQuery, read_query
from billing.web.request_bodies import JSON, parse_json, read_body, read_id, require_media_type
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, FindingDocument, enum_schema

_LANGUAGE = {"lang": "language of the sentences: vi (default) or en"}


class ClaimFindingDocument(FindingDocument):
    """A finding with its severity (error, warning, information) and the rule behind it in a sentence."""

    severity: Annotated[str, enum_schema(Severity)]
    rule: str
    sentence: str
    citation: str
    status: Annotated[str, enum_schema(RULE_STATUSES)]


@with_config(EXACTLY)
class CheckedVisitDocument(TypedDict):
    """One visit. It is ready where it has ended and no finding is an error."""

    hoso: int | None
    MA_LK: str
    is_open: bool
    is_ready: bool
    findings: list[ClaimFindingDocument]


@with_config(EXACTLY)
class CheckDocument(TypedDict):
    """Every readable visit, and the findings outside of them."""

    visits: list[CheckedVisitDocument]
    findings: list[ClaimFindingDocument]


@with_config(EXACTLY)
class RouteDocument(TypedDict):
    """One care route. `facts` are the missing facts. Amounts are null where there is no price."""

    code: str
    name: str
    status: Annotated[str, enum_schema(RouteStatus)]
    facts: list[str]
    facts_named: str
    patient: int | None
    insurer: int | None
    other: int | None
    refused_rule: str
    refusal: str


@with_config(EXACTLY)
class ComparedVisitDocument(TypedDict):
    """The lawful routes of one visit in table order. `chosen` is null while facts are missing."""

    hoso: int | None
    MA_LK: str
    stated: str
    chosen: str | None
    routes: list[RouteDocument]


@with_config(EXACTLY)
class ComparisonDocument(TypedDict):
    """Every readable visit, and the findings of the others."""

    visits: list[ComparedVisitDocument]
    findings: list[FindingDocument]


@with_config(EXACTLY)
class SubmittedVisitDocument(TypedDict):
    """One visit as for /v1/visits, and facts outside the tables: facility, lists, visits by MA_LK."""

    visit: dict[str, Any]
    facts: NotRequired[dict[str, Any]]


_REQUEST_PROBLEMS = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
_FILE = (Content(media_type=XML[0], description="A claim file (XML 130)"),)


@operation(
    Operation(
        tag="claims",
        request=SubmittedVisitDocument,
        request_contents=_FILE,
        responses={HTTPStatus.OK: CheckDocument},
        problems=_REQUEST_PROBLEMS,
        query=_LANGUAGE,
    )
)
async def post_claim_check(request: web.Request) -> web.Response:
    """List the findings that prevent claims of the visits in the body. Nothing is stored."""
    language = _language(request)
    content, supplied = await _read_request(request)
    context, organization_id = app_state(request).context, request[CALLER].organization_id
    if supplied is None:
        checked = await check_claim_file(context, organization_id, content)
    else:
        checked = await check_visit_document(context, organization_id, supplied[0], supplied=supplied[1])
    return json_response(check_json(checked, language))


@operation(
    Operation(
        tag="claims",
        responses={HTTPStatus.OK: CheckDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        query=_LANGUAGE,
    )
)
async def get_claim_check(request: web.Request) -> web.Response:
    """List the findings that prevent the claim of a recorded visit."""
    language = _language(request)
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    checked = await check_stored_visit(app_state(request).context, request[CALLER].organization_id, visit_id)
    return json_response(check_json(checked, language))


@operation(
    Operation(
        tag="quotes",
        request=SubmittedVisitDocument,
        request_contents=_FILE,
        responses={HTTPStatus.OK: ComparisonDocument},
        problems=_REQUEST_PROBLEMS,
        query=_LANGUAGE,
    )
)
async def post_what_if(request: web.Request) -> web.Response:
    """Compare the patient share under each lawful care route. Nothing is stored."""
    language = _language(request)
    content, supplied = await _read_request(request)
    context, organization_id = app_state(request).context, request[CALLER].organization_id
    if supplied is None:
        compared = await compare_claim_file(context, organization_id, content)
    else:
        compared = await compare_visit_document(context, organization_id, supplied[0], supplied=supplied[1])
    return json_response(compare_json(compared, language))


def _language(request: web.Request) -> Language:
    written = read_query(request, ("lang",)).get("lang", Language.VIETNAMESE.value)
    if written not in set(Language):
        raise InvalidQuery("lang is vi or en", field="lang")
    return Language(written)


async def _read_request(request: web.Request) -> tuple[bytes, tuple[Mapping[str, object], SuppliedFacts] | None]:
    """The bytes of a claim file, or the visit and facts of a JSON body."""
    require_media_type(request, JSON, *XML)
    content = await read_body(request, size_max=app_state(request).limits.visit_size_max)
    if request.content_type != JSON:
        return content, None
    fields = Fields(await parse_json(content), "")
    fields.refuse_other_keys(frozenset({"visit", "facts"}))
    supplied = parse_facts(fields.object("facts")) if fields.has("facts") else SuppliedFacts()
    return content, (fields.object("visit").values, supplied)
