"""The way a patient came [MA_DOITUONG_KCB]: which share of the card level it leaves (rules B-040 … B-049).

The object codes themselves are data (`parameters.toml`): a new rule adds rows.
"""

from dataclasses import dataclass
from decimal import Decimal

from billing.domain.coverage.figures import Figures, Route, vietnam_day
from billing.domain.coverage.priced import Reason
from billing.domain.coverage.refusals import RuleNotBuilt, UnknownObjectCode
from billing.domain.visit import Visit

NOT_INSURED = "9"


@dataclass(frozen=True, slots=True)
class RouteFactor:
    """Percent of the card level that is left, why, and whether the visit is at 100 % whatever the card (B-022)."""

    percent: Decimal
    is_flat: bool
    reason: Reason


def find_route_factor(visit: Visit, figures: Figures) -> RouteFactor:
    """Look up the object code as in force on the day of admission.

    Raises UnknownObjectCode for a code that is in no table, RuleNotBuilt for one whose rule is not built, that falls
    under another law on that day, or that does not exist for the kind of care.
    Source: Law 51/2024/QH15 Art. 22; Circular 01/2025/TT-BYT Art. 3–5; Decision 3276/QĐ-BYT annex 1 (B-042).
    """
    admitted_on = vietnam_day(visit.admitted_at)
    code = visit.object_code
    rows = figures.routes.get(code)
    route = next((row for row in rows or () if row.is_in_force(admitted_on)), None)
    if route is None and admitted_on.year < 2025:
        raise RuleNotBuilt("B-041a" if code == "2" else "B-040", field="MA_DOITUONG_KCB", found=code)
    if route is None:
        raise UnknownObjectCode(code)
    factor = _factor(route, visit.care_kind, figures) if route.is_built else None
    if factor is None:
        raise RuleNotBuilt(route.rule, field="MA_DOITUONG_KCB", found=code)
    operands = {"code": code, "factor": format(factor, "f")}
    return RouteFactor(factor, route.is_flat, Reason(route.rule, operands))


def _factor(route: Route, care_kind: str, figures: Figures) -> Decimal | None:
    """The factor for the kind of care; None where the table does not say."""
    if route.inpatient == route.outpatient:
        return route.inpatient
    if care_kind in figures.inpatient_kinds:
        return route.inpatient
    if care_kind in figures.outpatient_kinds:
        return route.outpatient
    return None
