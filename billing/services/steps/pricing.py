"""What settles a visit's price: its facility's setting on the day of admission, and the lists in force for it."""

from billing.domain.coverage.authority import (
    AS_TOLD,
    ListInForce,
    VisitPricing,
    price_day,
)
from billing.domain.coverage.figures import vietnam_day
from billing.domain.ids import FacilityId
from billing.domain.visit import Visit
from billing.storage.database import Transaction
from billing.storage.pricing import read_pricing_on
from billing.storage.tariffs import read_in_force, read_items


async def read_visit_pricing(tx: Transaction, facility_id: FacilityId, visit: Visit) -> VisitPricing:
    """Setting and prices for one visit. Only codes the visit has are read; nothing is where nobody set anything."""
    setting = await read_pricing_on(tx, facility_id, vietnam_day(visit.admitted_at))
    if setting is None:
        return AS_TOLD
    days = {price_day(visit, item, setting) for item in visit.items}
    lists = await read_in_force(tx, facility_id, days)
    codes = {item.code for item in visit.items if item.code}
    prices = await read_items(tx, {each.id for each in lists.values()}, codes=codes)
    return VisitPricing(
        setting, {day: ListInForce(each.id, each.valid_from, prices[each.id]) for day, each in lists.items()}
    )
