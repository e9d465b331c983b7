"""Routes of the start page and of the own account."""

from billing.organizations.domain.rights import Right
from billing.web.screens.account import (
    SESSIONS,
    get_password,
    get_sessions,
    post_language,
    post_password,
    post_pin,
    post_session_end,
)
from billing.web.screens.route import screen_route
from billing.web.screens.session import OWN_PASSWORD
from billing.web.screens.start import get_start

START_SCREENS = (
    screen_route("GET", "/", get_start, Right.USE_SCREENS),
    screen_route("GET", SESSIONS, get_sessions, Right.USE_SCREENS),
    screen_route("POST", SESSIONS + "/{id}/end", post_session_end, Right.USE_SCREENS),
    screen_route("GET", OWN_PASSWORD, get_password, Right.USE_SCREENS),
    screen_route("POST", OWN_PASSWORD, post_password, Right.USE_SCREENS),
    screen_route("POST", "/my/pin", post_pin, Right.USE_SCREENS),
    screen_route("POST", "/my/language", post_language, Right.USE_SCREENS),
)
