"""Routes of money that goes back."""

from billing.organizations.domain.rights import Right
from billing.web.screens.refund.lines import get_refund, post_refund, post_return
from billing.web.screens.refund.refunds import (
    get_refund_page,
    post_approval,
    post_approval_here,
    post_cancellation,
    post_confirmation,
    post_instruction,
    post_payment,
    post_refusal,
)
from billing.web.screens.route import screen_route

REFUND_SCREENS = (
    screen_route("GET", "/desk/visits/{id}/refund", get_refund, Right.READ_PAYMENTS),
    screen_route("POST", "/desk/visits/{id}/refund", post_refund, Right.REQUEST_REFUND),
    screen_route("POST", "/desk/visits/{id}/return", post_return, Right.REQUEST_REFUND),
    screen_route("GET", "/refunds/{id}", get_refund_page, Right.READ_PAYMENTS),
    screen_route("POST", "/refunds/{id}/approve", post_approval, Right.APPROVE_REFUND),
    screen_route("POST", "/refunds/{id}/approve-here", post_approval_here, Right.REQUEST_REFUND),
    screen_route("POST", "/refunds/{id}/refuse", post_refusal, Right.APPROVE_REFUND),
    screen_route("POST", "/refunds/{id}/pay", post_payment, Right.PAY_OUT),
    screen_route("POST", "/refunds/{id}/instruct", post_instruction, Right.REFUND),
    screen_route("POST", "/refunds/{id}/confirm", post_confirmation, Right.REFUND),
    screen_route("POST", "/refunds/{id}/cancel", post_cancellation, Right.REQUEST_REFUND),
)
