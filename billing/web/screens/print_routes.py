"""Routes of receipts and of all papers."""

from billing.organizations.domain.rights import Right
from billing.web.screens.prints.codes import get_code_paper
from billing.web.screens.prints.minutes import get_minutes_paper
from billing.web.screens.prints.printers import get_printers, post_printer
from billing.web.screens.prints.receipts import get_paper, get_receipt, post_copy, post_move, post_void, post_void_here
from billing.web.screens.prints.statements import get_statement
from billing.web.screens.route import screen_route

PRINT_SCREENS = (
    screen_route("GET", "/receipts/{id}", get_receipt, Right.READ_PAYMENTS),
    screen_route("POST", "/receipts/{id}/copies/{paper}", post_copy, Right.COLLECT),
    screen_route("POST", "/receipts/{id}/void", post_void, Right.VOID_RECEIPT),
    screen_route("POST", "/receipts/{id}/void-here", post_void_here, Right.COLLECT),
    screen_route("POST", "/receipts/{id}/move", post_move, Right.MOVE_RECEIPT),
    screen_route("GET", "/print/receipts/{id}/{paper}", get_paper, Right.READ_PAYMENTS),
    screen_route("GET", "/print/visits/{id}/codes/{code}", get_code_paper, Right.COLLECT),
    screen_route("GET", "/print/visits/{id}/statement", get_statement, Right.READ_VISITS),
    screen_route("GET", "/admin/printers", get_printers, Right.SET_UP_DESKS),
    screen_route("POST", "/admin/printers/{id}", post_printer, Right.SET_UP_DESKS),
    screen_route("GET", "/print/shifts/{id}", get_minutes_paper, Right.READ_SHIFTS),
)
