"""Adds the screens to the application: every handler behind sign-in, form token, right and facility.

Every error of a handler becomes a page here, so that the outermost middleware never answers a browser with JSON.
"""

from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web

from billing.organizations.service.api_keys import NotPermitted
from billing.web.app_state import SCREEN_PATHS, app_state
from billing.web.client_address import source_address
from billing.web.operation import Handler, Route
from billing.web.posted_forms import TAKES_FILE
from billing.web.received_files import receive_file
from billing.web.screens.device_routes import DEVICE_SCREENS, DEVICE_SET_UP
from billing.web.screens.forms import answer_of_first_press
from billing.web.screens.navigation import NAVIGATION, bar_of
from billing.web.screens.prints.public import PUBLIC_RECEIPTS
from billing.web.screens.refusals import refusal
from billing.web.screens.session import (
    OWN_PASSWORD,
    PIN,
    ScreenSession,
    find_session_of,
    require_form_token,
    require_own_origin,
    sign_in_address,
)
from billing.web.screens.sign_in import OPEN_SCREENS, sign_in_again

_ANONYMOUS_COST = 8


_OPEN_WHILE_LOCKED = ("/display/",)
"""The customer display shows nothing that a locked screen hides; customers look at it while the cashier is away."""


def add_screens(application: web.Application, routes: Iterable[Route]) -> None:
    """Add the screens, the pages of the sign-in, and the screens of devices."""
    routes = tuple(routes)
    application[NAVIGATION] = bar_of(routes)
    for route in routes:
        assert route.right is not None, "only the sign-in is open"
        _add(application, route, _guarded(route))
    for route in (*OPEN_SCREENS, *PUBLIC_RECEIPTS, *DEVICE_SET_UP):
        _add(application, route, _open(route))
    application[SCREEN_PATHS] = frozenset(route.path for route in (*routes, *OPEN_SCREENS, *PUBLIC_RECEIPTS))
    for route in DEVICE_SCREENS:
        _add(application, route, route.handler)


def _add(application: web.Application, route: Route, handler: Handler) -> None:
    if route.method == "GET":
        application.router.add_get(route.path, handler)
    else:
        application.router.add_route(route.method, route.path, handler)


def _open(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            await app_state(request).anonymous.admit_read(source_address(request), cost=_ANONYMOUS_COST)
            return await route.handler(request)
        except Exception as error:  # noqa: BLE001 - each error becomes a page; what is unforeseen is logged there
            return refusal(request, error)

    return handle


def _guarded(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            session = await find_session_of(request)
            if session is None:
                await app_state(request).anonymous.admit_read(source_address(request), cost=_ANONYMOUS_COST)
                return await _without_session(request)
            away = _away(request, session)
            if away is not None:
                return _redirect(request, away)
            if route.takes_file:
                return await _with_file(request, session, route)
            if request.method not in ("GET", "HEAD"):
                await require_form_token(request, session)
            _require_right(request, session, route)
            return await answer_of_first_press(request, route.handler)
        except Exception as error:  # noqa: BLE001 - each error becomes a page; what is unforeseen is logged there
            return _refused_file(refusal(request, error)) if route.takes_file else refusal(request, error)

    return handle


def _require_right(request: web.Request, session: ScreenSession, route: Route) -> None:
    assert route.right is not None, "checked when the route was added"
    session.caller.require(route.right)
    if route.is_of_organization and session.caller.facility_codes is not None:
        raise NotPermitted("this belongs to the organization; your account works at some facilities")
    if "facility_code" in request.match_info:
        session.caller.require_facility(request.match_info["facility_code"])


async def _with_file(request: web.Request, session: ScreenSession, route: Route) -> web.StreamResponse:
    """The answer to a form with a long file, from a document worker where there are some.

    Origin and right are checked before the body is read, the token of the form where its fields are read.
    """
    require_own_origin(request)
    _require_right(request, session, route)
    app = app_state(request)
    if app.documents is not None:
        with app.documents.receiving():
            async with receive_file(request, size_max=app.limits.statement_size_max) as body:
                return await app.documents.forward(request, body)
    request[TAKES_FILE] = True
    await require_form_token(request, session)
    return await answer_of_first_press(request, route.handler)


def _refused_file(response: web.Response) -> web.Response:
    """The refusal stands where the preview would: the form keeps the file that was chosen."""
    response.headers.update({"HX-Retarget": "#preview", "HX-Reswap": "innerHTML", "HX-Reselect": "unset"})
    return response


async def _without_session(request: web.Request) -> web.StreamResponse:
    if request.method in ("GET", "HEAD"):
        return _redirect(request, sign_in_address(request))
    return await sign_in_again(request)


def _away(request: web.Request, session: ScreenSession) -> str | None:
    """The page that a locked session, or one with a password that someone else has set, must open first."""
    if session.stored.is_locked and not request.path.startswith(_OPEN_WHILE_LOCKED):
        return PIN
    if session.stored.must_change_password and request.path != OWN_PASSWORD:
        return OWN_PASSWORD
    return None


def _redirect(request: web.Request, address: str) -> web.Response:
    if "HX-Request" in request.headers:
        return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": address})
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address})
