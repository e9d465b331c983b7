"""Consultations of one visit: the first at 100 %, further ones at lower ratios, the sixth at 0 (B-061).

A second visit of a person on the same day is another rule (D-010): it permits a lower ratio of the first consultation
here, and `claims/domain/review_warnings.py` reports it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from billing.core.money import HUNDRED, percent
from billing.coverage.domain.expectation import Expected, expect_quantity, expect_ratio
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.facts import VisitFacts
from billing.visits.domain.visit import ChargeItem, Scope, Visit

CONSULTATION_GROUP = 13
DESK_LIMIT = 65
_RATIOS = (Decimal(100), Decimal(30), Decimal(30), Decimal(30), Decimal(10))
_NOTHING = Decimal(0)
_ABOVE_DESK_LIMIT = Decimal(50)
_ONE = Decimal(1)
RETURN_RATIO = Decimal(30)
"""The ratio that a review program applies to the consultation of a return on the same day (D-010)."""

_EMERGENCY = "2"


def expect_consultations(visit: Visit, facts: VisitFacts) -> tuple[Expected, ...]:
    """The service ratio of every insured consultation of a visit, in order of time.

    The first of a return on the same day may also have 30 % (D-010, `review_warnings`).

    1st 100 %, 2nd to 4th 30 %, 5th 10 %, then 0: together at most two prices. Of consultations ordered at the same
    time, the one with the higher stated ratio counts as the earlier. From the 66th of its desk within 8 hours (a
    separate fact) the insurer pays 50 % of that ratio. A consultation is charged once; the same code twice is a
    suspicion.
    Source: Circular 35/2016/TT-BYT Art. 4b as added by Circular 39/2024/TT-BYT; data standard, TYLE_TT_DV.
    """
    own = [item for item in visit.items if item.group == CONSULTATION_GROUP and item.scope is not Scope.PATIENT]
    own.sort(key=lambda item: (_time_of(item, visit), -item.service_ratio, item.number))
    expected = [
        _ratio(item, position, facts.line(item.key).number_at_desk) for position, item in enumerate(own, start=1)
    ]
    if expected and is_return(visit, facts):
        expected[0] = replace(expected[0], accepted=(*expected[0].accepted, RETURN_RATIO))
    return (*expected, *_charged_once(own))


def is_return(visit: Visit, facts: VisitFacts) -> bool:
    """Whether a visit follows another of its person on the same day and is no emergency (D-010)."""
    return bool(facts.same_day_return_of) and not is_emergency(visit, facts)


def is_emergency(visit: Visit, facts: VisitFacts) -> bool:
    """Whether a visit is an emergency by its object code, or by its supplied facts."""
    return visit.category_code == _EMERGENCY or bool(facts.is_emergency) or bool(facts.came_through_emergency)


def _ratio(item: ChargeItem, position: int, number_at_desk: int | None) -> Expected:
    ratio = _RATIOS[position - 1] if position <= len(_RATIOS) else _NOTHING
    operands = {"position": str(position), "ratio": format(ratio, "f")}
    if number_at_desk is None or number_at_desk <= DESK_LIMIT:
        return expect_ratio(item, (ratio,), AppliedRule("B-061", operands, "position"))
    halved = percent(ratio, _ABOVE_DESK_LIMIT)
    operands |= {"number": str(number_at_desk), "limit": str(DESK_LIMIT), "halved": format(halved.normalize(), "f")}
    return expect_ratio(item, (halved,), AppliedRule("B-061", operands, "desk"))


def _charged_once(items: list[ChargeItem]) -> Iterator[Expected]:
    counted = Counter(item.code for item in items if item.code)
    for item in items:
        if item.quantity not in (_NOTHING, _ONE):
            yield expect_quantity(item, (_ONE,), AppliedRule("B-061", {}, "quantity")).as_warning()
    for item in items:
        if counted[item.code] > 1 and item.service_ratio != HUNDRED:
            reason = AppliedRule("B-061", {"code": item.code, "count": str(counted[item.code])}, "same_code")
            yield expect_quantity(item, (_NOTHING,), reason).as_warning()


def _time_of(item: ChargeItem, visit: Visit) -> datetime:
    return item.ordered_at or visit.admitted_at
