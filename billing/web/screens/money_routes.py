"""Routes of the search for money at the desk."""

from billing.organizations.domain.rights import Right
from billing.web.screens.money_search import (
    get_find_money,
    post_assignment,
    post_confirmation,
    post_confirmation_here,
)
from billing.web.screens.route import organization_route

MONEY_SCREENS = (
    organization_route("GET", "/desk/find-money", get_find_money, Right.FIND_MONEY),
    organization_route("POST", "/desk/find-money/assign", post_assignment, Right.COLLECT),
    organization_route("POST", "/desk/find-money/confirm", post_confirmation, Right.CONFIRM_MANUALLY),
    organization_route("POST", "/desk/find-money/confirm-here", post_confirmation_here, Right.COLLECT),
)
