"""Routes of the administration."""

from billing.organizations.domain.rights import Right
from billing.web.screens.provider_health import get_accounts
from billing.web.screens.route import organization_route
from billing.web.screens.users import (
    USERS,
    get_users,
    post_disabling,
    post_enabling,
    post_password_reset,
    post_pin_removal,
    post_sessions_end,
)

_PERSON = USERS + "/{id}"

ADMIN_SCREENS = (
    organization_route("GET", USERS, get_users, Right.READ_PERSONS),
    organization_route("POST", _PERSON + "/password", post_password_reset, Right.CHANGE_SIGN_IN),
    organization_route("POST", _PERSON + "/pin", post_pin_removal, Right.CHANGE_SIGN_IN),
    organization_route("POST", _PERSON + "/disable", post_disabling, Right.CHANGE_SIGN_IN),
    organization_route("POST", _PERSON + "/enable", post_enabling, Right.CHANGE_SIGN_IN),
    organization_route("POST", _PERSON + "/sessions", post_sessions_end, Right.CHANGE_SIGN_IN),
    organization_route("GET", "/admin/accounts", get_accounts, Right.READ_ACCOUNT_CHANGES),
)
