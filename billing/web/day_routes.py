"""The routes of business days and of opening balances with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.days import get_day, get_day_certificate, post_day_closing, post_opening_balances
from billing.web.operation import api_route

DAY_API = (
    api_route("GET", "/ledger/days/{day}", get_day, Right.READ_BOOKS),
    api_route("POST", "/ledger/days/{day}/close", post_day_closing, Right.CLOSE_DAY),
    api_route("GET", "/ledger/days/{day}/certificate", get_day_certificate, Right.READ_BOOKS),
    api_route("POST", "/ledger/opening-balances", post_opening_balances, Right.SET_OPENING_BALANCES),
)
"""Routes of business days and of opening balances."""
