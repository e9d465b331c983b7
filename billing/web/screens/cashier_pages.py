"""The cashier's desk: the idle page, the search, a visit with its pay panel, and the fragments that htmx refreshes.

`cashier_forms.py` has the forms, `cashier_panel.py` the page of one visit. Source: docs/ux.md, Cashier.
"""

from http import HTTPStatus

from aiohttp import web

from billing.claims.service.check import check_visit_document, compare_visit_document
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import ReceiptId, VisitId
from billing.core.money import Dong, dong
from billing.coverage.domain.explain import Language
from billing.visit_accounts.service.desk_screens import (
    find_idle_desk,
    find_unprinted,
    find_waiting,
    show_visit,
)
from billing.visit_accounts.service.desk_search import find_at_desk, find_queue
from billing.visit_accounts.service.desk_visits import DeskChoice, find_visit_document
from billing.visit_accounts.service.queue_tickets import DeskQueue, call_next, find_desk_queue
from billing.visit_accounts.store.desk_screens import Shown
from billing.visits.formats.visit_facts_json import SuppliedFacts
from billing.web.app_state import app_state
from billing.web.live import DESKS
from billing.web.request_bodies import read_id
from billing.web.screens.cashier_panel import (
    PageChoice,
    desk_of,
    read_desk_version,
    render_desk,
    render_pay,
    render_visit,
)
from billing.web.screens.cashier_view import queue_rows, risk_rows, waiting_rows, what_if_rows
from billing.web.screens.forms import idempotent_request, read_form, whole_number
from billing.web.screens.rendering import is_fragment, render, render_fragment, see_other
from billing.web.screens.session import current, language_of


async def get_desk(request: web.Request) -> web.Response:
    """The desk where nobody is chosen: own shift, last receipts, codes that wait."""
    session = current(request)
    if session.desk is None:
        return render(request, "cashier/no_desk.html")
    context, caller = app_state(request).context, session.caller
    await show_visit(context, caller.organization_id, session.desk.id, Shown(), actor=caller.actor)
    return await _render_idle(request)


async def get_find(request: web.Request) -> web.Response:
    """The visits of a scanned or typed text; the only one is opened at once."""
    session, text = current(request), request.query.get("q", "")
    if session.desk is None:
        return render(request, "cashier/no_desk.html")
    found = await find_at_desk(
        app_state(request).context,
        session.caller.organization_id,
        text,
        facility_code=session.desk.facility_code,
        facility_codes=session.caller.facility_codes,
    )
    if found.only is not None:
        if is_fragment(request):
            return await render_visit(request, found.only.visit_id, PageChoice(), push=True)
        return see_other(request, f"/desk/visits/{found.only.visit_id}")
    now = app_state(request).context.clock()
    nobody = DeskQueue(at_desk=None, waiting=())
    return await _render_idle(request, found=queue_rows(found.visits, nobody, now=now), searched=found.scan.text)


async def get_waiting_visits(request: web.Request) -> web.Response:
    """The queue alone, refreshed by the page."""
    session, app = current(request), app_state(request)
    if session.desk is None:
        raise NotFound("sign in at a desk", field="desk_id")
    organization_id, desk = session.caller.organization_id, session.desk
    queue = await find_queue(app.context, organization_id, desk.facility_code, desk.id)
    calling = await find_desk_queue(app.context, organization_id, desk.facility_code, desk.id)
    return render_fragment(
        request,
        "cashier/visits_fragment.html",
        queue=queue_rows(queue.visits, calling, now=app.context.clock()),
        tab=request.query.get("tab", ""),
        visit_id=request.query.get("visit", ""),
        found=None,
        searched="",
    )


async def post_next(request: web.Request) -> web.Response:
    """Call the next number and open its visit; without numbers, open the visit that waits longest and is at no desk."""
    session, context, desk = current(request), app_state(request).context, desk_of(request)
    organization_id = session.caller.organization_id
    calling = await find_desk_queue(context, organization_id, desk.facility_code, desk.id)
    visit_id: VisitId | None
    if calling.waiting or calling.at_desk is not None:
        idempotent = idempotent_request(request, await read_form(request))
        ticket = await call_next(context, organization_id, desk.id, request=idempotent)
        visit_id = None if ticket is None else ticket.visit_id
    else:
        queue = await find_queue(context, organization_id, desk.facility_code, desk.id)
        visit_id = None if queue.next is None else queue.next.visit_id
    if visit_id is None:
        return see_other(request, "/desk")
    if is_fragment(request):
        return await render_visit(request, visit_id, PageChoice(), push=True)
    return see_other(request, f"/desk/visits/{visit_id}")


async def get_visit(request: web.Request) -> web.Response:
    """A visit with its lines and the pay panel."""
    return await render_visit(request, _visit_id(request), _choice(request), push=is_fragment(request))


async def get_deposit(request: web.Request) -> web.Response:
    """The panel that takes an advance, with its proposal and the standing code."""
    page = PageChoice(method="advance")
    return await render_visit(request, _visit_id(request), page, push=is_fragment(request))


async def get_pay(request: web.Request) -> web.Response:
    """The pay panel and the totals after other lines or another method were chosen, or after money has come."""
    return await render_pay(request, _visit_id(request), _choice(request), known=request.query.get("state", ""))


async def get_what_if(request: web.Request) -> web.Response:
    """The patient share under each lawful route."""
    session, language = current(request), Language(language_of(request).value)
    visit_id = _visit_id(request)
    context, caller = app_state(request).context, session.caller
    document = await find_visit_document(
        context, caller.organization_id, visit_id, facility_codes=caller.facility_codes
    )
    compared = await compare_visit_document(
        app_state(request).context, session.caller.organization_id, document, supplied=SuppliedFacts()
    )
    routes = compared.visits[0].routes
    stated = next((each.priced for each in routes.routes if each.code == routes.stated and each.priced), None)
    return render_fragment(
        request,
        "cashier/what_if_fragment.html",
        routes=what_if_rows(routes, stated=None if stated is None else stated.patient_share, language=language),
    )


async def get_risks(request: web.Request) -> web.Response:
    """The lines that the insurer would reject as they stand, while the patient is still at the desk."""
    context, caller, visit_id = app_state(request).context, current(request).caller, _visit_id(request)
    document = await find_visit_document(
        context, caller.organization_id, visit_id, facility_codes=caller.facility_codes
    )
    checked = await check_visit_document(context, caller.organization_id, document, supplied=SuppliedFacts())
    risks = risk_rows(checked.checks, document, Language(language_of(request).value))
    return render_fragment(request, "cashier/risks_fragment.html", risks=risks)


async def get_change(request: web.Request) -> web.Response:
    """What is given back for the cash that was given; nothing while the amount is not readable."""
    try:
        due = dong(int(request.query.get("due", "")))
        given = dong(int("".join(each for each in request.query.get("given", "") if each.isdigit())))
    except (ValueError, InvalidValue):
        return render_fragment(request, "cashier/change_fragment.html", change=None, missing=None)
    change = given - due
    return render_fragment(
        request, "cashier/change_fragment.html", change=max(0, change), missing=Dong(max(0, -change))
    )


async def get_waiting(request: web.Request) -> web.Response:
    """The codes that wait at the desk in the background."""
    app, desk = app_state(request), desk_of(request)
    codes = await find_waiting(app.context, current(request).caller.organization_id, desk.id)
    return render_fragment(
        request,
        "cashier/waiting_fragment.html",
        waiting=waiting_rows(codes, now=app.context.clock()),
        unprinted=await find_unprinted(app.context, current(request).caller.organization_id, desk.id),
        visit_id=request.query.get("visit", ""),
    )


async def get_alive(request: web.Request) -> web.Response:
    """Whether the server is there, and whether it reaches the providers; the desk requests it every second."""
    return web.Response(
        status=HTTPStatus.NO_CONTENT, headers={"X-Internet": "away" if app_state(request).is_offline else "here"}
    )


async def get_live(request: web.Request) -> web.StreamResponse:
    """The event stream of the desk: it only states that something has changed."""
    desk = desk_of(request)
    known = whole_number(request.query.get("version", ""))
    if known is None:
        known = await read_desk_version(request, desk.id)
    hub = request.config_dict[DESKS]
    return await hub.stream(request, current(request).caller.organization_id, desk.id, known)


LETTERS = (
    ("next", "N", "key_next"),
    ("cash", "C", "key_cash"),
    ("qr", "Q", "key_qr"),
    ("card", "K", "key_card"),
    ("deposit", "D", "key_use_deposit"),
    ("several", "S", "key_several"),
    ("advance", "T", "key_deposit"),
    ("print", "P", "key_print"),
    ("refund", "H", "key_refund"),
    ("explain", "G", "key_explain"),
    ("whatif", "W", "key_what_if"),
    ("money", "M", "key_money"),
    ("shift", "X", "key_shift"),
    ("lock", "L", "key_lock"),
)
"""Actions with their letter and text, as `desk.js` has them; a machine may have other letters."""


async def get_keys(request: web.Request) -> web.Response:
    """The keys of the desk."""
    return render(request, "cashier/keys.html", letters=LETTERS)


async def _render_idle(request: web.Request, *, found: object = None, searched: str = "") -> web.Response:
    app, caller, desk = app_state(request), current(request).caller, desk_of(request)
    idle = await find_idle_desk(app.context, caller.organization_id, desk.id, actor=caller.actor)
    return await render_desk(
        request,
        "cashier/idle.html",
        idle=idle,
        found=found,
        searched=searched,
        visit_id="",
        waiting=waiting_rows(idle.waiting, now=app.context.clock()),
    )


def _visit_id(request: web.Request) -> VisitId:
    return VisitId(read_id(request.match_info["id"], field="visit_id"))


def _choice(request: web.Request) -> PageChoice:
    query = request.query
    receipt = query.get("receipt", "")
    return PageChoice(
        choice=DeskChoice(
            ticked=frozenset(query.getall("line", [])) if "chosen" in query else None,
            wants_other_method=query.get("method", "") in ("cash", "card", "mixed"),
            issued=ReceiptId(read_id(receipt, field="receipt_id")) if receipt else None,
        ),
        method=query.get("method", ""),
        is_again="again" in query,
    )
