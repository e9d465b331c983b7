"""A route of the screens: path, handler and right. `routes.py` collects the routes, `guards.py` adds them."""

from billing.organizations.domain.rights import Right
from billing.web.operation import Handler, Route


def screen_route(method: str, path: str, handler: Handler, right: Right) -> Route:
    """A page, fragment or form of the screens, for persons with the right."""
    return Route(method=method, path=path, handler=handler, right=right)


def organization_route(method: str, path: str, handler: Handler, right: Right) -> Route:
    """A route of what belongs to the organization as a whole: not for persons of some facilities."""
    return Route(method=method, path=path, handler=handler, right=right, is_of_organization=True)
