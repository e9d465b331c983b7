"""What a visit is priced by at its facility: who decides, the lists in force for it, and how the law is read there.

All hold by the day of admission. A facility that is not the organization's is priced as it was told, by the default
readings.
"""

from dataclasses import dataclass

from billing.domain.coverage.authority import (
    AS_TOLD,
    ListInForce,
    Settled,
    VisitPricing,
    at_prices_in_force,
    price_day,
    settle,
)
from billing.domain.coverage.figures import Figures, vietnam_day
from billing.domain.coverage.policy import Policy
from billing.domain.ids import FacilityId
from billing.domain.visit import Visit
from billing.interop.readings import read_readings
from billing.services.context import Context
from billing.storage.database import Transaction
from billing.storage.facility_readings import read_readings_on
from billing.storage.organizations import find_facility
from billing.storage.pricing import read_pricing_on
from billing.storage.tariffs import read_in_force, read_items


@dataclass(frozen=True, slots=True)
class Terms:
    """What settles one visit. `facility_id` is None for a facility that is not the organization's."""

    facility_id: FacilityId | None
    pricing: VisitPricing
    policy: Policy
    figures: Figures

    def settle(self, visit: Visit) -> Settled:
        """Price the visit these terms were read for. Raises what `authority.settle` raises; all computing."""
        return settle(visit, self.pricing, figures=self.figures, policy=self.policy)

    def at_prices_in_force(self, visit: Visit) -> Visit:
        """The visit at the unit prices it would be collected at; all computing."""
        return at_prices_in_force(visit, self.pricing, figures=self.figures, policy=self.policy)


async def read_terms(tx: Transaction, context: Context, visit: Visit) -> Terms:
    """The terms of one visit. Only prices of codes the visit has are read."""
    facility_id = await find_facility(tx, visit.facility_code)
    if facility_id is None:
        return Terms(None, AS_TOLD, context.policy, context.figures)
    policy = await read_policy(tx, context, facility_id, visit)
    return Terms(facility_id, await _read_pricing(tx, facility_id, visit), policy, context.figures)


async def read_policy(tx: Transaction, context: Context, facility_id: FacilityId, visit: Visit) -> Policy:
    """How the visit's facility reads what the law leaves open; the default where nobody has set it."""
    readings = await read_readings_on(tx, facility_id, vietnam_day(visit.admitted_at))
    return context.policy if readings is None else read_readings(readings)


async def _read_pricing(tx: Transaction, facility_id: FacilityId, visit: Visit) -> VisitPricing:
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
