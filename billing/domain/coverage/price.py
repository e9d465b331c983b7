"""THE PIPELINE: how one visit becomes a price. Read top to bottom; each step is one rule file.

Pure and exact: no clock, no storage, no float. A rule that would change an amount and is not built is refused by name
(`refusals.RuleNotBuilt`), never guessed. `THANH_TIEN_BV = T_BNTT + T_BNCCT + T_BHTT + T_NGUONKHAC`, a line and in all.
"""

from billing.domain.coverage.figures import BaseSalary, Figures, vietnam_day
from billing.domain.coverage.level import Level, find_card, find_level, visit_days
from billing.domain.coverage.lines import insured_total, scope_line, scope_line_without_card, share_line
from billing.domain.coverage.policy import BaseSalaryDay, Policy
from billing.domain.coverage.priced import PricedLine, PricedVisit, Reason
from billing.domain.coverage.route import find_route_factor
from billing.domain.coverage.supplies import refuse_packages_above_limit
from billing.domain.coverage.unbuilt import refuse_unbuilt_readings, refuse_unbuilt_rules
from billing.domain.money import ZERO, half_up_dong, total
from billing.domain.visit import ChargeItem, Visit


def price(visit: Visit, *, figures: Figures, policy: Policy) -> PricedVisit:
    """Say who pays what of every charge item of a visit, and by which rules; lines come in order of STT and table.

    Raises RuleNotBuilt (a NotSupported) naming the rule that would decide, UnknownObjectCode for an object code that
    does not exist, ImpossibleItem for an item whose figures contradict each other.
    Source: Health Insurance Law Art. 22; data standard of Decision 130/QĐ-BYT as amended; rules B-010 … B-080.
    """
    refuse_unbuilt_readings(visit, policy)
    salary, salary_reason = _base_salary(visit, figures, policy)
    threshold = figures.small_visit_threshold(salary)
    items = sorted(visit.items, key=_printing_order)

    card = find_card(visit)
    if isinstance(card, Reason):
        factor, reasons = ZERO, [salary_reason, card]
        lines = tuple(share_line(scope_line_without_card(item, card), Level(ZERO, card)) for item in items)
    else:
        refuse_unbuilt_rules(visit)
        route = find_route_factor(visit, figures)
        scoped = [scope_line(item, card, policy) for item in items]
        refuse_packages_above_limit(scoped, salary, figures)
        level = find_level(
            card,
            route,
            insured_amount=insured_total(scoped),
            threshold=threshold,
            last=visit_days(visit)[1],
            figures=figures,
        )
        factor, reasons = route.percent, [salary_reason, route.reason, *level.reasons]
        lines = tuple(share_line(line, level) for line in scoped)

    return PricedVisit(
        base_salary=salary.amount,
        threshold=threshold,
        route_factor=factor,
        lines=lines,
        reasons=(*reasons, *_rounding(lines)),
    )


def _base_salary(visit: Visit, figures: Figures, policy: Policy) -> tuple[BaseSalary, Reason]:
    """The base salary on the day the facility's setting names (B-030); an open visit counts with its last known day."""
    at_discharge = policy.base_salary_day is BaseSalaryDay.DISCHARGE
    day = visit_days(visit)[1] if at_discharge else vietnam_day(visit.admitted_at)
    salary = figures.base_salary_on(day)
    operands = {"base_salary": str(salary.amount), "day": day.isoformat(), "source": salary.source}
    return salary, Reason("B-030", operands)


def _rounding(lines: tuple[PricedLine, ...]) -> tuple[Reason, ...]:
    """Say that the patient's share was rounded to whole đồng, where it was (B-080)."""
    exact = total(amount for line in lines for amount in (line.self_pay, line.copay))
    rounded = half_up_dong(exact)
    if exact == rounded:
        return ()
    return (Reason("B-080", {"exact": format(exact, "f"), "rounded": str(rounded)}),)


def _printing_order(item: ChargeItem) -> tuple[int, str]:
    return item.number, item.table
