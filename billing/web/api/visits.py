"""Visits: taken in from a claim file or as JSON, and read with their price.

POST /v1/visits         application/xml, text/xml: a claim file; application/json: one visit
GET  /v1/visits/{id}
"""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from billing.domain.coverage.priced import PricedVisit
from billing.domain.finding import Finding
from billing.domain.ids import VisitId
from billing.interop.bhyt_case import write_finding, write_priced_visit
from billing.services.visiting import TakenVisit, find_priced_visit, take_claim_file, take_visit
from billing.web.answers import json_answer
from billing.web.bodies import JSON, read_body, read_id, read_json, require_media_type
from billing.web.surroundings import CALLER, surroundings

XML = ("application/xml", "text/xml")


async def post_visit(request: web.Request) -> web.Response:
    """Take in every visit of the body: 201 with what was found where anything was new, 200 where nothing was."""
    require_media_type(request, JSON, *XML)
    around, caller = surroundings(request), request[CALLER]
    size_max = around.limits.visit_size_max
    if request.content_type == JSON:
        document = await read_json(request, size_max=size_max)
        visits: Sequence[TakenVisit] = (
            await take_visit(around.context, caller.organization_id, document, actor=caller.actor),
        )
        findings: Sequence[Finding] = ()
    else:
        content = await read_body(request, size_max=size_max)
        file = await take_claim_file(around.context, caller.organization_id, content, actor=caller.actor)
        visits, findings = file.visits, file.findings
    return json_answer(
        {
            "visits": [_taken(taken) for taken in visits],
            "findings": [write_finding(finding) for finding in findings],
        },
        status=HTTPStatus.CREATED if any(taken.is_new_version for taken in visits) else HTTPStatus.OK,
        location=_address(visits[0].id) if len(visits) == 1 else None,
    )


async def get_visit(request: web.Request) -> web.Response:
    """One visit in its newest version: what was told of it, what was found, and what it costs today."""
    around, caller = surroundings(request), request[CALLER]
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    visit = await find_priced_visit(around.context, caller.organization_id, visit_id)
    return json_answer(
        {
            "id": str(visit.id),
            "ma_lk": visit.ma_lk,
            "facility": visit.facility_code,
            "version": visit.version,
            "document": visit.document,
            "price": _price(visit.ma_lk, visit.priced),
            "findings": list(visit.findings),
        }
    )


def _address(visit_id: VisitId) -> str:
    return f"/v1/visits/{visit_id}"


def _taken(taken: TakenVisit) -> dict[str, object]:
    return {
        "id": str(taken.id),
        "ma_lk": taken.visit.ma_lk,
        "version": taken.version,
        "is_new_version": taken.is_new_version,
        "price": _price(taken.visit.ma_lk, taken.priced),
        "findings": [write_finding(finding) for finding in taken.findings],
    }


def _price(ma_lk: str, priced: PricedVisit | None) -> dict[str, object] | None:
    """Amounts with two decimals as text, shares in whole đồng; None where the findings say why there is none."""
    if priced is None:
        return None
    shares = priced.shares
    return {
        **write_priced_visit(ma_lk, priced),
        "shares": {
            "patient": shares.patient,
            "insurer": shares.insurer,
            "other": shares.other,
            "total": shares.total,
        },
    }
