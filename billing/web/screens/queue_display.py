"""The queue display of a facility, and the queue at a desk.

GET  /queue               called numbers with their desks, and the next ones; no names
GET  /desk/queue          the number that the desk has called, and those that wait
POST /desk/queue/next     call the next number; the one before was served
POST /desk/queue/again    call the number again
POST /desk/queue/absent   nobody came
"""

from aiohttp import web

from billing.core.errors import Refused
from billing.core.ids import DeskId, QueueTicketId
from billing.organizations.domain.rights import Right
from billing.visit_accounts.service.queue_tickets import (
    call_again,
    call_next,
    end_call,
    find_desk_queue,
    find_queue_display,
)
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.devices import Device, render_device
from billing.web.screens.forms import idempotent_request, read_form
from billing.web.screens.rendering import is_fragment, render, render_fragment, see_other
from billing.web.screens.route import screen_route
from billing.web.screens.session import ScreenSession, current

_ADDRESS = "/desk/queue"


class NoDesk(Refused):
    """The session is at no desk."""

    code = "no_desk"


async def get_queue_display(request: web.Request, device: Device) -> web.Response:
    """The numbers that are called; the page renews itself."""
    context = app_state(request).context
    display = await find_queue_display(context, device.organization_id, device.facility_code)
    return await render_device(request, device, "public/queue.html", display=display, now=context.clock())


async def get_desk_queue(request: web.Request) -> web.Response:
    """The queue as the desk sees it."""
    return await _desk_queue(request)


async def post_next(request: web.Request) -> web.Response:
    """Call the next number; a second press of the same form calls no other."""
    session = current(request)
    desk_id, idempotent = _desk(session), idempotent_request(request, await read_form(request))
    await call_next(app_state(request).context, session.caller.organization_id, desk_id, request=idempotent)
    return await _after(request)


async def post_again(request: web.Request) -> web.Response:
    """Call the number of the desk again, as the form names it."""
    session = current(request)
    desk_id, ticket_id = _desk(session), await _ticket_id(request)
    await call_again(app_state(request).context, session.caller.organization_id, desk_id, ticket_id)
    return await _after(request)


async def post_absent(request: web.Request) -> web.Response:
    """End the number of the desk, as the form names it: nobody came."""
    session = current(request)
    desk_id, ticket_id = _desk(session), await _ticket_id(request)
    await end_call(app_state(request).context, session.caller.organization_id, desk_id, ticket_id, is_absent=True)
    return await _after(request)


async def _after(request: web.Request) -> web.Response:
    return await _desk_queue(request) if is_fragment(request) else see_other(request, _ADDRESS)


async def _desk_queue(request: web.Request) -> web.Response:
    session = current(request)
    desk_id = _desk(session)
    assert session.facility is not None, "a desk has a facility"
    queue = await find_desk_queue(app_state(request).context, session.caller.organization_id, session.facility, desk_id)
    if is_fragment(request):
        return render_fragment(request, "cashier/queue_fragment.html", queue=queue)
    return render(request, "cashier/queue.html", queue=queue)


async def _ticket_id(request: web.Request) -> QueueTicketId:
    form = await read_form(request)
    return QueueTicketId(read_id(form.text("ticket_id"), field="ticket_id"))


def _desk(session: ScreenSession) -> DeskId:
    if session.desk is None:
        raise NoDesk("sign in at a desk")
    return session.desk.id


QUEUE_SCREENS = (
    screen_route("GET", _ADDRESS, get_desk_queue, Right.RUN_SHIFT),
    screen_route("POST", f"{_ADDRESS}/next", post_next, Right.RUN_SHIFT),
    screen_route("POST", f"{_ADDRESS}/again", post_again, Right.RUN_SHIFT),
    screen_route("POST", f"{_ADDRESS}/absent", post_absent, Right.RUN_SHIFT),
)
