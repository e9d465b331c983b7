"""A route of the screens: path, handler and right. `routes.py` collects the routes, `guards.py` adds them."""

from functools import wraps

from aiohttp import web

from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import NotPermitted
from billing.web.operation import Handler, Route
from billing.web.screens.session import current


def screen_route(method: str, path: str, handler: Handler, right: Right) -> Route:
    """A page, fragment or form of the screens, for persons with the right."""
    return Route(method=method, path=path, handler=handler, right=right)


def organization_route(method: str, path: str, handler: Handler, right: Right) -> Route:
    """A route of what belongs to the organization as a whole: not for persons of some facilities."""

    @wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        if current(request).caller.facility_codes is not None:
            raise NotPermitted("this belongs to the organization; your account works at some facilities")
        return await handler(request)

    return screen_route(method, path, handle, right)
