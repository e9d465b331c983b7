"""The patient's page: how much, to whom, and whether it has come. No key: whoever holds the token sees it.

GET  /pay/{organization}-{token}             the page; ?lang=en
GET  /pay/{organization}-{token}/state       the part of it that changes
GET  /pay/{organization}-{token}/events      says "changed", see `live.py`
GET  /pay/{organization}-{token}/qr.png      the code as a picture to keep
POST /pay/{organization}-{token}/transferred the payer says so: the bank is asked sooner, and nothing else happens

An address that opens nothing is told so in the same words after the same work, whatever is wrong with it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from markupsafe import Markup

from billing.domain.coverage.explain import Language, money_text
from billing.domain.errors import NotFound, Unavailable
from billing.domain.ids import OrganizationId
from billing.domain.ledger import VIETNAM
from billing.domain.states import FINAL, WORDS, PatientState
from billing.interop.qr import qr_png, qr_svg
from billing.services.showing import PayPage, ask_sooner, find_pay_page
from billing.web.live import LIVE
from billing.web.pages.pay.words import PAGE_WORDS, cost_sentences
from billing.web.pages.rendering import html_answer
from billing.web.surroundings import surroundings

PAGE_PATH = "/pay/{page:[^/]{1,100}}"
_PAGE = re.compile(r"([1-9][0-9]{0,8})-([0-9a-f]{32})")
_NOWHERE = (OrganizationId(1), bytes(16))
_TONES = {
    PatientState.PAID: "good",
    PatientState.SETTLED: "good",
    PatientState.OVER: "good",
    PatientState.SHORT: "attention",
    PatientState.EXPIRED: "attention",
    PatientState.CANCELLED: "stop",
    PatientState.CANCELLED_SHORT: "stop",
    PatientState.FAILED: "stop",
}


def add_pay_routes(application: web.Application) -> None:
    """Give the page its addresses."""
    router = application.router
    router.add_get(PAGE_PATH, get_page)
    router.add_get(PAGE_PATH + "/state", get_state)
    router.add_get(PAGE_PATH + "/events", get_events, allow_head=False)
    router.add_get(PAGE_PATH + "/qr.png", get_picture)
    router.add_post(PAGE_PATH + "/transferred", post_transferred)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an address names: whose page, and in which language it is wanted."""

    organization_id: OrganizationId
    token: bytes
    language: Language


async def get_page(request: web.Request) -> web.Response:
    """The page as things stand now."""
    asked = _read(request)
    try:
        page = await find_pay_page(surroundings(request).context, asked.organization_id, asked.token)
    except (NotFound, Unavailable) as refusal:
        return _refuse(refusal, asked.language)
    values = _state_values(request, page, asked.language)
    words = PAGE_WORDS[asked.language]
    explanation = [cost_sentences(bill, asked.language) for bill in page.bills]
    if page.amount < sum(bill.patient_share for bill in page.bills):
        explanation.append([words["part_of_bill"].format(amount=money_text(page.amount))])
    return html_answer("pay/page.html", form_to=_form_to(page), page=page, explanation=explanation, **values)


async def get_state(request: web.Request) -> web.Response:
    """The part of the page that changes, as a fragment."""
    asked = _read(request)
    try:
        page = await find_pay_page(surroundings(request).context, asked.organization_id, asked.token)
    except (NotFound, Unavailable) as refusal:
        return _refuse(refusal, asked.language)
    return html_answer("pay/state.html", page=page, **_state_values(request, page, asked.language))


async def get_events(request: web.Request) -> web.StreamResponse:
    """A stream that says "changed" whenever the state is worth fetching again."""
    asked = _read(request)
    try:
        page = await find_pay_page(surroundings(request).context, asked.organization_id, asked.token)
    except (NotFound, Unavailable) as refusal:
        return _refuse(refusal, asked.language)
    hub = request.config_dict[LIVE]
    return await hub.stream(request, asked.organization_id, page.intent_id, page.version)


async def get_picture(request: web.Request) -> web.Response:
    """The code that the page shows now, as a file for the phone's pictures."""
    asked = _read(request)
    try:
        page = await find_pay_page(surroundings(request).context, asked.organization_id, asked.token)
        if page.code is None:
            raise NotFound("this page shows no code")
    except (NotFound, Unavailable) as refusal:
        return _refuse(refusal, asked.language)
    return web.Response(
        body=qr_png(page.code.payload),
        content_type="image/png",
        headers={"Content-Disposition": f'attachment; filename="vietqr-{page.reference}.png"'},
    )


async def post_transferred(request: web.Request) -> web.Response:
    """Ask the bank sooner, and lead back to the page. Whatever was sent along is not read."""
    asked = _read(request)
    try:
        await ask_sooner(surroundings(request).context, asked.organization_id, asked.token)
    except (NotFound, Unavailable) as refusal:
        return _refuse(refusal, asked.language)
    english = "&lang=en" if asked.language is Language.ENGLISH else ""
    location = f"{request.path.removesuffix('/transferred')}?told=1{english}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def _form_to(page: PayPage) -> str:
    """The origin that the page's form may be posted to besides our own."""
    if page.elsewhere is None or not page.elsewhere.fields:
        return ""
    return "https://" + urlsplit(page.elsewhere.address).netloc


def _read(request: web.Request) -> _Asked:
    language = Language.ENGLISH if request.query.get("lang") == Language.ENGLISH.value else Language.VIETNAMESE
    found = _PAGE.fullmatch(request.match_info["page"])
    organization_id, token = _NOWHERE if found is None else (OrganizationId(int(found[1])), bytes.fromhex(found[2]))
    return _Asked(organization_id, token, language)


def _state_values(request: web.Request, page: PayPage, language: Language) -> dict[str, Any]:
    words = PAGE_WORDS[language]
    told = WORDS[page.state][language]
    amounts = {name: money_text(getattr(page, name)) for name in ("amount", "received", "credit", "due")}
    code = page.code
    expires = "" if page.expires_at is None else page.expires_at.astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")
    path = request.path.removesuffix("/state")
    return {
        "words": words,
        "path": path,
        "lang": language.value,
        "query": "?lang=en" if language is Language.ENGLISH else "",
        "was_told": request.query.get("told") == "1",
        "label": told.label,
        # An amount is never broken over two lines.
        "sentence": told.sentence.format(
            **{name: text.replace(" ", "\N{NO-BREAK SPACE}") for name, text in amounts.items()}
        ),
        "tone": _TONES.get(page.state, "waiting"),
        "is_final": page.state in FINAL,
        "is_waiting": page.state is PatientState.WAITING,
        "is_missing_code": code is None and page.elsewhere is None and page.state not in _WITHOUT_CODE,
        "amounts": amounts,
        "valid_until": words["valid_until"].format(moment=expires) if expires else "",
        "picture": None if code is None else _picture(code.payload, words["qr_alt"], amounts["due"], code.text),
    }


_WITHOUT_CODE = FINAL | {
    PatientState.PREPARING,
    PatientState.CANCELLED,
    PatientState.CANCELLED_SHORT,
    PatientState.FAILED,
}


@lru_cache(maxsize=1_000)
def _picture(payload: str, title: str, amount: str, text: str) -> Markup:
    """Drawn once: a page that polls asks for the same picture again and again."""
    return Markup(qr_svg(payload, title=title.format(amount=amount, text=text)))  # noqa: S704 - ours, title escaped


def _refuse(refusal: NotFound | Unavailable, language: Language) -> web.Response:
    is_unknown = isinstance(refusal, NotFound)
    return html_answer(
        "pay/refusal.html",
        status=HTTPStatus.NOT_FOUND if is_unknown else HTTPStatus.SERVICE_UNAVAILABLE,
        words=PAGE_WORDS[language],
        kind="unknown" if is_unknown else "unavailable",
    )
