"""The reported breakdown of a line yields its amounts, for any visit and policy options."""

from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import given as for_all

from billing.coverage.domain.breakdown import breakdown, format_step
from billing.coverage.domain.explain import Language
from tests.coverage.any_visits import visits_and_policies
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, given, priced
from tests.coverage.domain.test_pricing_authority import collect, his, stated

bounded = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FIELDS = {
    "THANH_TIEN_BV": "hospital_amount",
    "THANH_TIEN_BH": "insured_amount",
    "T_NGUONKHAC": "other_funds",
    "T_BHTT": "fund",
    "T_BNCCT": "copay",
    "T_BNTT": "self_pay",
}


@bounded
@for_all(visits_and_policies())
def test_breakdown_gives_the_amounts_of_any_line(case):
    visit, policy = case

    for line in priced(visit, **policy).lines:
        steps = {step.field: step for step in breakdown(line)}
        amounts = {field: getattr(line, name) for field, name in FIELDS.items()}
        assert {field: step.evaluate() for field, step in steps.items()} == {
            field: amount for field, amount in amounts.items() if amount
        }
        assert all(step.amount == amounts[field] for field, step in steps.items())


def _formulas(item, language=Language.VIETNAMESE, **visit):
    policy = visit.pop("policy", {})
    (line,) = priced(a_visit(item, **visit), **policy).lines
    return {step.field: format_step(step, language) for step in breakdown(line)}


def test_breakdown_is_reported_in_numbers_people_write():
    # 7 × 1.234,567 = 8.641,969; 95 % of 8.641,97 is 8.209,87 (half-up of 8.209,8715).
    drug = a_drug(quantity=7, price=Decimal("1234.567"))
    big = an_item(2, hospital_price=2_000_000, insurance_price=1_500_000, service_ratio=30, payment_ratio=50)

    assert _formulas(drug, cards=(a_card("HT3"),), category_code="3.1", care_kind="03") == {
        "THANH_TIEN_BV": "7 × 1.234,567",
        "THANH_TIEN_BH": "7 × 1.234,567",
        "T_BHTT": "8.641,97 × 40 %",
        "T_BNCCT": "8.641,97 − 3.456,79",
    }
    assert _formulas(big, Language.ENGLISH, category_code="1.18", cards=(a_card("HT3"),), exempt_from=None) == {
        "THANH_TIEN_BV": "1 × 2.000.000 × 30 %",
        "THANH_TIEN_BH": "1 × 1.500.000 × 30 % × 50 %",
        "T_BHTT": "225.000 × 50 %",
        "T_BNCCT": "225.000 − 112.500",
        "T_BNTT": "600.000 − 225.000",
    }


def test_two_decimals_are_reported_with_both_digits():
    # 3 × 150.030 = 450.090; 95 % of it are 427.585,50.
    case = _formulas(a_drug(quantity=3, price=150_030), cards=(a_card("HT3"),))

    assert (case["T_BHTT"], case["T_BNCCT"]) == ("450.090 × 95 %", "450.090 − 427.585,50")


def test_what_limits_an_amount_is_reported():
    # The insurance price is above the hospital's; other funds take self-pay, then a part of the co-payment.
    dear = an_item(hospital_price=1_000_000, insurance_price=1_200_000, other_funds=given("50000"))

    assert _formulas(dear) == {
        "THANH_TIEN_BV": "1 × 1.000.000",
        "THANH_TIEN_BH": "1 × 1.200.000, tối đa 1.000.000",
        "T_NGUONKHAC": "50.000",
        "T_BHTT": "1.000.000 × 80 %",
        "T_BNCCT": "200.000 − 50.000",
    }


def test_line_the_hospital_s_system_stated_has_no_breakdown_of_ours():
    collected = collect(a_visit(an_item(stated=stated(0, 1, 4))), his())

    assert [breakdown(line) for line in collected.priced.lines] == [()]
    assert breakdown(priced(a_visit(an_item(hospital_price=0, insurance_price=0))).lines[0]) == ()
