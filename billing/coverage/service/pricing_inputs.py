"""The inputs of a visit's price at its facility: pricing authority, price lists in force, and policy options.

All are selected by the day of admission. A visit of a facility that is not the organization's is priced at the
supplied prices, with the default policy options.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from billing.core.clock import business_date
from billing.core.ids import FacilityId
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.pricing_authority import (
    AS_SUBMITTED,
    CollectedPrice,
    FacilityPricing,
    ListInForce,
    VisitPricing,
    price_day,
    price_for_collection,
    with_list_prices,
)
from billing.coverage.formats.policy_json import read_policy_options
from billing.coverage.service.context import PricingContext
from billing.coverage.store.facility_policies import read_policy_on
from billing.coverage.store.pricing_settings import read_pricing_on
from billing.db.database import Transaction
from billing.organizations.store.organizations import find_facility
from billing.tariffs.store.tariffs import read_in_force, read_items
from billing.visits.domain.visit import Visit


@dataclass(frozen=True, slots=True)
class PricingInputs:
    """The pricing inputs of one visit. `facility_id` is None for a facility that is not the organization's."""

    facility_id: FacilityId | None
    pricing: VisitPricing
    policy: Policy
    parameters: Parameters

    def price_for_collection(self, visit: Visit) -> CollectedPrice:
        """Price the visit that these inputs were loaded for. CPU only. Raises the errors of `price_for_collection`."""
        return price_for_collection(visit, self.pricing, parameters=self.parameters, policy=self.policy)

    def with_list_prices(self, visit: Visit) -> Visit:
        """The visit at the unit prices that would be collected. CPU only."""
        return with_list_prices(visit, self.pricing, parameters=self.parameters, policy=self.policy)


async def load_pricing_inputs(tx: Transaction, context: PricingContext, visits: Iterable[Visit]) -> list[PricingInputs]:
    """The pricing inputs of each visit, in order. Reads prices only of the codes that occur in the visits."""
    known: dict[tuple[str, date], _OfFacility] = {}
    terms = []
    for visit in visits:
        key = (visit.facility_code, business_date(visit.admitted_at))
        if key not in known:
            known[key] = await _read_facility(tx, context, *key)
        facility = known[key]
        pricing = await _read_pricing(tx, facility, visit)
        terms.append(PricingInputs(facility.id, pricing, facility.policy, context.parameters))
    return terms


@dataclass(frozen=True, slots=True)
class _OfFacility:
    """The inputs that apply at a facility to all visits admitted on one day."""

    id: FacilityId | None
    setting: FacilityPricing | None
    policy: Policy


async def _read_facility(tx: Transaction, context: PricingContext, code: str, day: date) -> _OfFacility:
    facility_id = await find_facility(tx, code)
    if facility_id is None:
        return _OfFacility(None, None, context.policy)
    readings = await read_policy_on(tx, facility_id, day)
    policy = context.policy if readings is None else read_policy_options(readings)
    return _OfFacility(facility_id, await read_pricing_on(tx, facility_id, day), policy)


async def _read_pricing(tx: Transaction, facility: _OfFacility, visit: Visit) -> VisitPricing:
    setting, facility_id = facility.setting, facility.id
    if setting is None or facility_id is None:
        return AS_SUBMITTED
    days = {price_day(visit, item, setting) for item in visit.items}
    lists = await read_in_force(tx, facility_id, days)
    codes = {item.code for item in visit.items if item.code}
    prices = await read_items(tx, {each.id for each in lists.values()}, codes=codes)
    return VisitPricing(
        setting, {day: ListInForce(each.id, each.valid_from, prices[each.id]) for day, each in lists.items()}
    )
