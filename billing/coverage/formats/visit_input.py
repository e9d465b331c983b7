"""Read a JSON visit for pricing and compute the service ratios of the lines that state none."""

from collections.abc import Mapping

from billing.coverage.domain.service_ratios import RATIO_GROUPS, with_default_ratios
from billing.visits.domain.facts import VisitFacts
from billing.visits.domain.visit import Visit
from billing.visits.formats import visit_json


def read_visit(document: Mapping[str, object], *, default_facility: str | None = None, path: str = "") -> Visit:
    """Read one visit object with `visit_json.read_visit` and add the service ratios [TYLE_TT_DV] that are not stated.

    Raises InvalidValue (its `field` is the path).
    """
    visit = visit_json.read_visit(document, default_facility=default_facility, path=path)
    unstated = visit_json.services_without_ratio(document, visit)
    missing = (
        {item.key for item in visit.items if item.key in unstated and item.group in RATIO_GROUPS} if unstated else ()
    )
    if not missing:
        return visit
    facts = VisitFacts(lines=visit_json.read_facts_of_lines(document, visit))
    return with_default_ratios(visit, facts, missing)
