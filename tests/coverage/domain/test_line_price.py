from decimal import Decimal

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import HospitalAmountMode
from billing.coverage.domain.refusals import InvalidItem
from billing.visits.domain.visit import PayerClass, Scope
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, given, priced, rules_of

OTHER = an_item(9)  # keeps the visit above the 15 % line


def _line(item, *, group="DN4", **policy):
    return priced(a_visit(item, OTHER, cards=(a_card(group),)), **policy).lines[0]


def _parts(line):
    return line.fund, line.copay, line.self_pay, line.other_funds


def test_payment_ratio_cuts_the_scope_and_the_rest_is_self_pay():
    # 1,000,000 × 50 % = 500,000 in scope; × 80 % = 400,000.
    line = _line(a_drug(payment_ratio=50))

    assert _parts(line) == (400_000, 100_000, 500_000, 0)


def test_digit_1_lifts_a_payment_ratio():
    line = _line(a_drug(payment_ratio=50), group="TE1")

    assert _parts(line) == (1_000_000, 0, 0, 0)
    assert [reason.rule for reason in line.reasons] == ["B-011", "B-010"]


def test_digit_1_keeps_a_payment_ratio_where_the_facility_reads_it_so():
    line = _line(a_drug(payment_ratio=50), group="TE1", digit_1_ignores_ratios=False)

    assert _parts(line) == (500_000, 0, 500_000, 0)


def test_ratio_zero_is_not_covered_even_for_digit_1():
    line = _line(a_drug(payment_ratio=0), group="TE1")

    assert _parts(line) == (0, 0, 1_000_000, 0)
    assert [(reason.rule, reason.variant) for reason in line.reasons] == [("B-060", "not_covered")]


def test_war_wound_lifts_a_payment_ratio():
    line = _line(a_drug(payment_ratio=50, is_war_wound=True))

    assert _parts(line) == (800_000, 200_000, 0, 0)
    assert ("B-060", "war_wound") in [(reason.rule, reason.variant) for reason in line.reasons]


@pytest.mark.parametrize("ratio", [0, 50, 100])
@pytest.mark.parametrize("group", ["TE1", "DN4", "QN5"])
def test_patient_s_item_is_self_pay_whatever_ratio_stands_there(group, ratio):
    line = _line(a_drug(scope=Scope.PATIENT, payment_ratio=ratio), group=group)

    assert _parts(line) == (0, 0, 1_000_000, 0)
    assert [reason.rule for reason in line.reasons] == ["B-050"]


@pytest.mark.parametrize(("ratio", "fund"), [(0, 0), (50, 500_000), (100, 1_000_000)])
def test_armed_forces_item_is_covered_for_digit_5_by_its_ratio(ratio, fund):
    line = _line(a_drug(scope=Scope.ARMED_FORCES, payment_ratio=ratio), group="CA5")

    assert _parts(line) == (fund, 0, 1_000_000 - fund, 0)
    assert ("B-060" in [reason.rule for reason in line.reasons]) is (ratio != 100)


@pytest.mark.parametrize(("lifts", "fund"), [(False, 500_000), (True, 1_000_000)])
def test_ratio_of_an_insured_item_binds_digit_5_unless_the_facility_reads_otherwise(lifts, fund):
    line = _line(a_drug(payment_ratio=50), group="CA5", digit_5_ignores_ratios=lifts)

    assert _parts(line) == (fund, 0, 1_000_000 - fund, 0)
    assert _parts(_line(a_drug(payment_ratio=0), group="CA5", digit_5_ignores_ratios=lifts))[0] == 0


def test_policy_option_for_digit_5_lifts_no_ratio_of_other_digits():
    assert _line(a_drug(payment_ratio=50), group="HN2", digit_5_ignores_ratios=True).fund == 500_000


def test_ratio_that_is_no_whole_percent_is_refused():
    with pytest.raises(InvalidValue):
        a_drug(payment_ratio=Decimal("0.5"))


@pytest.mark.parametrize("group", ["TE1", "HN2", "HT3", "DN4"])
def test_armed_forces_item_is_self_pay_for_every_other_card(group):
    line = _line(a_drug(scope=Scope.ARMED_FORCES), group=group)

    assert _parts(line) == (0, 0, 1_000_000, 0)
    assert [(reason.rule, reason.variant) for reason in line.reasons] == [("B-012", "other_card")]


def test_insured_amount_never_exceeds_the_hospital_amount():
    line = _line(an_item(hospital_price=100_000, insurance_price=150_000))

    assert (line.hospital_amount, line.insured_amount) == (100_000, 100_000)
    assert _parts(line) == (80_000, 20_000, 0, 0)
    assert ("B-051", "capped") in [(reason.rule, reason.variant) for reason in line.reasons]


@pytest.mark.parametrize(
    ("insurance_price", "rule", "self_pay"), [(45_000_000, "B-070", 9_000_000), (30_000_000, "B-051", 15_000_000)]
)
def test_ceiling_limits_the_covered_price(insurance_price, rule, self_pay):
    item = an_item(group=10, hospital_price=45_000_000, insurance_price=insurance_price, ceiling=Decimal(36_000_000))

    line = _line(item)

    assert line.self_pay == self_pay
    assert rule in [reason.rule for reason in line.reasons]


def test_ceiling_above_the_price_changes_nothing():
    line = _line(an_item(group=10, ceiling=Decimal(36_000_000)))

    assert _parts(line) == (800_000, 200_000, 0, 0)
    assert "B-070" not in [reason.rule for reason in line.reasons]


@pytest.mark.parametrize(("group", "rule"), [(13, "B-061"), (8, "B-062"), (18, "B-062"), (15, "B-063"), (2, "B-052")])
def test_service_ratio_is_taken_as_stated(group, rule):
    # 1,000,000 × 30 % = 300,000; × 80 % = 240,000.
    line = _line(an_item(group=group, service_ratio=30))

    assert (line.hospital_amount, line.insured_amount, line.fund) == (300_000, 300_000, 240_000)
    assert rule in [reason.rule for reason in line.reasons]


@pytest.mark.parametrize(
    ("amount", "parts"),
    [
        ("300000", (400_000, 100_000, 200_000, 300_000)),
        ("550000.50", (Decimal("400000"), Decimal("49999.50"), 0, Decimal("550000.50"))),
        ("700000", (300_000, 0, 0, 700_000)),
        ("1000000", (0, 0, 0, 1_000_000)),
    ],
)
def test_other_funds_come_off_self_pay_then_copay_then_fund(amount, parts):
    # before: fund 400,000, co-pay 100,000, self-pay 500,000
    line = _line(a_drug(payment_ratio=50, other_funds=given(amount)))

    assert _parts(line) == parts


def test_other_funds_above_the_cost_are_refused():
    with pytest.raises(InvalidItem) as refusal:
        _line(a_drug(other_funds=given("1000000.01")))

    assert refusal.value.field == "T_NGUONKHAC"
    assert refusal.value.item.number == 1


def test_each_amount_is_rounded_half_up_once():
    # 7 × 1,234.567 = 8,641.969 → 8,641.97; × 80 % = 6,913.576 → 6,913.58; the rest 1,728.39
    line = _line(a_drug(quantity=7, price=Decimal("1234.567")))

    assert line.hospital_amount == Decimal("8641.97")
    assert (line.fund, line.copay) == (Decimal("6913.58"), Decimal("1728.39"))


def test_patient_pays_whole_dong_and_the_rounding_is_reported():
    # Case BHYT-004: 50,600 + 328,901 at 80 % → co-pay 75,900.20
    visit = priced(a_visit(an_item(1, hospital_price=50_600, insurance_price=50_600), a_drug(2, price=328_901)))

    assert visit.copay == Decimal("75900.20")
    assert visit.shares.patient == 75_900
    assert ("B-080", "") in rules_of(visit)


def test_quantity_zero_costs_nothing():
    assert _parts(_line(an_item(quantity=0))) == (0, 0, 0, 0)


def test_more_digits_than_can_be_kept_are_refused():
    price = Decimal("0." + "1" * 30)

    with pytest.raises(InvalidItem) as refusal:
        _line(a_drug(quantity=Decimal("1." + "1" * 28), price=price))

    assert refusal.value.field == "SO_LUONG"


def test_lines_come_in_order_of_number_and_table():
    visit = priced(a_visit(an_item(2), an_item(1), a_drug(2)))

    assert [(line.item.number, line.item.table) for line in visit.lines] == [(1, "XML3"), (2, "XML2"), (2, "XML3")]


@pytest.mark.parametrize(
    ("payer", "amount", "parts"),
    [
        (PayerClass.INSURANCE, 1_000_000, (480_000, 120_000, 400_000, 0)),
        (PayerClass.ON_DEMAND, 1_000_000, (480_000, 120_000, 400_000, 0)),
        (PayerClass.FEE, 1_000_000, (0, 0, 1_000_000, 0)),
        (PayerClass.CONTRACT, 1_000_000, (0, 0, 0, 1_000_000)),
        (PayerClass.FREE, 0, (0, 0, 0, 0)),
    ],
)
def test_payer_class_states_who_pays(payer, amount, parts):
    line = _line(an_item(insurance_price=600_000, payer_class=payer))

    assert (line.hospital_amount, _parts(line)) == (amount, parts)


@pytest.mark.parametrize(
    ("hospital_price", "amount", "insured"),
    [(150_000, 115_000, 15_000), (50_000, 15_000, 15_000), (40_000, 12_000, 12_000)],
)
def test_hospital_that_adds_nothing_takes_off_the_insurer_s_part_only(hospital_price, amount, insured):
    # 150,000 − 50,000 × 70 % = 115,000; a hospital price below the insurance price is cut like it.
    item = an_item(hospital_price=hospital_price, insurance_price=50_000, service_ratio=30, group=13)

    line = _line(item, hospital_amount_mode=HospitalAmountMode.NO_EXTRA_CHARGE)

    assert (line.hospital_amount, line.insured_amount) == (amount, insured)
