"""The bar of every page: the screens that the person of the session may open, in one order."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from billing.organizations.domain.rights import Right
from billing.web.operation import Route
from billing.web.screens.session import current_or_none

BAR = (
    ("/desk", "nav.desk"),
    ("/shift", "nav.shift"),
    ("/shift/waiting", "nav.shifts"),
    ("/safe", "nav.safe"),
    ("/finance", "nav.finance"),
    ("/finance/reconciliation", "nav.reconcile"),
    ("/finance/exceptions", "nav.exceptions"),
    ("/finance/days", "nav.day"),
    ("/approvals", "nav.approvals"),
    ("/finance/prices", "nav.prices"),
    ("/finance/journal", "nav.journal"),
    ("/finance/statements", "nav.statements"),
    ("/finance/ledger", "nav.ledger"),
    ("/finance/payouts", "nav.payouts"),
    ("/finance/traces", "nav.traces"),
    ("/finance/returns", "nav.returns"),
    ("/finance/reports", "nav.reports"),
    ("/finance/inbox", "nav.inbox"),
    ("/finance/wards", "nav.wards"),
    ("/finance/differences", "nav.differences"),
    ("/admin/users", "nav.users"),
    ("/admin/accounts", "nav.accounts"),
    ("/admin/printers", "nav.printers"),
)
"""Paths of the bar with their texts, the most used first: a page shows SHOWN of them, the others in a menu.
A path without a route is left out; the right is that of its route."""

SHOWN = 6
"""The entries that fit next to the hospital, the person and the lock at 1366 px."""

_INSIDE = {"/finance/wards": "/finance", "/finance/differences": "/finance", "/admin/accounts": "/finance"}
"""Screens to which the pages of another one lead: the bar has them for a person who may not open that one."""


_UNDER = (("/finance/settlements/", "/finance/statements/"), ("/finance/visits/", "/finance/journal/"))
"""Pages without an entry, by the beginning of their address, and the entry from which they are opened."""


@dataclass(frozen=True, slots=True)
class BarScreen:
    """A screen of the bar with the right of its route, and whether it is not for persons of some facilities."""

    path: str
    key: str
    right: Right
    is_of_organization: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A screen in the bar of one page."""

    path: str
    key: str
    is_current: bool


NAVIGATION: web.AppKey[tuple[BarScreen, ...]] = web.AppKey("navigation")


def bar_of(routes: Iterable[Route]) -> tuple[BarScreen, ...]:
    """The screens of the bar that have a route."""
    opened = {route.path: route for route in routes if route.method == "GET"}
    return tuple(
        BarScreen(path, key, route.right, route.is_of_organization)
        for path, key in BAR
        if (route := opened.get(path)) is not None and route.right is not None
    )


def entries_of(request: web.Request) -> list[Entry]:
    """The bar for the person of the session. The longest path that begins the address is the current one."""
    session = current_or_none(request)
    if session is None:
        return []
    is_limited = session.caller.facility_codes is not None
    reached = [
        each
        for each in request.config_dict[NAVIGATION]
        if session.caller.has(each.right) and not (is_limited and each.is_of_organization)
    ]
    paths = {each.path for each in reached}
    allowed = [each for each in reached if _INSIDE.get(each.path) not in paths]
    address = f"{request.path}/"
    address = next((entry for begin, entry in _UNDER if address.startswith(begin)), address)
    current = max((each.path for each in allowed if address.startswith(f"{each.path}/")), key=len, default="")
    return [Entry(each.path, each.key, each.path == current) for each in allowed]
