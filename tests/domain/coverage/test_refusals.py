"""What is lawful but not built: refused by the rule's name, never guessed."""

from dataclasses import replace

import pytest

from billing.domain.coverage.policy import HospitalAmountMode, OtherFundsMode
from billing.domain.coverage.refusals import RuleNotBuilt, UnknownObjectCode, refusal_as_finding
from billing.domain.errors import NotSupported
from tests.domain.coverage.builders import a_card, a_drug, a_visit, an_item, at, given, priced


def _refused(visit, **policy):
    with pytest.raises(RuleNotBuilt) as refusal:
        priced(visit, **policy)
    assert isinstance(refusal.value, NotSupported)
    return refusal.value


@pytest.mark.parametrize(
    ("code", "care_kind", "rule"),
    [
        ("1.13", "01", "B-044"),
        ("1.14", "01", "B-044"),
        ("1.18", "01", "B-044"),
        ("3.1", "03", "B-043"),
        ("3.1", "01", "B-043"),
        ("7.2", "07", "B-042"),
        ("8", "01", "B-049"),
        ("10", "07", "B-049"),
    ],
)
def test_object_codes_without_a_built_rule_are_refused_by_name(code, care_kind, rule):
    refusal = _refused(a_visit(object_code=code, care_kind=care_kind))

    assert (refusal.rule, refusal.found) == (rule, code)


@pytest.mark.parametrize(
    ("code", "care_kind", "is_priced"),
    [
        ("1.12", "01", True),
        ("1.12", "03", False),
        ("1.15", "03", True),
        ("1.15", "01", False),
        ("1.15", "04", False),
        ("3.2", "03", True),
        ("3.2", "02", False),
        ("7", "07", True),
        ("1.1", "04", True),
    ],
)
def test_object_code_is_priced_only_for_the_care_it_exists_for(code, care_kind, is_priced):
    visit = a_visit(object_code=code, care_kind=care_kind)

    if is_priced:
        assert priced(visit).fund == 800_000
    else:
        assert _refused(visit).rule == "B-042"


@pytest.mark.parametrize("code", ["1.10", "1", "5", "1.100", ""])
def test_object_code_of_no_table_is_refused(code):
    with pytest.raises(UnknownObjectCode):
        priced(a_visit(object_code=code))


@pytest.mark.parametrize(("code", "rule"), [("1.3", "B-040"), ("3", "B-040"), ("3.1", "B-040"), ("2", "B-041a")])
def test_object_codes_before_2025_are_refused_by_name(code, rule):
    visit = a_visit(object_code=code, admitted_at=at("2024-12-31 23:59"), discharged_at=None)

    assert _refused(visit).rule == rule


def test_registered_facility_before_2025_is_right_line():
    visit = a_visit(admitted_at=at("2024-12-31 23:59"), discharged_at=None)

    assert priced(visit).fund == 800_000


def test_base_salary_before_the_first_known_one_is_refused():
    cards = (a_card(valid_from="2015-01-01"),)

    assert _refused(a_visit(cards=cards, admitted_at=at("2018-06-30 08:00"), discharged_at=None)).rule == "B-030"


@pytest.mark.parametrize("group", ["CN3", "LH4"])
def test_cards_raised_since_2026_are_refused_by_name(group):
    assert _refused(a_visit(cards=(a_card(group),))).rule == "B-013"


def test_stay_over_new_year_2026_with_a_raised_card_is_refused():
    stay = a_visit(cards=(a_card("CN3"),), admitted_at=at("2025-12-30 08:00"), discharged_at=at("2026-01-02 08:00"))

    assert _refused(stay).rule == "B-013"


@pytest.mark.parametrize(("group", "amount"), [("CN3", 379_500), ("LH4", 379_500)])
def test_raised_card_is_refused_from_the_15_percent_line_on(group, amount):
    item = an_item(hospital_price=amount, insurance_price=amount)

    assert _refused(a_visit(item, cards=(a_card(group),))).rule == "B-013"


@pytest.mark.parametrize("groups", [("DN4", "HT3"), ("HT3", "CN3"), ("DN4", "LH4")])
def test_cards_of_different_level_inside_a_stay_are_refused_by_name(groups):
    cards = tuple(a_card(group) for group in groups)

    assert _refused(a_visit(cards=cards)).rule == "B-014"
    assert _refused(a_visit(cards=cards[::-1])).rule == "B-014"


def test_raised_and_other_card_of_one_digit_before_2026_count_as_one():
    cards = (a_card("HT3"), a_card("CN3"))

    assert priced(a_visit(cards=cards, admitted_at=at("2025-12-30 08:00"), discharged_at=None)).fund == 950_000


@pytest.mark.parametrize("begins", ["2026-11-05", "2026-11-08"])
def test_gap_between_cards_inside_a_stay_is_refused_by_name(begins):
    cards = (a_card(valid_to="2026-11-03"), a_card(valid_from=begins))
    stay = a_visit(cards=cards, care_kind="03", discharged_at=at("2026-11-06 08:00"))

    assert _refused(stay).rule in {"B-014", "B-015"}


@pytest.mark.parametrize(("period", "rule"), [(("2018-01-01", "2026-11-04"), "B-015"), (("2026-11-03", None), "B-014")])
def test_card_that_begins_or_ends_inside_a_stay_is_refused_by_name(period, rule):
    card = a_card(valid_from=period[0], valid_to=period[1])
    stay = a_visit(cards=(card,), care_kind="03", discharged_at=at("2026-11-06 08:00"))

    assert _refused(stay).rule == rule


def test_card_that_ends_before_a_later_order_of_an_open_visit_is_refused():
    visit = a_visit(
        an_item(ordered_at=at("2026-11-05 09:00")), cards=(a_card(valid_to="2026-11-04"),), discharged_at=None
    )

    assert _refused(visit).rule == "B-015"


def test_exemption_day_is_refused_by_name():
    assert _refused(a_visit(exempt_from=at("2026-09-15 00:00"))).rule == "B-028"


def test_line_another_source_pays_is_refused_by_name():
    refusal = _refused(a_visit(an_item(3, paying_source="2")))

    assert (refusal.rule, refusal.item.number) == ("B-075", 3)


def test_supply_package_above_its_limit_is_refused_by_name():
    # 45 × 2,530,000 = 113,850,000
    below = an_item(1, group=10, package="G1", hospital_price=80_000_000, insurance_price=80_000_000)
    rest = an_item(2, group=10, package="G1", hospital_price=33_850_000, insurance_price=33_850_000)

    assert priced(a_visit(below, rest)).fund == 91_080_000
    above = replace(rest, hospital_price=rest.hospital_price + 1, insurance_price=rest.insurance_price + 1)
    assert _refused(a_visit(below, above)).rule == "B-072"
    other_package = replace(above, package="G2")
    assert priced(a_visit(below, other_package)).insured_amount == 113_850_001


def test_no_extra_charge_is_refused_only_where_a_service_ratio_binds():
    policy = {"hospital_amount_mode": HospitalAmountMode.NO_EXTRA_CHARGE}

    assert priced(a_visit(), **policy).fund == 800_000
    assert _refused(a_visit(an_item(service_ratio=30)), **policy).rule == "B-052"


@pytest.mark.parametrize(
    ("mode", "rule"), [(OtherFundsMode.FACILITY_POOL, "B-076"), (OtherFundsMode.COPAY_REPLACEMENT, "B-077")]
)
def test_readings_of_other_funds_are_refused_by_name(mode, rule):
    assert priced(a_visit(), other_funds_mode=mode).fund == 800_000
    assert _refused(a_visit(a_drug(other_funds=given("1"))), other_funds_mode=mode).rule == rule


def test_refusal_becomes_a_finding_that_names_rule_and_line():
    refusal = _refused(a_visit(an_item(3, paying_source="2")))

    finding = refusal_as_finding(refusal, file="f.json", hoso=2, ma_lk="LK1")

    assert (finding.code, finding.field, finding.found, finding.expected) == (
        "not-supported",
        "NGUON_CTRA",
        "2",
        "B-075",
    )
    assert (finding.hoso, finding.ma_lk, finding.table, finding.stt) == (2, "LK1", "XML3", 3)
