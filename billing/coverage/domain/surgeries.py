"""Several interventions in one operation: the dearest at 100 %, each further one at a lower ratio (B-062)."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from billing.core.money import HUNDRED
from billing.coverage.domain.expectation import Expected, expect_ratio
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.facts import VisitFacts
from billing.visits.domain.visit import ChargeItem, Scope, Visit

SURGERY_GROUP = 8
PROCEDURE_GROUP = 18
_SAME_TEAM = Decimal(50)
_OTHER_TEAM = Decimal(80)
_PROCEDURE = Decimal(80)


def expect_surgeries(visit: Visit, facts: VisitFacts) -> tuple[Expected, ...]:
    """The service ratio of interventions performed at the same time [NGAY_TH_YL], which are one operation.

    The dearest surgery 100 %; each further surgery 50 % by the same team, 80 % where another team had to do it; an
    added procedure 80 %. Teams are compared by NGUOI_THUC_HIEN: equal, or without a common person; where they overlap
    or are not known, both ratios are accepted. Interventions without a time, or procedures alone, are not checked.
    Source: Circular 35/2016/TT-BYT Art. 4d as added by Circular 39/2024/TT-BYT; the procedure clause partly read.
    """
    operations: dict[datetime, list[ChargeItem]] = defaultdict(list)
    for item in visit.items:
        timestamp = facts.line(item.key).performed_at
        is_intervention = item.group in (SURGERY_GROUP, PROCEDURE_GROUP) and not item.is_supply
        if is_intervention and item.scope is not Scope.PATIENT and timestamp is not None:
            operations[timestamp].append(item)
    return tuple(expected for items in operations.values() for expected in _expect(items, facts))


def _expect(items: list[ChargeItem], facts: VisitFacts) -> list[Expected]:
    surgeries = [item for item in items if item.group == SURGERY_GROUP]
    if len(items) < 2 or not surgeries:
        return []
    # Of interventions with equal prices the one with the higher stated ratio is the first: the source may choose.
    main = max(surgeries, key=lambda item: (item.insurance_price, item.service_ratio, -item.number))
    team = facts.line(main.key).performers
    return [_expect_one(item, main, team, facts) for item in items]


def _expect_one(item: ChargeItem, main: ChargeItem, team: frozenset[str], facts: VisitFacts) -> Expected:
    if item is main:
        return expect_ratio(item, (HUNDRED,), AppliedRule("B-062", {}, "dearest"))
    if item.group == PROCEDURE_GROUP:
        return expect_ratio(item, (_PROCEDURE,), AppliedRule("B-062", {"ratio": "80"}, "procedure"))
    own = facts.line(item.key).performers
    if own and own == team:
        return expect_ratio(item, (_SAME_TEAM,), AppliedRule("B-062", {"ratio": "50"}, "same_team"))
    if own and team and not own & team:
        return expect_ratio(item, (_OTHER_TEAM,), AppliedRule("B-062", {"ratio": "80"}, "other_team"))
    return expect_ratio(item, (_SAME_TEAM, _OTHER_TEAM), AppliedRule("B-062", {}, "team_unknown"))
