"""The routes of business days, months and opening balances with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.days import get_day, get_day_certificate, post_day_closing, post_opening_balances
from billing.web.api.months import get_month_certificate, get_months, post_month_closing
from billing.web.operation import api_route

DAY_API = (
    api_route("GET", "/ledger/days/{day}", get_day, Right.READ_BOOKS),
    api_route("POST", "/ledger/days/{day}/close", post_day_closing, Right.CLOSE_DAY),
    api_route("GET", "/ledger/days/{day}/certificate", get_day_certificate, Right.READ_BOOKS),
    api_route("GET", "/months", get_months, Right.READ_BOOKS),
    api_route("POST", "/months/{month}/close", post_month_closing, Right.CLOSE_DAY),
    api_route("GET", "/months/{month}/certificate", get_month_certificate, Right.READ_BOOKS),
    api_route("POST", "/ledger/opening-balances", post_opening_balances, Right.SET_OPENING_BALANCES),
)
"""Routes of business days, months and opening balances."""
