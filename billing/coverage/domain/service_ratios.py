"""Default service ratios [TYLE_TT_DV] of lines supplied without one, computed by rule from the visit's other lines.

A system that reports orders as they happen does not know the ordinal of a consultation in the visit, or which
intervention is the dearest. A stated ratio is never changed; the claim check reports a ratio that violates a rule.
"""

from collections.abc import Set
from dataclasses import replace

from billing.coverage.domain.bed_days import BED_GROUPS, expect_bed_ratios
from billing.coverage.domain.consultations import CONSULTATION_GROUP, expect_consultations
from billing.coverage.domain.surgeries import PROCEDURE_GROUP, SURGERY_GROUP, expect_surgeries
from billing.visits.domain.facts import LineKey, VisitFacts
from billing.visits.domain.visit import Visit

RATIO_GROUPS = BED_GROUPS | {CONSULTATION_GROUP, SURGERY_GROUP, PROCEDURE_GROUP}
"""Cost groups [MA_NHOM] whose ratio a rule may decide."""


def with_default_ratios(visit: Visit, facts: VisitFacts, without_ratio: Set[LineKey]) -> Visit:
    """The visit with default ratios for the lines of `without_ratio`; 100 where no rule applies to a line.

    Consultations in order of time (B-061), simultaneous interventions by price and team (B-062), shared beds (B-063).
    Where a fact is missing, the lowest possible ratio applies: 50 % for a further intervention whose team is not known,
    so that no amount is collected that may have to be refunded. A bed not known to be shared counts 100 %.
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
