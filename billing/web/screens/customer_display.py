"""The customer display, the second window of a desk: hospital, shortened name, amount, code, state. Nothing else.

Source: docs/ux.md, Cashier.
"""

from uuid import UUID

from aiohttp import web
from markupsafe import Markup

from billing.checkout.formats.qr_image import qr_svg
from billing.checkout.service.intents import find_intent
from billing.core.errors import NotFound
from billing.core.ids import DeskId
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.desk_screens import find_customer_screen
from billing.visit_accounts.service.facility_limits import find_reached
from billing.web.app_state import app_state
from billing.web.live import DESKS
from billing.web.request_bodies import read_id
from billing.web.screens.cashier_panel import read_desk_version
from billing.web.screens.forms import whole_number
from billing.web.screens.rendering import render
from billing.web.screens.session import current


async def get_display(request: web.Request) -> web.Response:
    """What the customer of a desk sees."""
    desk_id = await _desk_id(request)
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    version = await read_desk_version(request, desk_id)
    screen = await find_customer_screen(context, organization_id, desk_id)
    intent = None if screen.intent_id is None else await find_intent(context, organization_id, screen.intent_id)
    payload = "" if intent is None or intent.instruction is None else intent.instruction.qr_payload
    picture = Markup(qr_svg(payload, title=f"VietQR {screen.amount}")) if payload else None  # noqa: S704 - escaped by qr_svg
    return render(
        request,
        "public/display.html",
        screen=screen,
        intent=intent,
        picture=picture,
        version=version,
        desk_id=str(desk_id),
    )


async def get_display_live(request: web.Request) -> web.StreamResponse:
    """The event stream of the display: it only states that something has changed."""
    desk_id = await _desk_id(request)
    known = whole_number(request.query.get("version", ""))
    if known is None:
        known = await read_desk_version(request, desk_id)
    return await request.config_dict[DESKS].stream(request, current(request).caller.organization_id, desk_id, known)


async def _desk_id(request: web.Request) -> DeskId:
    """The desk of the address. Raises NotFound, also for a desk of a facility that the person does not reach."""
    desk_id: UUID = read_id(request.match_info["desk"], field="desk_id")
    caller = current(request).caller
    if caller.facility_codes is not None:
        context = app_state(request).context
        reached = await find_reached(
            context, caller.organization_id, FacilitySubject.DESK, [desk_id], facility_codes=caller.facility_codes
        )
        if desk_id not in reached:
            raise NotFound("no such desk at your facilities", field="desk_id")
    return DeskId(desk_id)
