from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.coverage.domain.policy import DayOfStay
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, priced, rules_of


@pytest.mark.parametrize(
    ("group", "fund"), [("TE1", 1_000_000), ("HN2", 1_000_000), ("HT3", 950_000), ("DN4", 800_000), ("QN5", 1_000_000)]
)
def test_level_follows_the_benefit_digit(group, fund):
    visit = priced(a_visit(cards=(a_card(group),)))

    assert visit.fund == fund
    assert visit.copay == 1_000_000 - fund


@pytest.mark.parametrize(("amount", "level"), [(379_499, 100), (379_500, 80), (379_501, 80)])
def test_cost_of_exactly_15_percent_is_not_below_it(amount, level):
    # 15 % of 2,530,000 = 379,500; Law Art. 22 cl. 1 states "lower than".
    visit = priced(a_visit(an_item(hospital_price=amount, insurance_price=amount)))

    assert visit.threshold == Decimal("379500.00")
    assert [line.level for line in visit.lines] == [level]


def test_only_cost_in_scope_counts_towards_the_15_percent():
    # 600,000 × 50 % = 300,000 in scope, below 379,500.
    visit = priced(a_visit(a_drug(price=600_000, payment_ratio=50)))

    assert (visit.insured_amount, visit.fund, visit.self_pay) == (300_000, 300_000, 300_000)
    assert ("B-020", "") in rules_of(visit)


def test_rule_explains_why_the_card_level_applies():
    visit = priced(a_visit())

    assert {("B-010", ""), ("B-020", "not_below"), ("B-030", ""), ("B-042", "")} <= rules_of(visit)


def test_commune_care_is_paid_in_full_whatever_the_card():
    visit = priced(a_visit(category_code="1.2"))

    assert visit.fund == 1_000_000
    assert ("B-022", "") in rules_of(visit)


def test_emergency_gives_the_full_card_level_not_100():
    visit = priced(a_visit(category_code="2"))

    assert (visit.fund, visit.copay) == (800_000, 200_000)
    assert ("B-041", "") in rules_of(visit)


@pytest.mark.parametrize(("setting", "salary"), [(DayOfStay.ADMISSION, 2_340_000), (DayOfStay.DISCHARGE, 2_530_000)])
def test_base_salary_follows_the_policy_option_where_it_changes_inside_a_stay(setting, salary):
    stay = a_visit(admitted_at=at("2026-06-30 08:00"), discharged_at=at("2026-07-02 08:00"))

    assert priced(stay, base_salary_day=setting).base_salary == salary


def test_day_is_counted_in_vietnam_time():
    # 2026-06-30 18:00 UTC is 01:00 of 1 July in Vietnam.
    visit = a_visit(admitted_at=datetime(2026, 6, 30, 18, tzinfo=UTC), discharged_at=None)

    assert priced(visit).base_salary == 2_530_000


def test_uninsured_visit_is_self_pay():
    visit = priced(a_visit(category_code="9", cards=()))

    assert (visit.self_pay, visit.fund, visit.insured_amount) == (1_000_000, 0, 0)
    assert visit.lines[0].level == 0
    assert ("B-049", "not_insured") in rules_of(visit)


def test_visit_without_a_card_is_self_pay():
    visit = priced(a_visit(cards=()))

    assert visit.self_pay == 1_000_000
    assert ("B-016", "no_card") in rules_of(visit)


@pytest.mark.parametrize("period", [("2024-01-01", "2026-11-01"), ("2026-11-03", None)])
def test_card_not_valid_at_any_time_of_the_visit_leaves_all_to_the_patient(period):
    visit = priced(a_visit(cards=(a_card(valid_from=period[0], valid_to=period[1]),)))

    assert visit.self_pay == 1_000_000
    assert ("B-015", "not_valid") in rules_of(visit)


def test_route_of_a_visit_no_card_counts_for_is_reported_and_refuses_nothing():
    expired = (a_card(valid_to="2026-11-01"),)

    assert priced(a_visit(cards=expired)).route_factor == 100
    assert priced(a_visit(cards=())).route_factor == 100
    assert priced(a_visit(cards=(), category_code="9")).route_factor == 0
    assert priced(a_visit(cards=expired, category_code="1.15")).route_factor == 0
    assert priced(a_visit(cards=(), category_code="1.15")).self_pay == 1_000_000


@pytest.mark.parametrize("period", [("2026-11-02", "2026-11-02"), ("2018-01-01", None)])
def test_card_counts_on_its_first_and_last_day(period):
    visit = priced(a_visit(cards=(a_card(valid_from=period[0], valid_to=period[1]),)))

    assert visit.fund == 800_000


def test_card_that_ended_before_the_visit_does_not_disturb_the_valid_one():
    old = a_card("HN2", valid_to="2026-01-31")

    assert priced(a_visit(cards=(old, a_card()))).fund == 800_000


def test_two_valid_cards_of_one_level_are_as_one():
    assert priced(a_visit(cards=(a_card(), a_card("GD4", valid_from="2020-01-01")))).fund == 800_000


def test_near_poor_card_keeps_its_digit_before_2026():
    visit = a_visit(cards=(a_card("CN3"),), admitted_at=at("2025-12-30 08:00"), discharged_at=at("2025-12-31 08:00"))

    assert priced(visit).fund == 950_000


def test_cards_of_one_digit_that_follow_each_other_count_as_one():
    first = a_card("DN4", valid_to="2026-11-03")
    stay = {"care_kind": "03", "discharged_at": at("2026-11-06 08:00")}

    for second in (a_card("DN4", valid_from="2026-11-04"), a_card("GD4", valid_from="2026-11-02", valid_to=None)):
        assert priced(a_visit(cards=(first, second), **stay)).fund == 800_000
        assert priced(a_visit(cards=(second, first), **stay)).fund == 800_000


def test_card_valid_at_the_time_of_the_line_gives_its_name_to_the_reason():
    cards = (a_card("DN4", valid_to="2026-11-03"), a_card("GD4", valid_from="2026-11-04"))
    item = an_item(ordered_at=at("2026-11-05 08:00"))
    visit = priced(a_visit(item, cards=cards, care_kind="03", discharged_at=at("2026-11-06 08:00")))

    assert [reason.operands["group"] for reason in visit.reasons if reason.rule == "B-010"] == ["GD4"]


def test_card_to_the_last_day_there_is_counts():
    cards = (a_card(valid_to="9999-12-31"), a_card("GD4"))

    assert priced(a_visit(cards=cards)).fund == 800_000
