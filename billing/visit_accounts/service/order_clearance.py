"""Answer whether an order may be performed: for laboratory, imaging and pharmacy systems."""

from billing.core.errors import NotFound
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.visit_accounts.domain.clearance import OrderClearance, clear_order
from billing.visit_accounts.store.clearance import read_visits_of_order

__all__ = ["OrderClearance", "OrderNotFound", "find_order_clearance"]


_LENGTH_MAX = 100


class OrderNotFound(NotFound):
    """The facility has no order of this number."""

    code = "order_not_found"


async def find_order_clearance(
    context: Context, organization_id: OrganizationId, *, facility_code: str, order_number: str
) -> OrderClearance:
    """The clearance of an order by the sender's number, as of now. Raises OrderNotFound."""
    is_possible = 1 <= len(order_number) <= _LENGTH_MAX and (order_number + facility_code).isprintable()
    if not is_possible:
        raise OrderNotFound("no order number is like this", field="order_number")
    visits = await read_visits_of_order(context.database.single_reads(organization_id), facility_code, order_number)
    found = clear_order(order_number, visits)
    if found is None:
        raise OrderNotFound("this facility has no order of this number", field="order_number")
    return found
