"""Bed days: the days of a stay, the ratio of a shared bed, and a day in several departments (B-063 … B-066)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.core.clock import business_date
from billing.core.money import HUNDRED, total
from billing.coverage.domain.expectation import Expected, expect_quantity, expect_ratio
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.facts import VisitFacts
from billing.visits.domain.visit import ChargeItem, Scope, Visit

INPATIENT_BED_GROUP = 15
BED_GROUPS = frozenset({14, INPATIENT_BED_GROUP, 16})
_INPATIENT_KINDS = frozenset({"03", "09"})
_SHORT = timedelta(hours=4)
_FULL = timedelta(hours=24)
_HALF = Decimal("0.5")
_THIRD = Decimal("0.33")
_NOTHING = Decimal(0)
_ONE = Decimal(1)
_TWO_IN_BED = Decimal(50)
_THREE_IN_BED = Decimal(33)
_SHARING = (HUNDRED, _TWO_IN_BED, _THREE_IN_BED)

_DIED = frozenset({"5", "6", "8"})  # KET_QUA_DTRI: died, taken home dying, died outside
_WORSE = "4"
_REFERRED = frozenset({"2", "5"})  # MA_LOAI_RV
_AT_OWN_REQUEST = "4"  # MA_LOAI_RV: sent home at the family's request


def count_bed_days(
    admitted_at: datetime, discharged_at: datetime, *, has_further_day: bool, four_hours_are_a_day: bool
) -> int:
    """Bed days of a stay: up to 4 hours none, under 24 hours one even across midnight, else the days between.

    `has_further_day` adds one day to a stay of 24 hours or more (`has_further_day`, below). `four_hours_are_a_day`
    decides a stay of exactly 4 hours: sources disagree. Source: Circular 35/2016/TT-BYT Art. 4c as added by Circular
    39/2024.
    """
    stay = discharged_at - admitted_at
    if stay < _SHORT or (stay == _SHORT and not four_hours_are_a_day):
        return 0
    if stay < _FULL:
        return 1
    return (business_date(discharged_at) - business_date(admitted_at)).days + has_further_day


def has_further_day(facts: VisitFacts) -> bool | None:
    """Whether the day of leaving counts: died; worse and taken home or referred; or passed on from emergency.

    A worse result alone does not count: a patient who is discharged or absconds has no further day. None where the
    way of leaving, or whether a referred patient came through emergency, is not known.
    Source: Circular 35/2016/TT-BYT Art. 4c as added by Circular 39/2024 (B-066): "diễn biến nặng lên nhưng gia đình
    xin về hoặc chuyển viện".
    """
    if facts.outcome in _DIED:
        return True
    if not facts.outcome or not facts.leaving:
        return None
    if facts.outcome == _WORSE and (facts.leaving in _REFERRED or facts.leaving == _AT_OWN_REQUEST):
        return True
    return facts.came_through_emergency if facts.leaving in _REFERRED else False


def share_bed(patients: int) -> Decimal:
    """Service ratio of a bed for the number of patients in it: two 50 %, three or more 33 % (B-063)."""
    return _SHARING[min(patients, len(_SHARING)) - 1]


def split_day(prices: Sequence[Decimal], patients: Sequence[int]) -> tuple[Decimal, ...]:
    """Quantities of the beds of one day in two or more departments, in the order given (B-064).

    The dearest and the cheapest 0.5 each, others 0; of equal prices the first counts. A bed shared by two patients
    counts 0.5, by three or more 0.33.
    Source: data standard, SO_LUONG of beds; Circular 35/2016/TT-BYT Art. 4c as added by Circular 39/2024.
    """
    order = sorted(range(len(prices)), key=lambda place: (-prices[place], place))
    counted = {order[0], order[-1]}
    return tuple(
        _NOTHING if place not in counted else _THIRD if patients[place] > 2 else _HALF for place in range(len(prices))
    )


def expect_beds(visit: Visit, facts: VisitFacts, *, four_hours_are_a_day: bool) -> tuple[Expected, ...]:
    """The expectations of the rules for the bed lines of a visit: ratios, days in several departments, total days."""
    beds = _beds(visit)
    return (
        *expect_bed_ratios(visit, facts),
        *_expect_transfers(beds, visit, facts),
        *_expect_days(beds, visit, facts, four_hours_are_a_day=four_hours_are_a_day),
    )


def expect_bed_ratios(visit: Visit, facts: VisitFacts) -> tuple[Expected, ...]:
    """The service ratio of every insured bed, by the patients in it (B-063)."""
    return tuple(_ratio(item, facts.line(item.key).patients_in_bed) for item in _beds(visit))


def _beds(visit: Visit) -> list[ChargeItem]:
    return [item for item in visit.items if item.group in BED_GROUPS and item.scope is not Scope.PATIENT]


def _ratio(item: ChargeItem, patients: int | None) -> Expected:
    if patients is None or patients < 1:
        return expect_ratio(item, _nearest_first(item.service_ratio), AppliedRule("B-063", {}, "ratios"))
    ratio = share_bed(patients)
    operands = {"patients": str(patients), "ratio": format(ratio, "f")}
    return expect_ratio(item, (ratio,), AppliedRule("B-063", operands, "patients"))


def _nearest_first(ratio: Decimal) -> tuple[Decimal, ...]:
    """The ratios a bed may have, the most probable first: the 30 % of an older circular is now 33 %."""
    return tuple(sorted(_SHARING, key=lambda allowed: abs(allowed - ratio)))


def _expect_transfers(beds: list[ChargeItem], visit: Visit, facts: VisitFacts) -> list[Expected]:
    """Beds of one day in several departments; lines of more than one day cannot be assigned to days."""
    by_day: dict[date, list[ChargeItem]] = defaultdict(list)
    for item in beds:
        if item.group == INPATIENT_BED_GROUP and item.quantity <= _ONE:
            by_day[business_date(item.ordered_at or visit.admitted_at)].append(item)
    expected = []
    for items in by_day.values():
        if len({item.department or item.code for item in items}) < 2:
            continue
        prices = [item.insurance_price for item in items]
        patients = [facts.line(item.key).patients_in_bed or _patients_by_ratio(item) for item in items]
        for item, quantity in zip(items, split_day(prices, patients), strict=True):
            variant = "transfer" if quantity else "transfer_between"
            reason = AppliedRule("B-064", {"quantity": format(quantity, "f")}, variant)
            expected.append(expect_quantity(item, _accepted(item, quantity, prices), reason))
    return expected


def _accepted(item: ChargeItem, quantity: Decimal, prices: list[Decimal]) -> tuple[Decimal, ...]:
    """The accepted quantities: of several beds at the dearest or cheapest price, any may carry the half day."""
    price = item.insurance_price
    if price in (max(prices), min(prices)) and prices.count(price) > (2 if max(prices) == min(prices) else 1):
        return tuple(dict.fromkeys((quantity, _HALF, _NOTHING)))
    return (quantity,)


def _patients_by_ratio(item: ChargeItem) -> int:
    return {_TWO_IN_BED: 2, _THREE_IN_BED: 3}.get(item.service_ratio, 1)


def _expect_days(
    beds: list[ChargeItem], visit: Visit, facts: VisitFacts, *, four_hours_are_a_day: bool
) -> list[Expected]:
    """The days of all inpatient beds of a closed stay; fewer are the hospital's loss and only a warning (B-066)."""
    own = [item for item in beds if item.group == INPATIENT_BED_GROUP]
    if visit.discharged_at is None or visit.care_kind not in _INPATIENT_KINDS or not own:
        return []
    start = facts.admitted_to_ward_at or visit.admitted_at
    further = has_further_day(facts)
    days = [
        count_bed_days(start, visit.discharged_at, has_further_day=each, four_hours_are_a_day=four_hours_are_a_day)
        for each in ((False, True) if further is None else (further,))
    ]
    found = total(item.quantity for item in own).normalize()
    operands = {
        "days": str(days[0]),
        "from": business_date(start).isoformat(),
        "until": business_date(visit.discharged_at).isoformat(),
        "found": format(found, "f"),
    }
    expected = Expected(
        item=None,
        field="SO_LUONG",
        found=found,
        accepted=tuple(Decimal(each) for each in dict.fromkeys(days)),
        reason=AppliedRule("B-066", operands, "further" if further else "days"),
    )
    return [expected.as_warning() if found < max(expected.accepted) else expected]
