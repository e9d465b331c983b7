"""The payment page: amount, payee and state. It needs no key: the token in the URL gives access.

GET  /pay/{organization}-{token}             the page; ?lang=en
GET  /pay/{organization}-{token}/state       the part that changes, as a fragment
GET  /pay/{organization}-{token}/events      event stream of changes, see `live.py`
GET  /pay/{organization}-{token}/qr.png      the QR code as a file
GET  /pay/{organization}-{token}/confirmation.html  the confirmation of the payments, as a file
POST /pay/{organization}-{token}/transferred the payer reports a transfer: the poll is expedited
POST /pay/{organization}-{token}/keep        the payer wishes that money paid too much is kept
POST /pay/{organization}-{token}/return      the payer requests that it is returned; finance accepts or declines

Every invalid link gets the same page after the same work. The page shows the phones of the hospital that the link
names.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web
from markupsafe import Markup

from billing.checkout.domain.page_content import SurplusChoice
from billing.checkout.domain.patient_states import WORDS
from billing.checkout.formats.qr_image import qr_png, qr_svg
from billing.checkout.service.desk_phones import DeskPhone
from billing.checkout.service.pay_page import PayPage, choose_surplus, expedite_poll, find_pay_page
from billing.core.clock import VIETNAM, known_time
from billing.core.errors import NotFound, Unavailable
from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.coverage.domain.explain import Language, money_text
from billing.payments.domain.amount_due import FINAL, PatientState
from billing.payments.service.context import PaymentContext
from billing.web.anonymous import TooManyRequests
from billing.web.app_state import app_state
from billing.web.client_address import source_address
from billing.web.live import LIVE
from billing.web.pages.pay.messages import PAGE_MESSAGES, cost_sentences
from billing.web.pages.pay.surplus import return_sentence, surplus_sentences
from billing.web.pages.rendering import html_response
from billing.web.problems import RETRY_AFTER_S
from providers.addresses import origin_of

T = TypeVar("T")

PAGE_PATH = "/pay/{page:[^/]{1,100}}"
_PAGE = re.compile(r"([1-9][0-9]{0,8})-([0-9a-f]{32})")
_ORGANIZATION = re.compile(r"([1-9][0-9]{0,8})(?![0-9])")
_RETURNS_SHOWN = 3
_NO_PAGE = (OrganizationId(1), bytes(16))
_TONES = {
    PatientState.PAID: "good",
    PatientState.PAID_OTHERWISE: "good",
    PatientState.OVER: "good",
    PatientState.SHORT: "attention",
    PatientState.PART_PAID: "attention",
    PatientState.EXPIRED: "attention",
    PatientState.CANCELLED: "stop",
    PatientState.CANCELLED_SHORT: "stop",
    PatientState.FAILED: "stop",
    PatientState.CLOSED: "stop",
}


def add_pay_routes(application: web.Application) -> None:
    """Add the routes of the page."""
    router = application.router
    router.add_get(PAGE_PATH, get_page)
    router.add_get(PAGE_PATH + "/state", get_state)
    router.add_get(PAGE_PATH + "/events", get_events, allow_head=False)
    router.add_get(PAGE_PATH + "/qr.png", get_picture)
    router.add_get(PAGE_PATH + "/confirmation.html", get_confirmation)
    router.add_post(PAGE_PATH + "/transferred", post_transferred)
    router.add_post(PAGE_PATH + "/{choice:keep|return}", post_choice)


@dataclass(frozen=True, slots=True)
class _PageRequest:
    """The parsed link: organization, token and language.

    `named_id` is the organization at the start of the link, also where the rest is no valid token.
    """

    named_id: OrganizationId | None
    organization_id: OrganizationId
    token: bytes
    language: Language


async def get_page(request: web.Request) -> web.Response:
    """The page in its current state."""
    page_request = _read(request)
    try:
        page = await _find(request, page_request)
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    values = _state_values(request, page, page_request.language)
    messages = PAGE_MESSAGES[page_request.language]
    explanation = [cost_sentences(bill, page_request.language) for bill in page.bills]
    if page.amount < sum(bill.patient_share for bill in page.bills):
        explanation.append([messages["part_of_bill"].format(amount=money_text(page.amount))])
    return html_response("pay/page.html", form_to=_form_to(page), page=page, explanation=explanation, **values)


async def get_state(request: web.Request) -> web.Response:
    """The part of the page that changes, as a fragment."""
    page_request = _read(request)
    try:
        page = await _find(request, page_request)
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    return html_response("pay/state.html", page=page, **_state_values(request, page, page_request.language))


async def get_events(request: web.Request) -> web.StreamResponse:
    """A stream that sends "changed" after each change of the state."""
    page_request = _read(request)
    try:
        page = await _find(request, page_request)
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    hub = request.config_dict[LIVE]
    return await hub.stream(request, page_request.organization_id, page.intent_id, page.version)


async def get_picture(request: web.Request) -> web.Response:
    """The code of the page, as an image file."""
    page_request = _read(request)
    try:
        page = await _find(request, page_request)
        if page.code is None:
            raise NotFound("this page shows no code")
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    return web.Response(
        body=qr_png(page.code.payload),
        content_type="image/png",
        headers={"Content-Disposition": f'attachment; filename="vietqr-{page.reference}.png"'},
    )


async def get_confirmation(request: web.Request) -> web.Response:
    """The confirmation of the payments, as one self-contained file."""
    page_request = _read(request)
    try:
        page = await _find(request, page_request)
        if not page.payments:
            raise NotFound("nothing was received under this code")
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    answer = html_response(
        "pay/confirmation.html",
        page=page,
        time=_format_time(app_state(request).context.clock()),
        **_state_values(request, page, page_request.language),
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="vien-phi-{page.reference}.html"'
    return answer


async def post_transferred(request: web.Request) -> web.Response:
    """Expedite the poll and redirect to the page. The body is not read."""
    page_request = _read(request)
    try:
        await _look_up(request, page_request, expedite_poll)
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    english = "&lang=en" if page_request.language is Language.ENGLISH else ""
    location = f"{request.path.removesuffix('/transferred')}?reported=1{english}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


async def post_choice(request: web.Request) -> web.Response:
    """Record what the payer wishes to become of excess money, and redirect to the page. The body is not read."""
    page_request, choice = _read(request), SurplusChoice(request.match_info["choice"])
    try:
        await _look_up(request, page_request, partial(choose_surplus, choice=choice))
    except (NotFound, Unavailable) as refusal:
        return await _refuse(request, refusal, page_request)
    english = "?lang=en" if page_request.language is Language.ENGLISH else ""
    location = f"{request.path.removesuffix(f'/{choice.value}')}{english}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


async def _find(request: web.Request, page_request: _PageRequest) -> PayPage:
    """The page of a link. Raises NotFound, TooManyRequests, Unavailable."""
    return await _look_up(request, page_request, find_pay_page)


async def _look_up(
    request: web.Request,
    page_request: _PageRequest,
    use_case: Callable[[PaymentContext, OrganizationId, bytes], Awaitable[T]],
) -> T:
    app = app_state(request)
    return await app.anonymous.look_up(
        source_address(request),
        f"{page_request.organization_id}-".encode() + page_request.token,
        lambda: use_case(app.context, page_request.organization_id, page_request.token),
        missing=NotFound("no such page"),
    )


def _form_to(page: PayPage) -> str:
    """The further origin to which the form of the page may be posted."""
    if page.redirect is None or not page.redirect.fields:
        return ""
    return origin_of(page.redirect.address)


def _read(request: web.Request) -> _PageRequest:
    language = Language.ENGLISH if request.query.get("lang") == Language.ENGLISH.value else Language.VIETNAMESE
    page = request.match_info["page"]
    found, named = _PAGE.fullmatch(page), _ORGANIZATION.match(page)
    organization_id, token = _NO_PAGE if found is None else (OrganizationId(int(found[1])), bytes.fromhex(found[2]))
    named_id = None if named is None else OrganizationId(int(named[1]))
    return _PageRequest(named_id, organization_id, token, language)


def _state_values(request: web.Request, page: PayPage, language: Language) -> dict[str, Any]:
    messages = PAGE_MESSAGES[language]
    amounts = {name: money_text(getattr(page, name)) for name in ("amount", "received", "due", "owed")}
    amounts["credit"] = money_text(Dong(max(page.surplus.amount, page.credit)))
    code = page.code
    shown = messages["any_amount"] if page.is_standing else amounts["due"]
    expires = "" if page.expires_at is None else _format_time(page.expires_at)
    path = request.path.removesuffix("/state").removesuffix("/confirmation.html")
    has_report = request.query.get("reported") == "1"
    is_reported = has_report and page.state in _STATES_WITH_REPORT
    label, sentence = _status(page, language, amounts, is_reported=is_reported)
    return {
        "messages": messages,
        "path": path,
        "lang": language.value,
        "query": "?lang=en" if language is Language.ENGLISH else "",
        "other_query": f"?lang={messages['other_lang']}" + ("&reported=1" if has_report else ""),
        "is_reported": is_reported and page.state is not PatientState.SHORT,  # the rest is reported by itself
        "label": label,
        "sentence": sentence,
        "tone": _TONES.get(page.state, "waiting"),
        "is_final": page.state in FINAL,
        "is_waiting": page.state is PatientState.WAITING,
        "is_missing_code": code is None and page.redirect is None and page.state not in _WITHOUT_CODE,
        "amounts": amounts,
        "payments": [
            (_format_occurred(each.occurred_at), money_text(each.amount), each.bank_reference) for each in page.payments
        ],
        "next_step": messages.get(f"next_{page.state.value}", ""),
        "surplus": surplus_sentences(page.surplus, language),
        "returns": [return_sentence(each, language) for each in page.returns[-_RETURNS_SHOWN:]],
        "valid_until": messages["valid_until"].format(time=expires) if expires else "",
        "picture": None if code is None else _picture(code.payload, messages["qr_alt"], shown, code.text),
    }


def _status(page: PayPage, language: Language, amounts: Mapping[str, str], *, is_reported: bool) -> tuple[str, str]:
    """Label and sentence of the status line; after a reported transfer it confirms the report.

    What becomes of excess money stands with the choice where the payer has one.
    """
    messages = PAGE_MESSAGES[language]
    if is_reported and page.state is not PatientState.SHORT:
        return messages["checking"], messages["checking_note"]
    state_message = WORDS[_words_of(page)][language]
    # An amount is never broken over two lines.
    unbroken = {name: text.replace(" ", "\N{NO-BREAK SPACE}") for name, text in amounts.items()}
    sentence = (messages["over_received"] if page.surplus.may_choose else state_message.sentence).format(**unbroken)
    return state_message.label, f"{sentence} {messages['checking_rest']}" if is_reported else sentence


def _format_occurred(time: datetime) -> str:
    """The time of a payment, or its day alone where the time is not known."""
    return f"{time.astimezone(VIETNAM):%d/%m/%Y}" if known_time(time) is None else _format_time(time)


def _words_of(page: PayPage) -> PatientState:
    """The state whose words are shown: a deposit that was paid with an excess is overpaid for the payer."""
    return PatientState.OVER if page.state is PatientState.PAID and page.surplus.may_choose else page.state


def _format_time(time: datetime) -> str:
    return time.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")


_STATES_WITH_REPORT = frozenset({PatientState.WAITING, PatientState.CHECKING, PatientState.SHORT, PatientState.EXPIRED})
_WITHOUT_CODE = FINAL | {
    PatientState.PREPARING,
    PatientState.CANCELLED,
    PatientState.CANCELLED_SHORT,
    PatientState.FAILED,
    PatientState.CLOSED,
}


@lru_cache(maxsize=1_000)
def _picture(payload: str, title: str, amount: str, text: str) -> Markup:
    """The QR code as SVG, cached: a page that polls requests the same image repeatedly."""
    return Markup(qr_svg(payload, title=title.format(amount=amount, text=text)))  # noqa: S704 - ours, title escaped


async def _refuse(request: web.Request, refusal: NotFound | Unavailable, page_request: _PageRequest) -> web.Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(refusal, NotFound):
        status = HTTPStatus.NOT_FOUND
    elif isinstance(refusal, TooManyRequests):
        status = HTTPStatus.TOO_MANY_REQUESTS
    is_unknown = status is HTTPStatus.NOT_FOUND
    phones: Sequence[DeskPhone] = ()
    if is_unknown and page_request.named_id is not None:
        phones = await app_state(request).desk_phones.find(page_request.named_id)
    response = html_response(
        "pay/refusal.html",
        status=status,
        messages=PAGE_MESSAGES[page_request.language],
        kind="unknown" if is_unknown else "unavailable",
        phones=phones,
    )
    if status is not HTTPStatus.NOT_FOUND:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response
