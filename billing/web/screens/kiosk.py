"""The kiosk: a patient scans, sees what is due, pays by QR; or takes a number of the queue.

GET  /kiosk          the start page
POST /kiosk/find     the visit of a scan: its payment code is shown
GET  /kiosk/visit    the amount, the code and its state; the page leaves after a minute
GET  /kiosk/state    the same without its frame, where money has come since the page was made
GET  /kiosk/slip     the paper: the code to pay later, or what was received
POST /kiosk/ticket   a number of the queue
GET  /kiosk/ticket   the number that was given

A person is found by a number of a card, a slip or a code, never by a name. The page shows the shortened name, the
amount and the code, and nothing else. The language stands in the address, so that the next person finds Vietnamese.
Source: docs/ux.md, Patient page (kiosk).
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from billing.checkout.domain.intent_details import IntentDetails
from billing.checkout.formats.qr_image import qr_svg
from billing.checkout.service.code_accounts import list_code_accounts
from billing.checkout.service.intent_targets import IntentTarget, InvoicesTarget, RequestTarget
from billing.checkout.service.intents import find_intent, open_intent
from billing.core.amount_words import write_in_words
from billing.core.errors import InvalidValue, NotFound, Refused
from billing.core.ids import IntentId, VisitId
from billing.core.money import half_up_dong
from billing.core.reference_code import purpose_text
from billing.core.text import shorten_name
from billing.db.idempotency import IdempotentRequest
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.domain.queue_ticket import QueueLine
from billing.visit_accounts.service.desk_screens import request_for_code
from billing.visit_accounts.service.desk_search import find_at_desk
from billing.visit_accounts.service.desk_visits import DeskChoice, DeskView, find_desk_view
from billing.visit_accounts.service.facility_limits import find_reached
from billing.visit_accounts.service.queue_tickets import take_ticket
from billing.web.app_state import app_state
from billing.web.client_address import source_address
from billing.web.request_bodies import read_id
from billing.web.screens.devices import Device, render_device
from billing.web.screens.forms import Form, read_form
from billing.web.screens.rendering import dong_sign, see_other
from billing.web.screens.session import language_of

SHOWN_FOR = timedelta(seconds=60)
"""How long the page of a person stays on the kiosk. Source: docs/ux.md, Patient page."""

_START = "/kiosk"


class NothingDue(Refused):
    """The visit has nothing to pay now."""

    code = "nothing_due"


async def get_kiosk(request: web.Request, device: Device) -> web.Response:
    """The start page, without data of the person before."""
    return await _start(request, device)


async def post_find(request: web.Request, device: Device) -> web.Response:
    """Open the payment code of the visit that was scanned; an unknown scan shows the start page with a sentence."""
    form = await read_form(request)
    context = app_state(request).context
    text = form.text("q")
    found = await find_at_desk(
        context,
        device.organization_id,
        text if any(character.isdigit() for character in text) else "",
        facility_code=device.facility_code,
        facility_codes={device.facility_code},
    )
    if found.only is None:
        return await _start(request, device, message="kiosk.not_found")
    visit_id = found.only.visit_id
    view = await _view(request, device, visit_id)
    try:
        intent_id = await _code_of(request, device, view, form)
    except NothingDue:
        return await _start(request, device, message="kiosk.nothing_due")
    until = int((context.clock() + SHOWN_FOR).timestamp())
    shown = {"visit": visit_id, "code": intent_id, "until": until, "lang": language_of(request).value}
    return see_other(request, f"/kiosk/visit?{urlencode(shown)}")


async def get_visit(request: web.Request, device: Device) -> web.Response:
    """The amount and the code of a visit. After its time the start page follows."""
    until, now = _until(request), app_state(request).context.clock()
    if now >= until:
        return see_other(request, _START)
    return await _shown(request, device, "public/kiosk_visit.html", seconds=max(1, int((until - now).total_seconds())))


async def get_state(request: web.Request, device: Device) -> web.Response:
    """What the page shows now, with the code of what is still due; no content where no money has come since."""
    until, now = _until(request), app_state(request).context.clock()
    intent = await _intent(request, device)
    if now >= until or str(int(intent.received)) == request.query.get("received", "0"):
        return web.Response(status=HTTPStatus.NO_CONTENT)
    seconds = max(1, int((until - now).total_seconds()))
    return await _shown(request, device, "public/kiosk_state_fragment.html", seconds=seconds)


async def get_slip(request: web.Request, device: Device) -> web.Response:
    """The paper of a code: how to pay it later, or that the money was received. It is no receipt."""
    if app_state(request).context.clock() >= _until(request):
        return see_other(request, _START)
    intent = await _intent(request, device)
    amount = intent.remaining if intent.remaining > 0 else intent.received
    return await _shown(
        request,
        device,
        "print/kiosk_slip.html",
        text=purpose_text(intent.reference_code),
        words=write_in_words(amount),
        now=app_state(request).context.clock(),
    )


async def post_ticket(request: web.Request, device: Device) -> web.Response:
    """Give a number of the queue; a form that was sent twice gives one."""
    form = await read_form(request)
    line = form.text("line")
    if line not in set(QueueLine):
        raise InvalidValue("choose a line of the queue", field="line")
    idempotent = _idempotent(request, device, form, "ticket")
    ticket = await take_ticket(
        app_state(request).context,
        device.organization_id,
        device.facility_code,
        line=QueueLine(line),
        request=idempotent,
    )
    return see_other(
        request, f"/kiosk/ticket?{urlencode({'number': ticket.shown, 'lang': language_of(request).value})}"
    )


async def get_ticket(request: web.Request, device: Device) -> web.Response:
    """The number that was given."""
    number = request.query.get("number", "")[:10]
    return await render_device(request, device, "public/kiosk_ticket.html", number=number)


async def _start(request: web.Request, device: Device, *, message: str = "") -> web.Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if message else HTTPStatus.OK
    return await render_device(request, device, "public/kiosk.html", status=status, message=message)


async def _shown(request: web.Request, device: Device, template: str, **values: Any) -> web.Response:
    """The visit and the code of the address: the code is drawn for what is due now."""
    visit_id = VisitId(read_id(request.query.get("visit", ""), field="visit"))
    view = await _view(request, device, visit_id)
    intent = await _intent(request, device)
    payload = "" if intent.instruction is None or intent.remaining <= 0 else intent.instruction.qr_payload
    shown = {name: request.query.get(name, "") for name in ("visit", "code", "until")}
    return await render_device(
        request,
        device,
        template,
        who=_who(view),
        ma_lk=view.patient.ma_lk,
        cost=_cost(view),
        intent=intent,
        picture=Markup(qr_svg(payload, title=f"VietQR {intent.remaining}")) if payload else None,  # noqa: S704 - escaped by qr_svg
        address=urlencode({**shown, "lang": language_of(request).value}),
        **values,
    )


async def _view(request: web.Request, device: Device, visit_id: VisitId) -> DeskView:
    return await find_desk_view(
        app_state(request).context,
        device.organization_id,
        visit_id,
        DeskChoice(),
        facility_codes={device.facility_code},
    )


async def _code_of(request: web.Request, device: Device, view: DeskView, form: Form) -> IntentId:
    """The code that already waits for what is due, or a new one. Raises NothingDue, NotFound."""
    panel, context = view.panel, app_state(request).context
    if panel.code is not None and panel.due > 0:
        return panel.code.id
    if panel.due <= 0:
        raise NothingDue("nothing is to be paid for this visit now")
    accounts = await list_code_accounts(context, device.organization_id)
    if not accounts:
        raise NotFound("no provider account of this hospital makes payment codes", field="account")
    return await open_intent(
        context,
        device.organization_id,
        account_name=accounts[0],
        target=await _target(request, device, view, form),
        amount=None,
        actor=device.caller.actor,
        request=_idempotent(request, device, form, "code"),
        payer_address=source_address(request),
    )


async def _target(request: web.Request, device: Device, view: DeskView, form: Form) -> IntentTarget:
    """What the code collects for: the final bill, an open request, or a new request of the lines that are due."""
    panel = view.panel
    if panel.invoice_id is not None:
        return InvoicesTarget((panel.invoice_id,))
    if panel.request_id is not None:
        return RequestTarget(panel.request_id)
    wanted = await request_for_code(
        app_state(request).context,
        device.organization_id,
        view.account.visit_id,
        panel.lines,
        uses_deposit=True,
        actor=device.caller.actor,
        request=_idempotent(request, device, form, "lines"),
    )
    return RequestTarget(wanted)


def _idempotent(request: web.Request, device: Device, form: Form, step: str) -> IdempotentRequest:
    """The request of a form of this device: its key, and a hash of what was sent."""
    sent = f"{form.text('q')}|{form.text('line')}"
    return IdempotentRequest(
        caller=f"device {device.caller.name}",
        route=f"{request.path} {step}",
        key=form.key,
        request_hash=hashlib.sha256(sent.encode()).digest(),
    )


async def _intent(request: web.Request, device: Device) -> IntentDetails:
    """The intent of the page. Raises NotFound, also for one of another facility."""
    intent_id = read_id(request.query.get("code", ""), field="code")
    context = app_state(request).context
    reached = await find_reached(
        context,
        device.organization_id,
        FacilitySubject.INTENT,
        [intent_id],
        facility_codes={device.facility_code},
    )
    if intent_id not in reached:
        raise NotFound("no such code at this facility", field="code")
    return await find_intent(context, device.organization_id, IntentId(intent_id))


def _until(request: web.Request) -> datetime:
    """When the page leaves, within SHOWN_FOR from now; a missing or wrong time is over."""
    text = request.query.get("until", "")
    until = datetime.fromtimestamp(int(text) if re.fullmatch("[0-9]{1,10}", text) else 0, UTC)
    return min(until, app_state(request).context.clock() + SHOWN_FOR)


def _cost(view: DeskView) -> dict[str, str]:
    """The whole cost of the visit, the part of the insurance fund and that of the patient."""
    totals = view.totals
    return {
        "total": dong_sign(half_up_dong(totals.hospital)),
        "insurer": dong_sign(half_up_dong(totals.insurer)),
        "patient": dong_sign(half_up_dong(totals.copay + totals.self_pay)),
    }


def _who(view: DeskView) -> str:
    year = view.patient.birth_year
    return f"{shorten_name(view.patient.name)} – {year}" if year else shorten_name(view.patient.name)
