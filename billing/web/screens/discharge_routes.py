"""Routes of the discharge."""

from billing.organizations.domain.rights import Right
from billing.web.screens.discharge.pages import (
    get_discharge,
    post_discharge,
    post_override,
    post_override_here,
    post_reopening,
    post_reopening_here,
)
from billing.web.screens.route import screen_route

_VISIT = "/desk/visits/{id}"

DISCHARGE_SCREENS = (
    screen_route("GET", _VISIT + "/discharge", get_discharge, Right.READ_CLEARANCE),
    screen_route("POST", _VISIT + "/discharge", post_discharge, Right.BILL_VISIT),
    screen_route("POST", _VISIT + "/discharge/override", post_override, Right.OVERRIDE_DISCHARGE),
    screen_route("POST", _VISIT + "/discharge/override-here", post_override_here, Right.BILL_VISIT),
    screen_route("POST", _VISIT + "/reopen", post_reopening, Right.REOPEN_VISIT),
    screen_route("POST", _VISIT + "/reopen-here", post_reopening_here, Right.BILL_VISIT),
)
