"""Wherever a policy option decides an amount, a sentence states it, in every language."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from billing.coverage.domain.explain import Language, explain
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy_options import all_policy_options
from billing.coverage.domain.price import price
from billing.coverage.formats.policy_json import read_policy_options
from billing.visits.domain.copay_history import CopayHistory, CopayPaid
from billing.visits.domain.visit import CeilingKind, Visit
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, given

SMALL = an_item(hospital_price=300_000, insurance_price=300_000)
PACKAGE = an_item(1, group=10, package="G1", hospital_price=200_000_000, insurance_price=200_000_000)
STENT = an_item(1, group=10, quantity=3, ceiling=Decimal(900_000), ceiling_kind=CeilingKind.STENT)
NEAR = CopayHistory(five_years_on=date(2020, 1, 1), paid=(CopayPaid(date(2026, 8, 1), Decimal(15_100_000)),))

DECIDED: Mapping[str, tuple[Visit, set[str]]] = {
    "base_salary_day": (
        a_visit(admitted_at=at("2026-06-30 08:00"), discharged_at=at("2026-07-02 08:00"), care_kind="03"),
        {"B-030"},
    ),
    "route_day": (
        a_visit(SMALL, category_code="1.14", admitted_at=at("2026-06-30 08:00"), discharged_at=at("2026-07-01 08:00")),
        {"B-044"},
    ),
    "day_care_side": (a_visit(category_code="3.1", care_kind="04"), {"B-043"}),
    "unstated_route_percent": (a_visit(category_code="10"), {"B-049"}),
    "card_choice": (a_visit(cards=(a_card("HT3"), a_card("DN4"))), {"B-014"}),
    "out_of_route_small_visit_at_full_rate": (a_visit(SMALL, category_code="1.14"), {"B-021"}),
    "digit_1_ignores_ratios": (a_visit(a_drug(payment_ratio=50), cards=(a_card("TE1"),)), {"B-011", "B-060"}),
    "digit_5_ignores_ratios": (a_visit(a_drug(payment_ratio=50), cards=(a_card("QN5"),)), {"B-011", "B-060"}),
    "hospital_amount_mode": (a_visit(an_item(service_ratio=30, insurance_price=500_000)), {"B-052"}),
    "other_funds_mode": (a_visit(a_drug(payment_ratio=50, other_funds=given("9"))), {"B-075", "B-076", "B-077"}),
    "supply_package_cap": (a_visit(PACKAGE), {"B-072"}),
    "package_limit_exempt_digits": (a_visit(PACKAGE), {"B-072", "B-073"}),
    "stent_ceiling_percents": (a_visit(STENT), {"B-071"}),
    "copay_crossing": (a_visit(copay_history=NEAR), {"B-026"}),
    "out_of_route_exemption": (
        a_visit(category_code="3.1", care_kind="03", exempt_from=at("2026-11-01 00:00")),
        {"B-028"},
    ),
}
SAMPLES = {
    "unstated_route_percent": ("100", "40"),
    "package_limit_exempt_digits": ("", "4"),
    "stent_ceiling_percents": ("100;50", "100;50;25"),
}
MARKS = {Language.VIETNAMESE: ("cơ sở", "cách hiểu"), Language.ENGLISH: ("facility", "interpretation")}


CHECKED_ONLY = {"same_day_return"}
"""Policy options of the claim check, which decide no price; `test_review_warnings.py` tries them."""


def test_every_policy_option_is_tried() -> None:
    assert set(DECIDED) | CHECKED_ONLY == set(all_policy_options())


@pytest.mark.parametrize("name", list(DECIDED))
def test_policy_option_decides_and_reports_it(name: str) -> None:
    visit, rules = DECIDED[name]
    prices = []

    for value in SAMPLES.get(name) or all_policy_options()[name].choices:
        result = price(visit, parameters=load_parameters(), policy=read_policy_options({name: value}))
        reasons = [*result.reasons, *(reason for line in result.lines for reason in line.reasons)]
        for language, marks in MARKS.items():
            sentences = [explain(reason, language).sentence for reason in reasons if reason.rule in rules]
            assert any(mark in sentence for sentence in sentences for mark in marks), (value, sentences)
        prices.append(replace(result, reasons=(), lines=tuple(replace(line, reasons=()) for line in result.lines)))

    assert all(first != other for first, other in pairwise(prices)), "it decides nothing here"
