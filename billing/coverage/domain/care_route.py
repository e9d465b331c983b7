"""The care route [MA_DOITUONG_KCB]: the share of the card level that remains (rules B-040 … B-049).

The percentages by date are in `parameters.toml`: `[[former_tier]]` for care out of route until 2024, `[[route]]` for
each patient category (object code) with its dates. A new rule adds rows; `benefit_level` computes the card level. A
direct payment of the insurer to a patient for care without contract (B-081) is not part of an invoice.
"""

from dataclasses import dataclass
from decimal import Decimal

from billing.core.clock import business_date
from billing.core.money import HUNDRED, ZERO
from billing.coverage.domain.parameters import Parameters, Route
from billing.coverage.domain.policy import CareSide, DayOfStay, Policy
from billing.coverage.domain.price_result import AppliedRule
from billing.coverage.domain.refusals import CategoryDoesNotFit, RuleNotSupported, UnknownCategory
from billing.visits.domain.visit import FormerTier, Visit

NOT_INSURED = "9"
_RECALL = "8"
_EMERGENCY = "2"
_OUT_OF_ROUTE_GROUP = "3."
"""Group 3 of the object codes is care out of route, also where the law leaves the full level (3.2, 3.3, 3.6)."""


@dataclass(frozen=True, slots=True)
class RouteFactor:
    """Percent of the card level that remains, its rule, and whether the visit is at 100 % with any card (B-022).

    `notes` name the facility's policy option where it applied. `is_out_of_route` means that the patient came neither by
    the registered facility, a referral nor an emergency, also where the law leaves the full level: object codes of
    group 3, and under Law 46/2014/QH13 district hospitals and, from 2021, inpatients of provincial hospitals (B-040).
    """

    percent: Decimal
    is_flat: bool
    reason: AppliedRule
    notes: tuple[AppliedRule, ...] = ()
    is_out_of_route: bool = False

    @property
    def is_in_route(self) -> bool:
        """Whether the full level of the card remains: only then a co-payment counts towards the year's (B-029)."""
        return self.percent == HUNDRED


NO_ROUTE = RouteFactor(ZERO, False, AppliedRule("B-016", {}, "no_card"))
"""The route of a visit without insured items."""


def find_route_factor(visit: Visit, parameters: Parameters, policy: Policy) -> RouteFactor:
    """Find the object code as in force on the day that the facility's policy option selects (B-044 does not state it).

    Raises UnknownCategory for a code that is in no table, CategoryDoesNotFit for a code that does not exist for the
    kind of care, RuleNotSupported where the facility's former tier would decide and is not known.
    Source: Law 51/2024/QH15 Art. 22; Circular 01/2025/TT-BYT Art. 3–5; Decision 3276/QĐ-BYT annex 1 (B-042); before
    2025 Law 46/2014/QH13 Art. 22 (B-040).
    """
    code = visit.category_code
    if code == NOT_INSURED:
        return NO_ROUTE
    at_discharge = policy.route_day is DayOfStay.DISCHARGE and visit.discharged_at is not None
    day = business_date(visit.discharged_at if at_discharge and visit.discharged_at else visit.admitted_at)
    if code == _RECALL:
        raise CategoryDoesNotFit("code 8 recalls a claim; there is no care to price (B-049)", found=code)
    if visit.out_of_route_tier is not None and code != _EMERGENCY:
        rows, key = parameters.former_tiers.get(visit.out_of_route_tier.value, ()), "line"
    else:
        rows, key = parameters.routes.get(code, ()), "code"
    route = next((row for row in rows if row.is_in_force(day)), None)
    if route is None and key == "line":
        raise CategoryDoesNotFit("Law 46/2014/QH13 holds until 2024-12-31 (B-040)", found=code)
    if route is None and day.year < 2025:
        raise RuleNotSupported("B-040", field="route", found=code)
    if route is None:
        raise UnknownCategory(code)
    factor = _factor(route, visit.care_kind, parameters, policy)
    if factor is None:
        raise CategoryDoesNotFit(f"{code} does not exist for care of kind {visit.care_kind} (B-049)", found=code)
    operands = {"code": code, "factor": format(factor, "f"), "day": day.isoformat(), "day_of": policy.route_day.value}
    variant = ""
    if key == "line":
        variant = {FormerTier.CENTRAL: "central", FormerTier.PROVINCE: "province", FormerTier.DISTRICT: "district"}[
            FormerTier(route.code)
        ]
    elif route.is_unsure:
        variant = "unstated"
    notes = _day_care(route, visit.care_kind, parameters, policy)
    is_out_of_route = (
        key == "line" or code.startswith(_OUT_OF_ROUTE_GROUP) or (factor < HUNDRED and not route.is_unsure)
    )
    if code.startswith(_OUT_OF_ROUTE_GROUP) and factor == HUNDRED:
        variant = "out_of_route"
    return RouteFactor(factor, route.is_flat, AppliedRule(route.rule, operands, variant), notes, is_out_of_route)


def route_of_uninsured(visit: Visit, parameters: Parameters, policy: Policy) -> RouteFactor:
    """The route of a visit without a valid card: a stated object code changes no amount and refuses nothing."""
    try:
        return find_route_factor(visit, parameters, policy)
    except (UnknownCategory, CategoryDoesNotFit, RuleNotSupported):
        return NO_ROUTE


def _day_care(route: Route, care_kind: str, parameters: Parameters, policy: Policy) -> tuple[AppliedRule, ...]:
    """The note that a policy option chose the column, where the columns differ and neither names the kind of care."""
    if care_kind not in parameters.day_kinds or route.is_unsure or route.inpatient == route.outpatient:
        return ()
    variant = "day_care" if policy.day_care_side is CareSide.INPATIENT else "day_care_outpatient"
    return (AppliedRule("B-043", {"kind": care_kind}, variant),)


def _factor(route: Route, care_kind: str, parameters: Parameters, policy: Policy) -> Decimal | None:
    """The factor for the kind of care; None where the code does not exist for it."""
    if route.is_unsure:
        return policy.unstated_route_percent
    if route.inpatient == route.outpatient:
        return route.inpatient
    is_inpatient = care_kind in parameters.inpatient_kinds or (
        care_kind in parameters.day_kinds and policy.day_care_side is CareSide.INPATIENT
    )
    return route.inpatient if is_inpatient else route.outpatient
