"""Intents: opened to collect what invoices owe, read with the money that came, and drawn as a QR code.

POST /v1/intents              {"account", "invoice_ids", "amount"?}
GET  /v1/intents/{id}
GET  /v1/intents/{id}/qr.svg
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import Field

from billing.domain.errors import NotFound
from billing.domain.ids import IntentId, InvoiceId
from billing.domain.money import dong
from billing.interop.qr import qr_svg
from billing.services.paying import INVOICES_MAX, find_intent, open_intent
from billing.web.answers import json_answer, moment_text
from billing.web.bodies import Body, read_claimed, read_id
from billing.web.idempotency import replay_headers
from billing.web.surroundings import CALLER, surroundings


class NewIntent(Body):
    """What to collect, through which provider account; without an amount all that the invoices owe, in whole đồng."""

    account: str = Field(min_length=1, max_length=40)
    invoice_ids: list[str] = Field(min_length=1, max_length=INVOICES_MAX)
    amount: int | None = None


async def post_intent(request: web.Request) -> web.Response:
    """Open an intent and say how it is paid."""
    around, caller = surroundings(request), request[CALLER]
    body, claim = await read_claimed(request, NewIntent)
    intent_id = await open_intent(
        around.context,
        caller.organization_id,
        account_name=body.account,
        invoice_ids=[InvoiceId(read_id(invoice_id, field="invoice_ids")) for invoice_id in body.invoice_ids],
        amount=None if body.amount is None else dong(body.amount),
        actor=caller.actor,
        claim=claim,
    )
    row = await find_intent(around.context, caller.organization_id, intent_id)
    return json_answer(
        _intent(row), status=HTTPStatus.CREATED, location=_address(intent_id), headers=replay_headers(claim)
    )


async def get_intent(request: web.Request) -> web.Response:
    """One intent as it stands now."""
    return json_answer(_intent(await _find(request)))


async def get_intent_qr(request: web.Request) -> web.Response:
    """The intent's payment code as an SVG picture."""
    row = await _find(request)
    payload = (row["instruction"] or {}).get("qr_payload")
    if not payload:
        raise NotFound("this intent is not paid by a QR code", field="intent_id")
    picture = qr_svg(payload, title=f"VietQR {row['reference_code']}")
    return web.Response(body=picture.encode(), content_type="image/svg+xml", charset="utf-8")


async def _find(request: web.Request) -> Mapping[str, Any]:
    intent_id = IntentId(read_id(request.match_info["id"], field="intent_id"))
    return await find_intent(surroundings(request).context, request[CALLER].organization_id, intent_id)


def _address(intent_id: IntentId) -> str:
    return f"/v1/intents/{intent_id}"


def _intent(row: Mapping[str, Any]) -> dict[str, object]:
    """Amounts in whole đồng. `instruction` is None where the provider has not said how it is paid."""
    return {
        "id": str(row["id"]),
        "account": row["account"],
        "invoice_ids": [str(invoice_id) for invoice_id in row["invoices"]],
        "reference_code": row["reference_code"],
        "state": row["state"],
        "version": row["version"],
        "amount": row["amount"],
        "received": row["received"],
        "remaining": max(0, row["amount"] - row["received"]),
        "created_at": moment_text(row["created_at"]),
        "expires_at": moment_text(row["expires_at"]),
        "instruction": _instruction(row),
        "payments": row["payments"],
    }


def _instruction(row: Mapping[str, Any]) -> dict[str, object] | None:
    told = row["instruction"]
    if told is None:
        return None
    return {
        "qr_payload": told["qr_payload"],
        "qr_svg": f"{_address(row['id'])}/qr.svg" if told["qr_payload"] else None,
        "redirect_url": told["redirect_url"],
        "bank_bin": told["bank_bin"],
        "account_number": told["account_number"],
        "account_holder": told["account_holder"],
    }
