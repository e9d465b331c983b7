"""Intents: open one to collect the amount owed by invoices, read it with its payments, draw its QR code.

POST /v1/intents              {"account", "invoice_ids", "amount"?}
GET  /v1/intents              ?invoice_id, ?ma_lk, ?reference_code, ?state, ?from, ?to
GET  /v1/intents/{id}
POST /v1/intents/{id}/cancel
GET  /v1/intents/{id}/qr.svg
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.checkout.domain.patient_states import START_UNKNOWN, WORDS
from billing.checkout.domain.urls import pay_path
from billing.checkout.formats.qr_image import qr_svg
from billing.checkout.formats.vietqr import read_vietqr
from billing.checkout.service.intents import INVOICES_MAX, cancel_intent, find_intent, open_intent
from billing.checkout.service.lists import list_intents
from billing.checkout.service.payment_codes import due_of
from billing.core.errors import NotFound
from billing.core.ids import IntentId, InvoiceId
from billing.core.money import dong
from billing.core.reference_code import purpose_text
from billing.coverage.domain.explain import Language
from billing.payments.domain.amount_due import PatientState
from billing.payments.domain.intent import IntentState
from billing.web.app_state import CALLER, app_state
from billing.web.client_address import source_address
from billing.web.idempotency import repeat_headers
from billing.web.operation import Content, Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent
from billing.web.responses import isoformat, json_response
from billing.web.schemas import EXACTLY, PageDocument
from providers.addresses import safe_redirect


class NewIntent(Body):
    """The invoices, the provider account and the amount in whole đồng; default is all that the invoices owe."""

    account: str = Field(min_length=1, max_length=40)
    invoice_ids: list[str] = Field(min_length=1, max_length=INVOICES_MAX)
    amount: int | None = None


@with_config(EXACTLY)
class FormFieldDocument(TypedDict):
    """One field of a form that the payer's browser posts."""

    name: str
    value: str


@with_config(EXACTLY)
class InstructionDocument(TypedDict):
    """How the payer pays. A text is empty where this payment method does not have it.

    Code and page are for the remaining amount; both are empty where nothing is due. The payer's browser posts
    `form_fields`, if any, to `redirect_url`, in this order.
    """

    qr_payload: str
    qr_svg: str | None
    redirect_url: str
    form_fields: list[FormFieldDocument]
    bank_bin: str
    bank_name: str
    account_number: str
    account_holder: str
    transfer_text: str


class IntentPaymentDocument(TypedDict):
    """A payment under the intent's code, in whole đồng."""

    id: str
    amount: int
    occurred_at: str
    on_invoices: int
    credit: int


@with_config(EXACTLY)
class StateLabelDocument(TypedDict):
    """The state as shown to the patient: one of the published states (docs/states.md) and its label."""

    state: PatientState
    vi: str
    en: str


@with_config(EXACTLY)
class IntentSummary(TypedDict):
    """A request to collect an amount, in whole đồng, under one reference code."""

    id: str
    account: str
    invoice_ids: list[str]
    reference_code: str
    state: IntentState
    state_label: StateLabelDocument
    version: int
    amount: int
    received: int
    remaining: int
    created_at: str
    expires_at: str | None


@with_config(EXACTLY)
class AdviceDocument(TypedDict):
    """The advice for the desk."""

    vi: str
    en: str


class IntentDocument(IntentSummary):
    """An intent with its payment instruction (null until the provider has answered) and its payments.

    `pay_url` opens the payment page without a key; null for an intent without a page. `advice` is set where it is
    unknown whether the provider has started the payment.
    """

    pay_url: str | None
    instruction: InstructionDocument | None
    advice: AdviceDocument | None
    payments: list[IntentPaymentDocument]


@operation(
    Operation(
        tag="intents",
        request=NewIntent,
        responses={HTTPStatus.CREATED: IntentDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        is_creating=True,
    )
)
async def post_intent(request: web.Request) -> web.Response:
    """Open an intent and return its payment instruction."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewIntent)
    intent_id = await open_intent(
        app.context,
        caller.organization_id,
        account_name=body.account,
        invoice_ids=[InvoiceId(read_id(invoice_id, field="invoice_ids")) for invoice_id in body.invoice_ids],
        amount=None if body.amount is None else dong(body.amount),
        actor=caller.actor,
        request=idempotent_request,
        payer_address=source_address(request),
    )
    row = await find_intent(app.context, caller.organization_id, intent_id)
    return json_response(
        _intent(request, row),
        status=HTTPStatus.CREATED,
        location=_address(intent_id),
        headers=repeat_headers(idempotent_request),
    )


@operation(
    Operation(
        tag="intents",
        responses={HTTPStatus.OK: PageDocument[IntentSummary]},
        filters={
            "invoice_id": "collects for this invoice",
            "ma_lk": "collects for visits of this MA_LK",
            "reference_code": "the code of nine characters",
            "state": one_of("its state", IntentState),
            **DAY_FILTERS,
        },
    )
)
async def get_intents(request: web.Request) -> web.Response:
    """List intents, the newest first, without payment instructions."""
    page = read_page(request, filters=("invoice_id", "ma_lk", "reference_code", "state", *DAY_FILTERS))
    rows = await list_intents(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        invoice_id=read_filter_id(page, "invoice_id"),
        ma_lk=page.filters.get("ma_lk"),
        reference_code=page.filters.get("reference_code"),
        state=read_choice(page, "state", IntentState),
    )
    return json_response(page_document(rows, page, _summary))


@operation(
    Operation(
        tag="intents",
        responses={HTTPStatus.OK: IntentDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_cancellation(request: web.Request) -> web.Response:
    """Cancel an intent. A payment that still arrives under its code is booked."""
    app, caller = app_state(request), request[CALLER]
    intent_id = IntentId(read_id(request.match_info["id"], field="intent_id"))
    await cancel_intent(app.context, caller.organization_id, intent_id, actor=caller.actor)
    return json_response(_intent(request, await find_intent(app.context, caller.organization_id, intent_id)))


@operation(Operation(tag="intents", responses={HTTPStatus.OK: IntentDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_intent(request: web.Request) -> web.Response:
    """Read one intent."""
    return json_response(_intent(request, await _find(request)))


@operation(
    Operation(
        tag="intents",
        responses={HTTPStatus.OK: Content(media_type="image/svg+xml", description="The code as a picture")},
        problems=(HTTPStatus.NOT_FOUND,),
    )
)
async def get_intent_qr(request: web.Request) -> web.Response:
    """Read the payment code of the amount due, as an SVG picture."""
    row = await _find(request)
    if due_of(row).remaining == 0:
        raise NotFound("nothing is to be paid under this intent now", field="intent_id")
    payload = (row["instruction_now"] or {}).get("qr_payload")
    if not payload:
        raise NotFound("what is due under this intent is not paid by a QR code", field="intent_id")
    picture = qr_svg(payload, title=f"VietQR {row['reference_code']}")
    return web.Response(body=picture.encode(), content_type="image/svg+xml", charset="utf-8")


async def _find(request: web.Request) -> Mapping[str, Any]:
    intent_id = IntentId(read_id(request.match_info["id"], field="intent_id"))
    return await find_intent(app_state(request).context, request[CALLER].organization_id, intent_id)


def _address(intent_id: IntentId) -> str:
    return f"/v1/intents/{intent_id}"


def _intent(request: web.Request, row: Mapping[str, Any]) -> IntentDocument:
    return {
        **_summary(row),
        "pay_url": _pay_url(request, row["page_token"]),
        "instruction": _instruction(request, row),
        "advice": _advice(row),
        "payments": row["payments"],
    }


def _advice(row: Mapping[str, Any]) -> AdviceDocument | None:
    if row["state"] != IntentState.UNKNOWN.value or row["instruction"] is not None or row["received"]:
        return None
    return {"vi": START_UNKNOWN[Language.VIETNAMESE], "en": START_UNKNOWN[Language.ENGLISH]}


def _pay_url(request: web.Request, token: str | None) -> str | None:
    if token is None:
        return None
    return app_state(request).context.public_base_url + pay_path(request[CALLER].organization_id, token)


def _state_label(row: Mapping[str, Any]) -> StateLabelDocument:
    state = due_of(row).state
    return {
        "state": state,
        "vi": WORDS[state][Language.VIETNAMESE].desk_label,
        "en": WORDS[state][Language.ENGLISH].desk_label,
    }


def _summary(row: Mapping[str, Any]) -> IntentSummary:
    return {
        "id": str(row["id"]),
        "account": row["account"],
        "invoice_ids": [str(invoice_id) for invoice_id in row["invoices"]],
        "reference_code": row["reference_code"],
        "state": row["state"],
        "state_label": _state_label(row),
        "version": row["version"],
        "amount": row["amount"],
        "received": row["received"],
        "remaining": due_of(row).remaining,
        "created_at": row["created_at"].isoformat(),
        "expires_at": isoformat(row["expires_at"]),
    }


def _instruction(request: web.Request, row: Mapping[str, Any]) -> InstructionDocument | None:
    instruction = row["instruction_now"]
    if instruction is None:
        return None
    return {
        "qr_payload": instruction["qr_payload"],
        "qr_svg": f"{_address(row['id'])}/qr.svg" if instruction["qr_payload"] else None,
        "redirect_url": safe_redirect(instruction["redirect_url"], allow_http=True),
        "form_fields": [{"name": name, "value": value} for name, value in instruction.get("form_fields") or ()],
        "bank_bin": instruction["bank_bin"],
        "bank_name": app_state(request).context.bank_names.get(instruction["bank_bin"], ""),
        "account_number": instruction["account_number"],
        "account_holder": instruction["account_holder"],
        "transfer_text": _transfer_text(row),
    }


def _transfer_text(row: Mapping[str, Any]) -> str:
    """The transfer text for a payer who types it: the text of the QR, else the code with our purpose.

    Empty where nothing is due.
    """
    instruction = row["instruction_now"]
    if due_of(row).remaining == 0:
        return ""
    qr = read_vietqr(instruction["qr_payload"])
    if qr is not None and qr.purpose:
        return qr.purpose
    return purpose_text(row["reference_code"]) if instruction["account_number"] else ""
