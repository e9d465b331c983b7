"""Screens that no person stands behind: the queue display and the kiosk.

GET/POST /device   staff enter the API key of the device once; the browser keeps it in a cookie
GET      /queue    the queue display, see `queue_display.py`
*        /kiosk    the kiosk, see `kiosk.py`

A device is an API key that works at one facility: it is listed, limited and revoked as every key. After a power cut the
browser opens the same page again. Source: docs/ux.md, Patient page (kiosk, queue display); docs/operations.md.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.core.errors import Refused
from billing.core.ids import OrganizationId
from billing.organizations.domain.api_key import hash_secret
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller, NotAuthenticated
from billing.organizations.service.device_places import find_place
from billing.web.app_state import LOG_FIELDS, app_state
from billing.web.client_address import source_address
from billing.web.operation import Handler
from billing.web.screens.forms import Form, FormError, answer_of_first_press, read_form
from billing.web.screens.refusals import error_text, refusal
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import is_https, language_of, require_own_origin

DEVICE = "/device"
_COOKIE = "vienphi-device"
_SECURE_COOKIE = "__Host-vienphi-device"
_COOKIE_LIFE_S = 400 * 24 * 3600
_START_PAGES = ("/queue", "/kiosk")


class NoDevice(Refused):
    """The key cannot be that of a device."""

    code = "no_device"


@dataclass(frozen=True, slots=True)
class Device:
    """The caller of a device and the code (MA_CSKCB) of its facility."""

    caller: Caller
    facility_code: str

    @property
    def organization_id(self) -> OrganizationId:
        return self.caller.organization_id


DeviceHandler = Callable[[web.Request, Device], Awaitable[web.StreamResponse]]


def device_handler(handler: DeviceHandler, right: Right) -> Handler:
    """A handler for devices whose key has the right; without a key the set-up page follows.

    A form must come from a page of this service.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            key = request.cookies.get(_SECURE_COOKIE if is_https(request) else _COOKIE, "")
            if not key:
                return see_other(request, DEVICE)
            device = device_of(await authenticate_device(request, key))
            if request.method not in ("GET", "HEAD"):
                require_own_origin(request)
            device.caller.require(right)
            request[LOG_FIELDS]["organization"] = device.organization_id
            return await answer_of_first_press(request, lambda same: handler(same, device))
        except NotAuthenticated:
            return see_other(request, DEVICE)
        except Exception as error:  # noqa: BLE001 - each error becomes a page; what is unforeseen is logged there
            return refusal(request, error)

    return handle


async def render_device(
    request: web.Request, device: Device, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any
) -> web.Response:
    """A page of a device with the name of its facility; `lang` is what its addresses need to stay in the language."""
    place = await find_place(app_state(request).context, device.organization_id, device.facility_code)
    lang = f"lang={language_of(request).value}"
    return render(request, template, status=status, place=place, lang=lang, **values)


async def authenticate_device(request: web.Request, key: str) -> Caller:
    """The caller of a key; an unknown key is a miss of an anonymous client. Raises NotAuthenticated."""
    app = app_state(request)
    if app.keys.knows(key):
        return await app.keys.authenticate(key)
    return await app.anonymous.look_up(
        source_address(request),
        hash_secret(key),
        lambda: app.keys.authenticate(key),
        missing=NotAuthenticated("this key is not valid"),
    )


def device_of(caller: Caller) -> Device:
    """The device of a key. Raises NoDevice if the key works at more than one facility."""
    if caller.facility_codes is None or len(caller.facility_codes) != 1:
        raise NoDevice("the key of a device works at exactly one facility; add it with --facility", field="key")
    (facility_code,) = caller.facility_codes
    return Device(caller, facility_code)


async def get_device(request: web.Request) -> web.Response:
    """The page where staff enter the key of the device."""
    return render(request, "public/device.html", form=Form(), errors=())


async def post_device(request: web.Request) -> web.Response:
    """Keep the key in the browser and open the chosen screen; a rejected key shows the page again."""
    require_own_origin(request)
    form = await read_form(request)
    start_page = form.text("screen")
    try:
        if start_page not in _START_PAGES:
            raise NoDevice("choose a screen", field="screen")
        device_of(await authenticate_device(request, form.text("key")))
    except (NotAuthenticated, NoDevice) as error:
        rejected = FormError(error.field or "key", error_text(request, error))
        return render(request, "public/device.html", form=form, errors=(rejected,))
    response = see_other(request, start_page)
    secure = is_https(request)
    response.set_cookie(
        *(_SECURE_COOKIE if secure else _COOKIE, form.text("key")),
        max_age=_COOKIE_LIFE_S,
        httponly=True,
        secure=secure,
        samesite="Strict",
        path="/",
    )
    return response
