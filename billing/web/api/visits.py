"""Visits: record them from a claim file or as JSON, read them with their price.

POST /v1/visits         application/xml, text/xml: a claim file; application/json: one visit
GET  /v1/visits         ?ma_lk, ?state, ?from, ?to
GET  /v1/visits/{id}
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.core.ids import OrganizationId, VisitId
from billing.coverage.formats.worked_case_json import write_finding
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.service.record_visits import (
    RecordedVisit,
    find_priced_visit,
    record_claim_file,
    record_visit,
)
from billing.visits.domain.finding import Finding
from billing.visits.formats.visit_schema import VISIT_SCHEMA
from billing.visits.service.lists import ListedVisit, VisitState, list_visits
from billing.web.account_documents import exact_texts
from billing.web.app_state import CALLER, app_state
from billing.web.idempotency import read_idempotent_request, repeat_headers, require_key
from billing.web.operation import Content, Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_page
from billing.web.price_documents import price_document
from billing.web.request_bodies import JSON, parse_json, read_body, read_id, require_media_type
from billing.web.responses import isoformat, json_response
from billing.web.schemas import EXACTLY, FindingDocument, PageDocument, PriceDocument

XML = ("application/xml", "text/xml")


@with_config(EXACTLY)
class RecordedVisitDocument(TypedDict):
    """A recorded visit; `price` is null where findings prevent a price."""

    id: str
    ma_lk: str
    version: int
    is_new_version: bool
    price: PriceDocument | None
    findings: list[FindingDocument]


@with_config(EXACTLY)
class RecordedVisitsDocument(TypedDict):
    """Every recorded visit, and the findings outside of them."""

    visits: list[RecordedVisitDocument]
    findings: list[FindingDocument]


@with_config(EXACTLY)
class VisitDocument(TypedDict):
    """A visit in its newest version; `document` is its submitted document, null once erased."""

    id: str
    ma_lk: str
    facility: str
    version: int
    document: dict[str, Any] | None
    price: PriceDocument | None
    findings: list[FindingDocument]


@with_config(EXACTLY)
class VisitSummary(TypedDict):
    """A visit in a list, without its price."""

    id: str
    ma_lk: str
    facility: str
    version: int
    admitted_at: str
    discharged_at: str | None
    created_at: str


@operation(
    Operation(
        tag="visits",
        request=VISIT_SCHEMA,
        request_contents=(Content(media_type=XML[0], description="A claim file (XML 130)"),),
        responses={HTTPStatus.CREATED: RecordedVisitsDocument, HTTPStatus.OK: RecordedVisitsDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        is_creating=True,
    )
)
async def post_visit(request: web.Request) -> web.Response:
    """Record every visit of the body: 201 with the findings where any visit is new, 200 otherwise."""
    key = require_key(request)
    require_media_type(request, JSON, *XML)
    app, caller = app_state(request), request[CALLER]
    content = await read_body(request, size_max=app.limits.visit_size_max)
    idempotent_request = read_idempotent_request(request, key, content)
    context, organization_id = app.context, caller.organization_id
    findings: Sequence[Finding] = ()
    if request.content_type == JSON:
        document = await parse_json(content)
        one = await record_visit(context, organization_id, document, actor=caller.actor, request=idempotent_request)
        taken: Sequence[RecordedVisit] = () if one is None else (one,)
    else:
        file = await record_claim_file(
            context, organization_id, content, actor=caller.actor, request=idempotent_request
        )
        taken, findings = file.visits, file.findings
    if idempotent_request.earlier is None:
        is_new = any(visit.is_new_version for visit in taken)
        visits = [_taken(visit) for visit in taken]
    else:
        is_new = idempotent_request.earlier.is_new
        visits = [
            await _known(context, organization_id, VisitId(subject)) for subject in idempotent_request.earlier.subjects
        ]
    return json_response(
        {"visits": visits, "findings": [write_finding(finding) for finding in findings]},
        status=HTTPStatus.CREATED if is_new else HTTPStatus.OK,
        location=_address(visits[0]["id"]) if len(visits) == 1 else None,
        headers=repeat_headers(idempotent_request),
    )


@operation(
    Operation(
        tag="visits",
        responses={HTTPStatus.OK: PageDocument[VisitSummary]},
        filters={
            "ma_lk": "the facility's MA_LK",
            "state": one_of("the visit as its newest version states it", VisitState),
            **DAY_FILTERS,
        },
    )
)
async def get_visits(request: web.Request) -> web.Response:
    """List visits, the newest first."""
    page = read_page(request, filters=("ma_lk", "state", *DAY_FILTERS))
    rows = await list_visits(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        ma_lk=page.filters.get("ma_lk"),
        state=read_choice(page, "state", VisitState),
    )
    return json_response(page_document(rows, page, _summary))


@operation(Operation(tag="visits", responses={HTTPStatus.OK: VisitDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_visit(request: web.Request) -> web.Response:
    """Read one visit in its newest version: its document, its findings and its current price."""
    app, caller = app_state(request), request[CALLER]
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    visit, priced = await find_priced_visit(app.context, caller.organization_id, visit_id)
    return json_response(
        {
            "id": str(visit.id),
            "ma_lk": visit.ma_lk,
            "facility": visit.facility_code,
            "version": visit.version,
            "document": exact_texts(visit.document),
            "price": price_document(visit.ma_lk, priced),
            "findings": list(visit.findings),
        }
    )


async def _known(context: PaymentContext, organization_id: OrganizationId, visit_id: VisitId) -> dict[str, object]:
    """The current state of a visit that the first sending of this request recorded."""
    visit, priced = await find_priced_visit(context, organization_id, visit_id)
    return {
        "id": str(visit.id),
        "ma_lk": visit.ma_lk,
        "version": visit.version,
        "is_new_version": False,
        "price": price_document(visit.ma_lk, priced),
        "findings": list(visit.findings),
    }


def _summary(row: ListedVisit) -> VisitSummary:
    return {
        "id": str(row.id),
        "ma_lk": row.ma_lk,
        "facility": row.facility_code,
        "version": row.version,
        "admitted_at": row.admitted_at.isoformat(),
        "discharged_at": isoformat(row.discharged_at),
        "created_at": row.created_at.isoformat(),
    }


def _address(visit_id: object) -> str:
    return f"/v1/visits/{visit_id}"


def _taken(taken: RecordedVisit) -> dict[str, object]:
    return {
        "id": str(taken.id),
        "ma_lk": taken.visit.ma_lk,
        "version": taken.version,
        "is_new_version": taken.is_new_version,
        "price": price_document(taken.visit.ma_lk, taken.priced),
        "findings": [write_finding(finding) for finding in taken.findings],
    }
