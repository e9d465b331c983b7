"""Routes of the cashier's desk and of the customer display."""

from billing.organizations.domain.rights import Right
from billing.web.screens.cashier_forms import (
    post_advance,
    post_code,
    post_collection,
    post_put_away,
    post_receipt,
    post_standing_code,
)
from billing.web.screens.cashier_pages import (
    get_alive,
    get_change,
    get_deposit,
    get_desk,
    get_find,
    get_keys,
    get_live,
    get_pay,
    get_risks,
    get_visit,
    get_waiting,
    get_waiting_visits,
    get_what_if,
    post_next,
)
from billing.web.screens.cashier_paper import get_paper_block, post_block, post_paper_receipt, post_unused_numbers
from billing.web.screens.customer_display import get_display, get_display_live
from billing.web.screens.route import screen_route

_VISIT = "/desk/visits/{id}"

CASHIER_SCREENS = (
    screen_route("GET", "/desk", get_desk, Right.COLLECT),
    screen_route("GET", "/desk/find", get_find, Right.COLLECT),
    screen_route("GET", "/desk/waiting-visits", get_waiting_visits, Right.COLLECT),
    screen_route("POST", "/desk/next", post_next, Right.COLLECT),
    screen_route("GET", "/desk/waiting", get_waiting, Right.COLLECT),
    screen_route("GET", "/desk/change", get_change, Right.COLLECT),
    screen_route("GET", "/desk/alive", get_alive, Right.COLLECT),
    screen_route("GET", "/desk/live", get_live, Right.COLLECT),
    screen_route("GET", "/desk/keys", get_keys, Right.COLLECT),
    screen_route("GET", "/desk/paper", get_paper_block, Right.COLLECT),
    screen_route("POST", "/desk/paper/reserve", post_block, Right.COLLECT),
    screen_route("POST", "/desk/paper/enter", post_paper_receipt, Right.COLLECT),
    screen_route("POST", "/desk/paper/unused", post_unused_numbers, Right.COLLECT),
    screen_route("GET", _VISIT, get_visit, Right.COLLECT),
    screen_route("GET", _VISIT + "/pay", get_pay, Right.COLLECT),
    screen_route("GET", _VISIT + "/deposit", get_deposit, Right.COLLECT),
    screen_route("GET", _VISIT + "/what-if", get_what_if, Right.QUOTE),
    screen_route("GET", _VISIT + "/risks", get_risks, Right.QUOTE),
    screen_route("POST", _VISIT + "/collect", post_collection, Right.COLLECT),
    screen_route("POST", _VISIT + "/receipt", post_receipt, Right.COLLECT),
    screen_route("POST", _VISIT + "/advance", post_advance, Right.COLLECT),
    screen_route("POST", _VISIT + "/code", post_code, Right.REQUEST_PAYMENT),
    screen_route("POST", _VISIT + "/standing-code", post_standing_code, Right.REQUEST_PAYMENT),
    screen_route("POST", _VISIT + "/put-away", post_put_away, Right.REQUEST_PAYMENT),
    screen_route("GET", "/display/{desk}", get_display, Right.COLLECT),
    screen_route("GET", "/display/{desk}/live", get_display_live, Right.COLLECT),
)
