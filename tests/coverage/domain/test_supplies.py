"""Ceilings of lines and stents, and the limit of a supply package under both policy options (B-070 … B-073)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from billing.coverage.domain.policy import SupplyPackageCap
from billing.coverage.domain.refusals import InvalidItem
from billing.coverage.formats.visit_input import read_visit
from billing.visits.domain.visit import CeilingKind
from billing.visits.formats.visit_document import write_snapshot_visit
from tests.coverage.builders import a_card, a_visit, an_item, at, priced, rules_of

FUND_PAYMENT = {"supply_package_cap": SupplyPackageCap.FUND_PAYMENT}


def _supply(number, amount, package="G1", **changes):
    return an_item(number, group=10, package=package, hospital_price=amount, insurance_price=amount, **changes)


def _stent(number, *, quantity=1, **changes):
    return an_item(
        number,
        group=10,
        quantity=quantity,
        hospital_price=45_000_000,
        insurance_price=45_000_000,
        ceiling=Decimal(36_000_000),
        ceiling_kind=CeilingKind.STENT,
        **changes,
    )


def _insured(visit, **policy):
    return [int(line.insured_amount) for line in priced(visit, **policy).lines]


def test_package_is_covered_up_to_45_base_salaries_and_filled_in_order():
    # 45 × 2,530,000 = 113,850,000
    visit = a_visit(_supply(3, 10_000_000), _supply(1, 80_000_000), _supply(2, 60_000_000))

    assert _insured(visit) == [80_000_000, 33_850_000, 0]
    assert priced(visit).self_pay == 36_150_000
    assert ("B-072", "covered_cost") in rules_of(priced(visit))


def test_each_package_has_its_own_limit():
    visit = a_visit(_supply(1, 80_000_000), _supply(2, 60_000_000, "G2"), _supply(3, 5_000_000, ""))

    assert _insured(visit) == [80_000_000, 60_000_000, 5_000_000]


@pytest.mark.parametrize(("group", "funds"), [("DN4", [64_000_000, 48_000_000]), ("HN2", [80_000_000, 33_850_000])])
def test_package_limit_of_what_the_fund_pays_leaves_the_rest_to_the_patient(group, funds):
    visit = a_visit(_supply(1, 80_000_000), _supply(2, 60_000_000), cards=(a_card(group),))

    result = priced(visit, **FUND_PAYMENT)

    assert [line.fund for line in result.lines] == funds
    assert [line.insured_amount for line in result.lines] == [80_000_000, 60_000_000]
    assert result.copay == 140_000_000 - sum(funds)


def test_package_limit_of_what_the_fund_pays_is_used_in_order_of_time():
    items = (
        _supply(1, 80_000_000, ordered_at=at("2026-11-02 10:00")),
        _supply(2, 60_000_000, ordered_at=at("2026-11-02 09:00")),
    )

    lines = priced(a_visit(*items, cards=(a_card("HN2"),)), **FUND_PAYMENT).lines

    assert [line.fund for line in lines] == [53_850_000, 60_000_000]


@pytest.mark.parametrize("policy", [{}, FUND_PAYMENT])
def test_package_limit_exempts_the_digits_the_facility_names(policy):
    visit = a_visit(_supply(1, 140_000_000), cards=(a_card("TE1"),))

    assert priced(visit, **policy).fund == 113_850_000
    assert priced(visit, package_limit_exempt_digits="15", **policy).fund == 140_000_000


def test_second_stent_is_covered_up_to_half_of_its_ceiling():
    assert _insured(a_visit(_stent(1), _stent(2))) == [36_000_000, 18_000_000]
    assert _insured(a_visit(_stent(1, quantity=2))) == [54_000_000]
    assert ("B-071", "stents") in rules_of(priced(a_visit(_stent(1))))


def test_third_stent_is_the_patient_s_unless_the_facility_states_otherwise():
    visit = a_visit(_stent(1, quantity=2), _stent(2))

    assert _insured(visit) == [54_000_000, 0]
    assert _insured(visit, stent_ceiling_percents="100;50;25") == [54_000_000, 9_000_000]


def test_item_without_a_ceiling_is_no_stent_before_another():
    """An issued invoice stores no kind of an absent ceiling: counting it would change the price when repriced."""
    visit = a_visit(replace(_stent(1), ceiling=None), _stent(2))

    assert _insured(visit) == [45_000_000, 36_000_000]
    assert _insured(read_visit(write_snapshot_visit(visit))) == [45_000_000, 36_000_000]


def test_part_of_a_stent_is_refused():
    with pytest.raises(InvalidItem):
        priced(a_visit(_stent(1, quantity=Decimal("0.5"))))


@pytest.mark.parametrize(("ceiling", "insured"), [(1_500_000, 1_500_000), (2_500_000, 2_000_000)])
def test_ceiling_of_a_line_limits_the_whole_line(ceiling, insured):
    item = an_item(group=10, quantity=2, ceiling=Decimal(ceiling), ceiling_kind=CeilingKind.LINE)

    assert _insured(a_visit(item)) == [insured]
