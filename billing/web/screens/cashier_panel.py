"""The page of one visit at the desk: what it shows, and which form the pay panel has. Source: docs/ux.md, Cashier."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from aiohttp import web
from markupsafe import Markup

from billing.checkout.domain.intent_details import IntentDetails, IntentFilter
from billing.checkout.formats.qr_image import qr_svg
from billing.checkout.service.intents import find_intent
from billing.checkout.service.lists import list_intents
from billing.core.errors import NotFound
from billing.core.ids import DeskId, IntentId, VisitId
from billing.core.list_slice import ListSlice
from billing.core.money import NOTHING
from billing.organizations.domain.sessions import SessionDesk
from billing.payments.domain.deposit import RequestKind
from billing.reconciliation.service.manual_confirmations import list_confirmations
from billing.visit_accounts.domain.deposit_request import DepositProposal, ListedRequest
from billing.visit_accounts.domain.desk_panel import PanelState
from billing.visit_accounts.service.card_batches import list_card_terminals
from billing.visit_accounts.service.deposit_requests import find_proposal, list_requests
from billing.visit_accounts.service.desk_screens import (
    find_desk_versions,
    find_unprinted,
    find_waiting,
    show_visit,
)
from billing.visit_accounts.service.desk_search import VisitQueue, find_queue
from billing.visit_accounts.service.desk_visits import DeskChoice, DeskView, find_desk_view
from billing.visit_accounts.service.queue_tickets import DeskQueue, find_desk_queue
from billing.visit_accounts.service.receipt_blocks import list_desk_blocks
from billing.visit_accounts.service.shift_reads import find_own_shift
from billing.visit_accounts.store.card_terminals import CardTerminal
from billing.visit_accounts.store.desk_screens import Shown
from billing.web.app_state import app_state
from billing.web.screens.cashier_view import (
    benefit_text,
    category_text,
    queue_rows,
    slip_rows,
    suggested_cash,
    totals_row,
    waiting_rows,
)
from billing.web.screens.forms import FormError
from billing.web.screens.rendering import render, render_fragment
from billing.web.screens.session import current, language_of

CODES_MAX = 20
METHODS = ("cash", "qr", "card", "deposit", "mixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageChoice:
    """What the cashier has chosen, and what is shown of a form that was not accepted.

    `is_again`: the form was sent before, this is its first result. `takes_receipt`: the page issues the receipt of
    money that has come by itself.
    """

    choice: DeskChoice = field(default_factory=DeskChoice)
    method: str = ""
    is_again: bool = False
    takes_receipt: bool = True
    errors: Sequence[FormError] = ()
    key: str = ""
    typed: Any = None
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCode:
    """A code on the panel: its picture, and what a payer who types needs."""

    intent: IntentDetails
    picture: Markup | None
    account: str


def desk_of(request: web.Request) -> SessionDesk:
    """The desk of the session. Raises NotFound."""
    desk = current(request).desk
    if desk is None:
        raise NotFound("sign in at a desk", field="desk_id")
    return desk


async def read_desk_version(request: web.Request, desk_id: DeskId) -> int:
    """The version of the pages of a desk."""
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    return (await find_desk_versions(context, organization_id, [desk_id])).get(desk_id, 0)


async def render_desk(request: web.Request, template: str, **values: Any) -> web.Response:
    """A page of the desk with the queue on its left."""
    app, organization_id, desk = app_state(request), current(request).caller.organization_id, desk_of(request)
    queue = await find_queue(app.context, organization_id, desk.facility_code, desk.id)
    calling = await find_desk_queue(app.context, organization_id, desk.facility_code, desk.id)
    blocks = await list_desk_blocks(app.context, organization_id, desk.id)
    return render(
        request,
        template,
        status=values.pop("status", HTTPStatus.OK),
        queue=queue_rows(queue.visits, calling, now=app.context.clock()),
        calling=calling,
        next_name=_next_name(calling, queue),
        tab="",
        unprinted=await find_unprinted(app.context, organization_id, desk.id),
        version=await read_desk_version(request, desk.id),
        paper_number=next((block.next_written for block in reversed(blocks) if block.missing), ""),
        now=app.context.clock(),
        own_shift=await find_own_shift(app.context, organization_id, actor=current(request).caller.actor),
        **values,
    )


async def render_pay(request: web.Request, visit_id: VisitId, page: PageChoice, *, known: str) -> web.Response:
    """The pay panel of a visit with the totals; the whole page where the panel is in another state than is known."""
    view = await _read_view(request, visit_id, page)
    if known in ("", view.panel.state.value):
        values = await _values(request, view, page, is_opened=False)
        return render_fragment(request, "cashier/pay_fragment.html", **values)
    response = await render_visit(request, visit_id, page, is_opened=False)
    response.headers["HX-Retarget"] = "#work"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


async def render_visit(
    request: web.Request, visit_id: VisitId, page: PageChoice, *, push: bool = False, is_opened: bool = True
) -> web.Response:
    """The page of a visit. `push`: the browser shows the address of the visit.

    Where it `is_opened`, the customer display shows it; a page that renews itself never replaces another visit there.
    """
    app, organization_id, desk = app_state(request), current(request).caller.organization_id, desk_of(request)
    view = await _read_view(request, visit_id, page)
    waiting = await find_waiting(app.context, organization_id, desk.id)
    response = await render_desk(
        request,
        "cashier/visit.html",
        status=page.status,
        found=None,
        searched="",
        visit_id=str(visit_id),
        waiting=waiting_rows(waiting, now=app.context.clock()),
        confirmations=await list_confirmations(app.context, organization_id, visit_id),
        **await _values(request, view, page, is_opened=is_opened),
    )
    if push:
        response.headers["HX-Push-Url"] = _address(view, page)
    return response


async def _read_view(request: web.Request, visit_id: VisitId, page: PageChoice) -> DeskView:
    app, session = app_state(request), current(request)
    return await find_desk_view(
        app.context,
        session.caller.organization_id,
        visit_id,
        replace(page.choice, desk_id=desk_of(request).id),
        facility_codes=session.caller.facility_codes,
    )


async def _values(request: web.Request, view: DeskView, page: PageChoice, *, is_opened: bool) -> dict[str, Any]:
    """What the templates of a visit need; the visit is shown on the customer display."""
    app, language = app_state(request), language_of(request)
    code = await _shown_code(request, view)
    await _show_customer(request, view, is_opened=is_opened)
    return {
        "view": view,
        "panel": view.panel,
        "page": page,
        "method": _method(view, page),
        "code": code,
        "advance": await _advance(request, view, page),
        "terminals": await _terminals(request, view, page),
        "suggestions": suggested_cash(view.panel.cash_due),
        "slips": slip_rows(view, language),
        "totals": totals_row(view),
        "benefit": benefit_text(view, language),
        "category": category_text(view, language),
        "today": app.context.clock(),
    }


def _next_name(calling: DeskQueue, queue: VisitQueue) -> str:
    """Whom F2 calls: the next number, else the name of who waits longest; empty where nobody waits."""
    if calling.waiting:
        return calling.waiting[0].shown
    return "" if queue.next is None else queue.next.name


def _address(view: DeskView, page: PageChoice) -> str:
    address = f"/desk/visits/{view.account.visit_id}"
    if view.issued is not None:
        again = "&again=1" if page.is_again else ""
        return f"{address}?receipt={view.issued.id}{again}"
    return address


def _method(view: DeskView, page: PageChoice) -> str:
    """The chosen method; the deposit where it pays all; the code again where less came under it; else cash."""
    panel = view.panel
    if panel.state is PanelState.UNPAID and panel.due == 0:
        return "deposit"
    if page.method in METHODS and page.method != "deposit":
        return page.method
    return "qr" if panel.state is PanelState.SHORT else "cash"


async def find_code_of_visit(request: web.Request, view: DeskView, intent_id: IntentId) -> ShownCode:
    """A code that collects for a visit, or for its deposit. Raises NotFound."""
    app, organization_id = app_state(request), current(request).caller.organization_id
    wanted = IntentFilter(ma_lk=view.account.ma_lk)
    intents = await list_intents(app.context, organization_id, ListSlice(limit=CODES_MAX), wanted)
    if intent_id not in {each.id for each in intents}:
        raise NotFound("this visit has no such payment code", field="intent_id")
    return await _code_of(request, intent_id)


async def _shown_code(request: web.Request, view: DeskView) -> ShownCode | None:
    code = view.panel.code
    if code is None:
        return None
    return await _code_of(request, code.id)


async def _code_of(request: web.Request, intent_id: IntentId) -> ShownCode:
    app, organization_id = app_state(request), current(request).caller.organization_id
    intent = await find_intent(app.context, organization_id, intent_id)
    payload = "" if intent.instruction is None else intent.instruction.qr_payload
    picture = Markup(qr_svg(payload, title=f"VietQR {intent.reference_code}")) if payload else None  # noqa: S704 - escaped by qr_svg
    number = "" if intent.instruction is None else intent.instruction.account_number
    return ShownCode(intent=intent, picture=picture, account=f"•••{number[-3:]}" if number else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvancePanel:
    """What the panel of an advance shows: the proposal, the oldest open request, the standing code if there is one."""

    proposal: DepositProposal
    request: ListedRequest | None
    code: ShownCode | None


async def _advance(request: web.Request, view: DeskView, page: PageChoice) -> AdvancePanel | None:
    if page.method != "advance" or view.is_closed:
        return None
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    visit_id = view.account.visit_id
    wanted = IntentFilter(ma_lk=view.account.ma_lk)
    intents = await list_intents(context, organization_id, ListSlice(limit=CODES_MAX), wanted)
    standing = [each for each in intents if each.visit_id == visit_id and each.is_standing and each.is_collecting]
    requests = await list_requests(context, organization_id, ListSlice(limit=CODES_MAX), visit_id=visit_id)
    waiting = [each for each in requests if each.kind is RequestKind.ADVANCE and each.remaining > 0]
    return AdvancePanel(
        proposal=await find_proposal(context, organization_id, visit_id),
        request=waiting[-1] if waiting else None,
        code=await _code_of(request, standing[0].id) if standing else None,
    )


async def _terminals(request: web.Request, view: DeskView, page: PageChoice) -> list[CardTerminal]:
    if _method(view, page) not in ("card", "mixed") or not (view.panel.takes_money or page.method == "advance"):
        return []
    return await list_card_terminals(app_state(request).context, current(request).caller.organization_id)


async def _show_customer(request: web.Request, view: DeskView, *, is_opened: bool) -> None:
    """Show the visit on the customer display: the amount of its code, else what is to be collected."""
    session, desk, panel = current(request), desk_of(request), view.panel
    code = panel.code
    is_paid = view.issued is not None or panel.state in (PanelState.PAID, PanelState.OVER)
    amount = NOTHING if is_paid else panel.due if code is None else code.remaining
    await show_visit(
        app_state(request).context,
        session.caller.organization_id,
        desk.id,
        Shown(visit_id=view.account.visit_id, intent_id=None if code is None else code.id, amount=amount),
        actor=session.caller.actor,
        replaces=is_opened,
    )
