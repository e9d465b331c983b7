"""Routes of the start page and of the own account."""

from billing.organizations.domain.rights import Right
from billing.web.screens.route import screen_route
from billing.web.screens.start import get_start

START_SCREENS = (screen_route("GET", "/", get_start, Right.USE_SCREENS),)
