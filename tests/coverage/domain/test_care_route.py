"""Object codes and lines of facilities: which share of the card level a route leaves (B-040 … B-049)."""

from decimal import Decimal

import pytest

from billing.coverage.domain.policy import CareSide, DayOfStay
from billing.visits.domain.visit import FormerTier
from tests.coverage.builders import a_card, a_visit, an_item, at, priced, rules_of


@pytest.mark.parametrize(
    ("code", "care_kind", "day", "group", "level"),
    [
        ("3.1", "03", "2026-11-02", "DN4", "32"),
        ("3.1", "03", "2026-11-02", "HT3", "38"),
        ("3.1", "09", "2025-01-01", "HN2", "40"),
        ("3.1", "01", "2026-11-02", "DN4", "0"),
        ("1.13", "01", "2026-06-30", "DN4", "0"),
        ("1.13", "01", "2026-07-01", "DN4", "40"),
        ("1.14", "02", "2026-07-01", "HT3", "47.5"),
        ("1.18", "01", "2026-07-01", "QN5", "50"),
        ("1.12", "01", "2025-01-01", "DN4", "80"),
        ("1.15", "03", "2025-01-01", "DN4", "80"),
        ("3.2", "03", "2025-01-01", "DN4", "80"),
        ("3.6", "03", "2025-01-01", "DN4", "80"),
        ("7", "07", "2025-01-01", "DN4", "80"),
        ("1.7", "03", "2025-01-01", "TE1", "100"),
    ],
)
def test_object_code_gives_its_share_of_the_card_level(code, care_kind, day, group, level):
    admitted_at = at(f"{day} 08:00")
    visit = priced(
        a_visit(
            category_code=code, care_kind=care_kind, cards=(a_card(group),), admitted_at=admitted_at, discharged_at=None
        )
    )

    assert visit.lines[0].level == Decimal(level)
    assert visit.fund == 10_000 * Decimal(level)


@pytest.mark.parametrize(
    ("group", "rule", "level", "result"),
    [("DN4", "B-010", 80, 32), ("HN2", "B-010", 100, 40), ("LH4", "B-013", 100, 40)],
)
def test_level_out_of_route_is_reported_with_the_share_the_route_leaves(group, rule, level, result):
    visit = priced(a_visit(category_code="3.1", care_kind="03", cards=(a_card(group),)))

    reason = visit.lines[0].reasons[-1]

    assert (reason.rule, reason.variant) == (rule, "by_route")
    assert [Decimal(reason.operands[name]) for name in ("level", "factor", "result")] == [level, 40, result]


@pytest.mark.parametrize(
    ("line", "care_kind", "day", "factor"),
    [
        (FormerTier.CENTRAL, "03", "2024-12-31", 40),
        (FormerTier.CENTRAL, "01", "2024-12-31", 0),
        (FormerTier.PROVINCE, "03", "2020-12-31", 60),
        (FormerTier.PROVINCE, "03", "2021-01-01", 100),
        (FormerTier.PROVINCE, "01", "2021-01-01", 0),
        (FormerTier.DISTRICT, "03", "2019-07-01", 100),
        (FormerTier.DISTRICT, "01", "2019-07-01", 100),
    ],
)
def test_out_of_route_care_under_law_46_goes_by_the_line_of_the_facility(line, care_kind, day, factor):
    visit = priced(
        a_visit(
            category_code="3",
            care_kind=care_kind,
            out_of_route_tier=line,
            admitted_at=at(f"{day} 08:00"),
            discharged_at=None,
        )
    )

    assert visit.route_factor == factor
    assert visit.lines[0].level == Decimal(80 * factor) / 100
    assert ("B-040", line.value) in rules_of(visit)


@pytest.mark.parametrize("code", ["1", "1.3", "1.5", "2"])
def test_emergency_and_referral_before_2025_are_right_line(code):
    visit = a_visit(category_code=code, admitted_at=at("2024-12-31 08:00"), discharged_at=None)

    assert priced(visit).fund == 800_000
    assert ("B-041a", "") in rules_of(priced(visit))


@pytest.mark.parametrize("day", ["2019-03-01", "2024-12-31", "2025-01-01"])
def test_commune_care_is_paid_whole_since_2015(day):
    """B-022: whatever the digit of the card, above 15 % of the base salary too."""
    visit = a_visit(category_code="1.2", admitted_at=at(f"{day} 08:00"), discharged_at=None)

    assert priced(visit).fund == 1_000_000
    assert ("B-022", "") in rules_of(priced(visit))


def test_emergency_at_a_central_hospital_before_2025_is_not_out_of_route():
    visit = a_visit(
        category_code="2", out_of_route_tier=FormerTier.CENTRAL, admitted_at=at("2024-05-01 08:00"), discharged_at=None
    )

    assert priced(visit).fund == 800_000


@pytest.mark.parametrize(("setting", "fund"), [(DayOfStay.ADMISSION, 0), (DayOfStay.DISCHARGE, 400_000)])
def test_day_that_picks_the_50_percent_is_a_setting(setting, fund):
    visit = a_visit(
        category_code="1.14",
        care_kind="02",
        admitted_at=at("2026-06-30 08:00"),
        discharged_at=at("2026-07-02 08:00"),
    )

    assert priced(visit, route_day=setting).fund == fund


@pytest.mark.parametrize(("setting", "factor"), [(CareSide.INPATIENT, 40), (CareSide.OUTPATIENT, 0)])
def test_side_of_day_care_is_a_setting(setting, factor):
    assert priced(a_visit(category_code="3.1", care_kind="04"), day_care_side=setting).route_factor == factor


@pytest.mark.parametrize("code", ["7.2", "7.3", "7.4", "10"])
def test_object_code_without_a_stated_share_follows_the_facility_s_setting(code):
    visit = a_visit(category_code=code, care_kind="07")

    assert priced(visit).fund == 800_000
    assert priced(visit, unstated_route_percent=Decimal(50)).fund == 400_000
    assert ("B-049", "unstated") in rules_of(priced(visit))


@pytest.mark.parametrize(("at_full_rate", "level", "variant"), [(True, 50, ""), (False, 40, "card_level")])
def test_small_out_of_route_visit_is_at_the_out_of_route_rate_or_at_the_card_s(at_full_rate, level, variant):
    item = an_item(hospital_price=300_000, insurance_price=300_000)

    visit = priced(a_visit(item, category_code="1.14"), out_of_route_small_visit_at_full_rate=at_full_rate)

    assert visit.lines[0].level == level
    assert ("B-021", variant) in rules_of(visit)
