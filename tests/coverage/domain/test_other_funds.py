"""Other funds: to the patient, to the facility, for the co-payment; and lines another source pays (B-075 … B-077)."""

from decimal import Decimal

import pytest

from billing.coverage.domain.policy import OtherFundsMode
from billing.coverage.domain.refusals import InvalidItem
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, given, priced, rules_of

POOL = {"other_funds_mode": OtherFundsMode.FACILITY_POOL}
OTHER = an_item(9)


def _parts(item, *, group="DN4", **policy):
    line = priced(a_visit(item, OTHER, cards=(a_card(group),)), **policy).lines[0]
    return line.other_funds, line.self_pay, line.copay, line.fund


def test_funds_of_the_facility_come_off_the_whole_first():
    # The worked example of the 2023 standard: 10,000,000 at 50 %, 3,000,000 given.
    item = a_drug(quantity=100, price=100_000, payment_ratio=50, other_funds=given("3000000"))

    assert _parts(item, **POOL) == (3_000_000, 3_500_000, 700_000, 2_800_000)


def test_funds_of_the_facility_keep_the_proportion_of_insurance_and_hospital_price():
    # 600,000 of 1,000,000 in scope; 200,000 given: 480,000 of 800,000.
    item = an_item(insurance_price=600_000, other_funds=given("200000"))

    assert _parts(item, **POOL) == (200_000, 320_000, 96_000, 384_000)


def test_funds_of_the_facility_lower_the_cost_of_the_15_percent_test():
    visit = a_visit(a_drug(price=400_000, other_funds=given("100000")))

    assert (priced(visit, **POOL).lines[0].level, priced(visit).lines[0].level) == (100, 80)


def test_funds_of_the_facility_for_an_item_out_of_scope_lower_what_the_patient_pays():
    assert _parts(a_drug(payment_ratio=0, other_funds=given("400000")), **POOL) == (400_000, 600_000, 0, 0)


@pytest.mark.parametrize("ratio", [0, 100])
def test_funds_of_the_facility_above_the_cost_are_refused(ratio):
    with pytest.raises(InvalidItem):
        _parts(a_drug(payment_ratio=ratio, other_funds=given("1000000.01")), **POOL)


@pytest.mark.parametrize("amount", ["1", "200000", "999999999"])
def test_copayment_of_arv_drugs_is_paid_by_another_source(amount):
    item = a_drug(payment_ratio=50, other_funds=given(amount))
    policy = {"other_funds_mode": OtherFundsMode.COPAY_REPLACEMENT}

    assert _parts(item, **policy) == (100_000, 500_000, 0, 400_000)
    assert ("B-077", "by_reading") in rules_of(priced(a_visit(item, OTHER), **policy))


def test_item_marked_so_has_its_copayment_replaced_under_every_policy_option():
    for mode in OtherFundsMode:
        assert _parts(a_drug(is_copay_replaced=True), other_funds_mode=mode) == (200_000, 0, 0, 800_000)


def test_nothing_is_replaced_where_there_is_no_copayment():
    assert _parts(a_drug(is_copay_replaced=True), group="HN2") == (0, 0, 0, 1_000_000)


def test_items_without_funds_are_shared_as_usual_under_every_policy_option():
    for mode in OtherFundsMode:
        assert _parts(a_drug(), other_funds_mode=mode) == (0, 0, 200_000, 800_000)


@pytest.mark.parametrize("source", ["2", "3", "4"])
def test_line_another_source_pays_costs_the_fund_nothing(source):
    assert _parts(a_drug(paying_source=source)) == (0, 1_000_000, 0, 0)
    assert _parts(a_drug(paying_source=source, other_funds=given("1000000"))) == (1_000_000, 0, 0, 0)
    assert priced(a_visit(a_drug(paying_source=source), OTHER)).insured_amount == Decimal(1_000_000)
