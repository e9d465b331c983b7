"""Claim checks that only warn: nothing to claim, and what review programs of the insurer look for (D-008 … D-012)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from billing.claims.domain.claim import Claim, ClaimContext, Severity
from billing.coverage.domain.policy import SameDayReturn
from billing.coverage.domain.price import price
from billing.visits.domain.visit import Scope
from tests.claims.builders import CONTEXT, REGISTERED, a_claim, checked, stating
from tests.coverage.builders import a_drug, an_item, at

WARNINGS = {"D-008", "D-009", "D-010", "D-011", "D-012"}


def warnings_of(claim: Claim, context: ClaimContext = CONTEXT) -> list[tuple[str, int | None, str]]:
    """Rule, line and severity of each warning."""
    return [
        (one.reason.rule, one.finding.stt, one.severity.value)
        for one in checked(claim, context)
        if one.reason.rule in WARNINGS
    ]


def consultation(number: int = 1, **changes: object):
    return an_item(number, group=13, code=f"K{number}", **changes)


def bed(number: int = 2, quantity: object = 1, **changes: object):
    return an_item(number, group=15, quantity=Decimal(str(quantity)), **changes)


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(category_code="9"),
        a_claim(cards=()),
        a_claim(an_item(scope=Scope.PATIENT, payment_ratio=0)),
        a_claim(category_code="3.1"),
        a_claim(stating(a_drug(), fund="0")),
    ],
)
def test_claim_of_which_the_fund_pays_nothing_is_warned_of(claim: Claim) -> None:
    assert warnings_of(claim) == [("D-008", None, "warning")]


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(),
        a_claim(an_item(1, scope=Scope.PATIENT, payment_ratio=0), an_item(2)),
        a_claim(stating(a_drug(1), fund="0"), a_drug(2)),
        a_claim(stating(a_drug(scope=Scope.PATIENT, payment_ratio=0), fund="800000")),
        a_claim(category_code="9", discharged_at=None, items=()),
        a_claim(replace(a_drug(), payment_ratio=Decimal(50))),
    ],
)
def test_claim_of_which_the_fund_pays_something_is_not(claim: Claim) -> None:
    assert warnings_of(claim) == []


def test_second_consultation_of_an_inpatient_file_is_warned_of() -> None:
    items = (consultation(1), consultation(2, service_ratio=30), consultation(3, service_ratio=30))

    assert warnings_of(a_claim(*items, care_kind="03")) == [("D-009", 2, "warning"), ("D-009", 3, "warning")]
    assert warnings_of(a_claim(*items[:2], care_kind="09")) == [("D-009", 2, "warning")]


@pytest.mark.parametrize(
    "claim",
    [
        a_claim(consultation(1), an_item(2), care_kind="03"),
        a_claim(consultation(1), consultation(2, service_ratio=30)),
        a_claim(consultation(1), consultation(2, scope=Scope.PATIENT, payment_ratio=0), care_kind="03"),
        a_claim(consultation(1), consultation(2, quantity=0), care_kind="03"),
    ],
)
def test_one_claimed_consultation_or_an_outpatient_file_is_not(claim: Claim) -> None:
    assert [one for one in warnings_of(claim) if one[0] == "D-009"] == []


AGAIN = replace(REGISTERED, same_day_return_of="LK0")
AT_30 = replace(CONTEXT, policy=replace(CONTEXT.policy, same_day_return=SameDayReturn.RATIO_30))


def test_return_on_the_same_day_is_warned_of() -> None:
    claim = a_claim(consultation(), facts=AGAIN)

    (warning,) = [one for one in checked(claim) if one.reason.rule == "D-010"]

    assert (warning.severity, warning.finding.field, warning.finding.found, warning.finding.expected) == (
        Severity.WARNING,
        "TYLE_TT_DV",
        "100",
        "30",
    )
    assert warning.reason.operands["earlier"] == "LK0"
    assert warnings_of(claim, AT_30) == [("D-010", 1, "error")]


@pytest.mark.parametrize("context", [CONTEXT, AT_30])
def test_return_at_30_percent_and_one_in_an_emergency_are_right(context: ClaimContext) -> None:
    at_30 = a_claim(consultation(service_ratio=30), facts=AGAIN)
    emergencies = (
        a_claim(consultation(), facts=AGAIN, category_code="2"),
        a_claim(consultation(), facts=replace(AGAIN, is_emergency=True)),
    )

    for claim in (at_30, *emergencies, a_claim(an_item(), facts=AGAIN), a_claim(consultation())):
        assert warnings_of(claim, context) == []
        assert [one for one in checked(claim, context) if one.reason.rule == "B-061"] == []


def test_no_price_changes_by_what_is_explained_of_a_return() -> None:
    visit = a_claim(consultation(), facts=AGAIN).visit

    prices = [price(visit, parameters=CONTEXT.parameters, policy=context.policy) for context in (CONTEXT, AT_30)]

    assert prices[0] == prices[1]


def emergency(*items: object, hours: str = "10:30", **changes: object) -> Claim:
    return a_claim(*items, discharged_at=at(f"2026-11-02 {hours}"), **{"category_code": "2", **changes})


@pytest.mark.parametrize("group", [14, 15, 16])
@pytest.mark.parametrize("hours", ["10:30", "12:00"])
def test_bed_of_an_emergency_of_up_to_4_hours_is_warned_of(group: int, hours: str) -> None:
    assert warnings_of(emergency(an_item(), an_item(2, group=group), hours=hours)) == [("D-011", 2, "warning")]


def test_bed_of_a_short_emergency_before_the_ward_is_warned_of() -> None:
    facts = replace(REGISTERED, came_through_emergency=True, admitted_to_ward_at=at("2026-11-02 11:00"))
    beds = bed(2, ordered_at=at("2026-11-02 08:10")), bed(3, ordered_at=at("2026-11-02 11:00"))
    stay = {"care_kind": "03", "discharged_at": at("2026-11-04 08:00")}

    assert warnings_of(a_claim(*beds, facts=facts, **stay)) == [("D-011", 2, "warning")]


@pytest.mark.parametrize(
    "claim",
    [
        emergency(an_item(), bed(), hours="12:01"),
        emergency(an_item(), bed(), category_code="1.1"),
        emergency(an_item(), bed(quantity=0)),
        emergency(an_item(), bed(scope=Scope.PATIENT, payment_ratio=0)),
        emergency(an_item()),
    ],
)
def test_longer_stay_other_visit_or_bed_that_is_not_claimed_is_not(claim: Claim) -> None:
    assert [one for one in warnings_of(claim) if one[0] == "D-011"] == []


def test_exactly_4_hours_count_as_the_facility_s_list_states() -> None:
    context = replace(CONTEXT, lists=replace(CONTEXT.lists, four_hours_are_a_day=True))

    assert warnings_of(emergency(an_item(), bed(), hours="12:00"), context) == []


PHACO = an_item(
    1, group=8, name="Phẫu thuật tán nhuyễn thể thủy tinh bằng siêu âm (Phaco)", ordered_at=at("2026-11-03 09:00")
)
STAY = {"care_kind": "03", "discharged_at": at("2026-11-06 08:00")}


def test_bed_after_phaco_surgery_is_warned_of() -> None:
    beds = [bed(number, ordered_at=at(f"2026-11-0{number} 08:00")) for number in (2, 3, 4)]

    assert warnings_of(a_claim(PHACO, *beds, **STAY)) == [("D-012", 3, "warning"), ("D-012", 4, "warning")]


@pytest.mark.parametrize(
    "items",
    [
        (PHACO,),
        (replace(PHACO, name="Phẫu thuật lấy thể thủy tinh ngoài bao"), bed(2, ordered_at=at("2026-11-04 08:00"))),
        (replace(PHACO, group=10, name="Dao mổ Phaco"), bed(2, ordered_at=at("2026-11-04 08:00"))),
        (replace(PHACO, quantity=Decimal(0)), bed(2, ordered_at=at("2026-11-04 08:00"))),
        (PHACO, bed(2, scope=Scope.PATIENT, payment_ratio=0, ordered_at=at("2026-11-04 08:00"))),
    ],
)
def test_other_surgery_or_no_claimed_bed_is_not(items: tuple[object, ...]) -> None:
    assert warnings_of(a_claim(*items, **STAY)) == []
