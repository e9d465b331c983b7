"""The service ratio [TYLE_TT_DV] of lines that were told without one: reckoned by rule from the visit's other lines.

A system that tells orders as they happen does not know which consultation of the visit one is, or which intervention is
the dearest. What was told is never changed; where it is against a rule, the claim check says so.
"""

from collections.abc import Set
from dataclasses import replace

from billing.coverage.domain.bed_days import BED_GROUPS, expect_bed_ratios
from billing.coverage.domain.consultations import CONSULTATION_GROUP, expect_consultations
from billing.coverage.domain.surgeries import PROCEDURE_GROUP, SURGERY_GROUP, expect_surgeries
from billing.visits.domain.facts import LineKey, VisitFacts
from billing.visits.domain.visit import Visit

RATIO_GROUPS = BED_GROUPS | {CONSULTATION_GROUP, SURGERY_GROUP, PROCEDURE_GROUP}
"""Cost groups [MA_NHOM] of which a rule may say the ratio."""


def with_default_ratios(visit: Visit, facts: VisitFacts, without_ratio: Set[LineKey]) -> Visit:
    """The visit with the ratios the rules give the lines of `untold`; 100 where no rule speaks of a line.

    Consultations in order of time (B-061), interventions of one moment by price and team (B-062), shared beds (B-063).
    Where a fact lacks, the least is taken that may be right: 50 % for a further intervention whose team is not told,
    so that nobody is charged what may have to be given back; a bed nobody is known to have shared counts whole.
    Source: Circular 35/2016/TT-BYT Art. 4b–4d as added by Circular 39/2024/TT-BYT; data standard, TYLE_TT_DV.
    """
    expected = (
        *expect_consultations(visit, facts),
        *expect_surgeries(visit, facts),
        *expect_bed_ratios(visit, facts),
    )
    ratios = {
        each.item.key: each.value
        for each in expected
        if each.field == "TYLE_TT_DV" and each.item is not None and each.item.key in without_ratio
    }
    if not ratios:
        return visit
    items = (replace(item, service_ratio=ratios[item.key]) if item.key in ratios else item for item in visit.items)
    return replace(visit, items=tuple(items))
