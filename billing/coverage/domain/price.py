"""The price of a visit: one ordered pipeline. Each step is a rule group of the statutory insurance.

Pure and exact: no clock, no storage, no float. A visit whose deciding parameter or fact is not known is refused with
the rule (`refusals.RuleNotSupported`), never guessed.
`THANH_TIEN_BV = T_BNTT + T_BNCCT + T_BHTT + T_NGUONKHAC`, for each line and in total.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from billing.core.clock import business_date
from billing.core.money import half_up_dong, total
from billing.coverage.domain.benefit_level import Entitlement, Level, find_entitlements, find_level, visit_days
from billing.coverage.domain.care_route import RouteFactor, find_route_factor, route_of_uninsured
from billing.coverage.domain.copay import CopayYears
from billing.coverage.domain.cost_sharing import share_lines
from billing.coverage.domain.line_price import insured_total, scope_line
from billing.coverage.domain.parameters import BaseSalary, Parameters
from billing.coverage.domain.policy import DayOfStay, Policy, SupplyPackageCap
from billing.coverage.domain.price_result import AppliedRule, PricedLine, PricedVisit, ScopedLine
from billing.coverage.domain.private import private_insurer_notes, private_share
from billing.coverage.domain.supplies import count_stents, limit_packages, package_limit
from billing.visits.domain.visit import ChargeItem, Visit

ROUNDING_RULE = "B-080"


def price(visit: Visit, *, parameters: Parameters, policy: Policy) -> PricedVisit:
    """Divide every charge item of a visit among the payers, with the applied rules; lines in order of STT and table.

    Raises RuleNotSupported (a NotSupported) naming a rule whose parameter or fact is not known, UnknownCategory or
    CategoryDoesNotFit for an object code, InvalidItem for an item whose values contradict each other.
    Source: Health Insurance Law Art. 22; data standard of Decision 130/QĐ-BYT as amended; rules B-010 … B-090.
    """
    last = visit_days(visit)[1]
    salary, salary_reason = _base_salary(visit, last, parameters, policy)
    threshold = parameters.small_visit_threshold(salary)
    items = sorted(visit.items, key=_printing_order)

    entitlements = find_entitlements(visit, items, parameters=parameters, policy=policy)
    is_insured = any(entitlement.is_insured for entitlement in entitlements)
    route = (
        find_route_factor(visit, parameters, policy) if is_insured else route_of_uninsured(visit, parameters, policy)
    )
    scoped = _scope(items, entitlements, salary, parameters, policy)
    insured_amount = insured_total(scoped)
    level_of = {
        id(entitlement): find_level(
            entitlement, route, insured_amount=insured_amount, threshold=threshold, parameters=parameters, policy=policy
        )
        for entitlement in _different(entitlements)
    }
    years = CopayYears(visit, route, last, parameters=parameters, policy=policy)
    entitled = [(entitlement, level_of[id(entitlement)]) for entitlement in entitlements]
    limit = package_limit(salary, parameters)
    lines = share_lines(visit, scoped, entitled, years, package_limit=limit, policy=policy)

    priced = PricedVisit(
        base_salary=salary.amount,
        threshold=threshold,
        route_factor=route.percent,
        lines=lines,
        reasons=(
            salary_reason,
            *_reasons(route, entitlements, level_of),
            *years.reasons(),
            *rounding_reasons(lines),
        ),
        copay_threshold=years.threshold,
        copay_accumulated=years.accumulated,
        copay_paid=years.paid,
    )
    return with_private_share(priced, visit)


def with_private_share(priced: PricedVisit, visit: Visit) -> PricedVisit:
    """The price with the private insurer share; unchanged without private insurance (B-090 … B-093)."""
    if visit.private_insurance is None:
        return priced
    insurance = visit.private_insurance
    pays, reason = private_share(priced.lines, insurance, patient=priced.patient_share)
    notes = private_insurer_notes(insurance) if pays else ()
    return replace(
        priced, private_insurer=pays, guarantor=insurance.guarantor, reasons=(*priced.reasons, reason, *notes)
    )


def _base_salary(visit: Visit, last: date, parameters: Parameters, policy: Policy) -> tuple[BaseSalary, AppliedRule]:
    """The base salary on the day that the policy option selects (B-030); an open visit ends on its last known day."""
    at_discharge = policy.base_salary_day is DayOfStay.DISCHARGE
    admitted = business_date(visit.admitted_at)
    day = last if at_discharge else admitted
    salary = parameters.base_salary_on(day)
    operands = {"base_salary": str(salary.amount), "day": day.isoformat(), "source": salary.source}
    return salary, AppliedRule("B-030", operands, "across" if parameters.base_salary_changes(admitted, last) else "")


def _scope(
    items: list[ChargeItem],
    entitlements: Sequence[Entitlement],
    salary: BaseSalary,
    parameters: Parameters,
    policy: Policy,
) -> list[ScopedLine]:
    """The in-scope part of each item, after its ceilings and the limit of its package."""
    stents = count_stents(items)
    scoped = [
        scope_line(item, entitlement, policy, stents.get(item.key, 0) if stents else 0)
        for item, entitlement in zip(items, entitlements, strict=True)
    ]
    if policy.supply_package_cap is not SupplyPackageCap.COVERED_COST or not any(item.package for item in items):
        return scoped
    return limit_packages(scoped, [entitlement.digit for entitlement in entitlements], salary, parameters, policy)


def _different(entitlements: Sequence[Entitlement]) -> list[Entitlement]:
    """Each distinct entitlement once: most visits have one, and equal entitlements are the same object."""
    return list({id(entitlement): entitlement for entitlement in entitlements}.values())


def _reasons(
    route: RouteFactor, entitlements: Sequence[Entitlement], level_of: Mapping[int, Level]
) -> tuple[AppliedRule, ...]:
    """The rules of the whole visit: the route, each level, and a note where there are several (B-014)."""
    different = _different(entitlements)
    groups = [entitlement.reason.operands["group"] for entitlement in different if entitlement.is_insured]
    reasons: list[AppliedRule] = []
    for entitlement in different:
        reasons.extend(reason for reason in level_of[id(entitlement)].reasons if reason not in reasons)
    if len(set(groups)) > 1:
        reasons.insert(0, AppliedRule("B-014", {"groups": ", ".join(dict.fromkeys(groups))}))
    return (*((route.reason, *route.notes) if groups else ()), *reasons)


def rounding_reasons(lines: tuple[PricedLine, ...]) -> tuple[AppliedRule, ...]:
    """The rule that the patient share was rounded to whole đồng, where it was (B-080)."""
    exact = total([line.self_pay + line.copay for line in lines])
    rounded = half_up_dong(exact)
    if exact == rounded:
        return ()
    return (AppliedRule(ROUNDING_RULE, {"exact": format(exact, "f"), "rounded": str(rounded)}),)


def _printing_order(item: ChargeItem) -> tuple[int, str]:
    return item.number, item.table
