"""Intents: open one to collect the amount owed by invoices, read it with its payments, draw its QR code.

POST /v1/intents              {"account", "invoice_ids" or "deposit_request_id", "amount"?}
                              {"account", "visit_id", "is_standing": true}
GET  /v1/intents              ?invoice_id, ?deposit_request_id, ?ma_lk, ?reference_code, ?state, ?from, ?to
GET  /v1/intents/{id}
POST /v1/intents/{id}/cancel
GET  /v1/intents/{id}/qr.svg
"""

from http import HTTPStatus

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.checkout.domain.intent_details import IntentDetails, IntentFilter
from billing.checkout.domain.patient_states import START_UNKNOWN
from billing.checkout.domain.urls import pay_path
from billing.checkout.formats.qr_image import qr_svg
from billing.checkout.formats.vietqr import read_vietqr
from billing.checkout.service.intent_targets import (
    INVOICES_MAX,
    IntentTarget,
    InvoicesTarget,
    RequestTarget,
    StandingTarget,
)
from billing.checkout.service.intents import cancel_intent, find_intent, open_intent
from billing.checkout.service.lists import list_intents
from billing.core.errors import NotFound
from billing.core.ids import DepositRequestId, IntentId, InvoiceId, VisitId
from billing.core.money import dong
from billing.core.reference_code import ALPHABET, is_reference_code, purpose_text
from billing.coverage.domain.explain import Language
from billing.payments.domain.amount_due import PatientState
from billing.payments.domain.deposit import AdvanceType
from billing.payments.domain.intent import IntentState
from billing.web.app_state import CALLER, app_state
from billing.web.client_address import source_address
from billing.web.operation import Content, Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, InvalidQuery, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, InvalidBody, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import EXACTLY, Document, PageDocument, Text
from providers.addresses import safe_redirect
from providers.contract import PaymentInstruction


class NewIntent(Body):
    """What to collect, and the provider account: for invoices, for a deposit request, or under a standing code.

    `amount` is in whole đồng; default is all that is owed. A standing code of a visit (`is_standing`) accepts any
    amount any number of times and has none.
    """

    account: str = Field(min_length=1, max_length=40)
    invoice_ids: list[str] = Field(default=[], max_length=INVOICES_MAX)
    deposit_request_id: str | None = None
    visit_id: str | None = None
    is_standing: bool = False
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


class IntentPaymentDocument(Document):
    """A payment under the intent's code, in whole đồng.

    `is_time_known` is false where only the day of `occurred_at` is known.
    """

    id: Text
    amount: int
    occurred_at: Text
    is_time_known: bool
    on_invoices: int
    credit: int


class StateLabelDocument(Document):
    """The state as shown to the patient: one of the published states (docs/states.md) and its label."""

    state: PatientState
    vi: str
    en: str


class IntentSummary(Document):
    """A request to collect an amount, in whole đồng, under one reference code.

    It collects for invoices, or for the deposit of a visit: for a request, or with a standing code (amount 0).
    """

    id: Text
    account: str
    invoice_ids: list[Text]
    visit_id: Text | None
    deposit_request_id: Text | None
    is_standing: bool
    advance_type: AdvanceType | None
    reference_code: str
    state: IntentState
    state_label: StateLabelDocument
    version: int
    amount: int
    received: int
    remaining: int
    created_at: Text
    expires_at: Text | None


@with_config(EXACTLY)
class AdviceDocument(TypedDict):
    """The advice for the desk."""

    vi: str
    en: str


class IntentDocument(IntentSummary):
    """An intent with its payment instruction (null until the provider has answered) and its payments.

    `pay_url` opens the payment page without a key; null once the page was erased. `advice` is set where it is
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
        target=_target(body),
        amount=None if body.amount is None else dong(body.amount),
        actor=caller.actor,
        request=idempotent_request,
        payer_address=source_address(request),
    )
    intent = await find_intent(app.context, caller.organization_id, intent_id)
    return created_response(_intent(request, intent), idempotent_request, location=_address(intent_id))


@operation(
    Operation(
        tag="intents",
        responses={HTTPStatus.OK: PageDocument[IntentSummary]},
        filters={
            "invoice_id": "collects for this invoice",
            "deposit_request_id": "collects for this deposit request",
            "ma_lk": "collects for visits of this MA_LK",
            "reference_code": "the code of nine characters",
            "state": one_of("its state", IntentState),
            **DAY_FILTERS,
        },
    )
)
async def get_intents(request: web.Request) -> web.Response:
    """List intents, the newest first, without payment instructions."""
    page = read_page(
        request, filters=("invoice_id", "deposit_request_id", "ma_lk", "reference_code", "state", *DAY_FILTERS)
    )
    code = page.filters.get("reference_code")
    if code is not None and not is_reference_code(code):
        raise InvalidQuery(
            f"reference_code has nine characters of {ALPHABET}, the last a check character", field="reference_code"
        )
    wanted = IntentFilter(
        invoice_id=read_filter_id(page, "invoice_id", InvoiceId),
        deposit_request_id=read_filter_id(page, "deposit_request_id", DepositRequestId),
        ma_lk=page.filters.get("ma_lk"),
        reference_code=code,
        state=read_choice(page, "state", IntentState),
    )
    rows = await list_intents(app_state(request).context, request[CALLER].organization_id, page.slice, wanted)
    return json_response(page_document(rows, page, IntentSummary.model_validate))


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
    intent = await _find(request)
    if not intent.is_collecting:
        raise NotFound("nothing is to be paid under this intent now", field="intent_id")
    if intent.instruction is None or not intent.instruction.qr_payload:
        raise NotFound("what is due under this intent is not paid by a QR code", field="intent_id")
    picture = qr_svg(intent.instruction.qr_payload, title=f"VietQR {intent.reference_code}")
    return web.Response(body=picture.encode(), content_type="image/svg+xml", charset="utf-8")


def _target(body: NewIntent) -> IntentTarget:
    """Raises InvalidBody unless the body names exactly one target."""
    named = [bool(body.invoice_ids), body.deposit_request_id is not None, body.visit_id is not None]
    if sum(named) != 1:
        raise InvalidBody([("invoice_ids", "name invoices, or a deposit request, or a visit with is_standing")])
    if (body.visit_id is not None) != body.is_standing:
        raise InvalidBody([("is_standing", "is true with visit_id, and only with it")])
    if body.deposit_request_id is not None:
        return RequestTarget(DepositRequestId(read_id(body.deposit_request_id, field="deposit_request_id")))
    if body.visit_id is not None:
        return StandingTarget(VisitId(read_id(body.visit_id, field="visit_id")))
    return InvoicesTarget(tuple(InvoiceId(read_id(each, field="invoice_ids")) for each in body.invoice_ids))


async def _find(request: web.Request) -> IntentDetails:
    intent_id = IntentId(read_id(request.match_info["id"], field="intent_id"))
    return await find_intent(app_state(request).context, request[CALLER].organization_id, intent_id)


def _address(intent_id: IntentId) -> str:
    return f"/v1/intents/{intent_id}"


def _intent(request: web.Request, intent: IntentDetails) -> IntentDocument:
    return IntentDocument.model_validate(
        {
            **dict(IntentSummary.model_validate(intent)),
            "pay_url": _pay_url(request, intent.page_token),
            "instruction": _instruction(request, intent),
            "advice": _advice(intent),
            "payments": intent.payments,
        }
    )


def _advice(intent: IntentDetails) -> AdviceDocument | None:
    if intent.state is not IntentState.UNKNOWN or intent.instruction is not None or intent.received:
        return None
    return {"vi": START_UNKNOWN[Language.VIETNAMESE], "en": START_UNKNOWN[Language.ENGLISH]}


def _pay_url(request: web.Request, token: str | None) -> str | None:
    if token is None:
        return None
    return app_state(request).context.public_base_url + pay_path(request[CALLER].organization_id, token)


def _instruction(request: web.Request, intent: IntentDetails) -> InstructionDocument | None:
    instruction = intent.instruction
    if instruction is None:
        return None
    return {
        "qr_payload": instruction.qr_payload,
        "qr_svg": f"{_address(intent.id)}/qr.svg" if instruction.qr_payload else None,
        "redirect_url": safe_redirect(instruction.redirect_url, allow_http=True),
        "form_fields": [{"name": name, "value": value} for name, value in instruction.form_fields],
        "bank_bin": instruction.bank_bin,
        "bank_name": app_state(request).context.bank_names.get(instruction.bank_bin, ""),
        "account_number": instruction.account_number,
        "account_holder": instruction.account_holder,
        "transfer_text": _transfer_text(intent, instruction),
    }


def _transfer_text(intent: IntentDetails, instruction: PaymentInstruction) -> str:
    """The transfer text for a payer who types it: the text of the QR, else the code with our purpose.

    Empty where nothing is due.
    """
    if not intent.is_collecting:
        return ""
    qr = read_vietqr(instruction.qr_payload)
    if qr is not None and qr.purpose:
        return qr.purpose
    return purpose_text(intent.reference_code) if instruction.account_number else ""
