"""Routes of the shift, its closing, the shifts of others, and the safe."""

from billing.organizations.domain.rights import Right
from billing.web.screens.route import organization_route, screen_route
from billing.web.screens.shift.closing import (
    get_closing,
    post_count,
    post_draft,
    post_receipts,
    post_signature,
)
from billing.web.screens.shift.heads import (
    get_force,
    get_minutes,
    get_receipts,
    get_waiting,
    post_close,
    post_force,
)
from billing.web.screens.shift.own import (
    get_shift,
    post_hand_over,
    post_paid_in,
    post_paid_out,
    post_shift,
    post_sums,
)
from billing.web.screens.shift.safe import get_safe, post_acceptance, post_bank_deposit, post_rejection

SHIFT_SCREENS = (
    screen_route("GET", "/shift", get_shift, Right.RUN_SHIFT),
    screen_route("POST", "/shift", post_shift, Right.RUN_SHIFT),
    screen_route("POST", "/shift/sums", post_sums, Right.READ_SHIFTS),
    screen_route("POST", "/shift/paid-in", post_paid_in, Right.RUN_SHIFT),
    screen_route("POST", "/shift/paid-out", post_paid_out, Right.RUN_SHIFT),
    screen_route("POST", "/shift/hand-overs", post_hand_over, Right.RUN_SHIFT),
    screen_route("GET", "/shift/close", get_closing, Right.RUN_SHIFT),
    screen_route("POST", "/shift/close/draft", post_draft, Right.RUN_SHIFT),
    screen_route("POST", "/shift/close/count", post_count, Right.RUN_SHIFT),
    screen_route("POST", "/shift/close/receipts", post_receipts, Right.RUN_SHIFT),
    screen_route("POST", "/shift/close/sign", post_signature, Right.RUN_SHIFT),
    screen_route("GET", "/shift/waiting", get_waiting, Right.CLOSE_SHIFT),
    screen_route("POST", "/shift/waiting/{id}/close", post_close, Right.CLOSE_SHIFT),
    screen_route("GET", "/shift/waiting/{id}/force", get_force, Right.CLOSE_SHIFT),
    screen_route("POST", "/shift/waiting/{id}/force", post_force, Right.CLOSE_SHIFT),
    screen_route("GET", "/shift/{id}/receipts", get_receipts, Right.CLOSE_SHIFT),
    screen_route("GET", "/shift/{id}/minutes", get_minutes, Right.READ_SHIFTS),
    screen_route("GET", "/safe", get_safe, Right.ACCEPT_HAND_OVER),
    screen_route("POST", "/safe/hand-overs/{id}/accept", post_acceptance, Right.ACCEPT_HAND_OVER),
    screen_route("POST", "/safe/hand-overs/{id}/reject", post_rejection, Right.ACCEPT_HAND_OVER),
    organization_route("POST", "/safe/bank-deposits", post_bank_deposit, Right.DEPOSIT_TO_BANK),
)
