"""The one table of the screens: every route with its right. A test calls each with each role and with none."""

from billing.web.operation import Route
from billing.web.screens.admin_routes import ADMIN_SCREENS
from billing.web.screens.cashier_routes import CASHIER_SCREENS
from billing.web.screens.discharge_routes import DISCHARGE_SCREENS
from billing.web.screens.finance_routes import FINANCE_SCREENS
from billing.web.screens.money_routes import MONEY_SCREENS
from billing.web.screens.print_routes import PRINT_SCREENS
from billing.web.screens.queue_display import QUEUE_SCREENS
from billing.web.screens.refund_routes import REFUND_SCREENS
from billing.web.screens.shift_routes import SHIFT_SCREENS
from billing.web.screens.start_routes import START_SCREENS

SCREENS: tuple[Route, ...] = (
    *ADMIN_SCREENS,
    *DISCHARGE_SCREENS,
    *FINANCE_SCREENS,
    *MONEY_SCREENS,
    *PRINT_SCREENS,
    *QUEUE_SCREENS,
    *REFUND_SCREENS,
    *SHIFT_SCREENS,
    *START_SCREENS,
    *CASHIER_SCREENS,
)
