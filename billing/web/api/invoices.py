"""Invoices: issued for a visit, and read with their lines and the reasons of every amount.

POST /v1/invoices         {"visit_id"}
GET  /v1/invoices/{id}
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.domain.coverage.explain import Language, explain
from billing.domain.coverage.priced import Reason
from billing.domain.errors import NotFound
from billing.domain.ids import InvoiceId, VisitId
from billing.services.invoicing import find_invoice, issue_invoice
from billing.web.answers import json_answer, moment_text
from billing.web.bodies import Body, read_claimed, read_id
from billing.web.idempotency import replay_headers
from billing.web.surroundings import CALLER, surroundings


class NewInvoice(Body):
    """The visit whose price is frozen."""

    visit_id: str


async def post_invoice(request: web.Request) -> web.Response:
    """Issue what a visit has cost so far and is on no invoice yet."""
    around, caller = surroundings(request), request[CALLER]
    body, claim = await read_claimed(request, NewInvoice)
    visit_id = VisitId(read_id(body.visit_id, field="visit_id"))
    invoice_id = await issue_invoice(around.context, caller.organization_id, visit_id, actor=caller.actor, claim=claim)
    row = await find_invoice(around.context, caller.organization_id, invoice_id)
    return json_answer(
        _invoice(row),
        status=HTTPStatus.CREATED,
        location=f"/v1/invoices/{invoice_id}",
        headers=replay_headers(claim),
    )


async def get_invoice(request: web.Request) -> web.Response:
    """One invoice as it stands now."""
    around, caller = surroundings(request), request[CALLER]
    invoice_id = InvoiceId(read_id(request.match_info["id"], field="invoice_id"))
    return json_answer(_invoice(await find_invoice(around.context, caller.organization_id, invoice_id)))


def _invoice(row: Mapping[str, Any]) -> dict[str, object]:
    """Shares and what is owed in whole đồng; amounts of lines as text with two decimals."""
    patient, insurer, other = row["patient_share"], row["insurer_share"], row["other_share"]
    return {
        "id": str(row["id"]),
        "number": row["number"],
        "visit_id": str(row["visit_id"]),
        "visit_version": row["visit_version"],
        "ma_lk": row["ma_lk"],
        "state": row["state"],
        "version": row["version"],
        "issued_at": moment_text(row["issued_at"]),
        "shares": {"patient": patient, "insurer": insurer, "other": other, "total": patient + insurer + other},
        "corrections": row["corrections"],
        "paid": row["allocated"],
        "owed": row["owed"],
        "reasons": [_reason(reason) for reason in row["reasons"] or ()],
        "lines": [{**line, "reasons": [_reason(reason) for reason in line["reasons"]]} for line in row["lines"]],
    }


def _reason(kept: Mapping[str, Any]) -> dict[str, object]:
    """A kept reason with its sentence and citation in every language."""
    reason = Reason(kept["rule"], kept["operands"], kept.get("variant", ""))
    try:
        words = {language.value: explain(reason, language) for language in Language}
    except NotFound as cause:
        raise AssertionError("a reason of an issued invoice has its sentence for ever") from cause
    return {
        **kept,
        "sentence": {language: explanation.sentence for language, explanation in words.items()},
        "citation": {language: explanation.citation for language, explanation in words.items()},
    }
