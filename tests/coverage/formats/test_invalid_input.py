"""Impossible inputs have a code each; what looks like one but is lawful is taken."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing.coverage.domain.compare_stated import compare_with_stated
from billing.coverage.formats.visit_input import read_visit
from billing.visits.domain.card import Card
from billing.visits.domain.invalid_input import (
    BenefitDigitUnknown,
    CardsOverlap,
    DischargeBeforeAdmission,
    InvalidInput,
    RatioOutOfRange,
)
from billing.visits.formats.json_fields import InvalidField
from tests.coverage.builders import a_card, a_drug, a_visit, an_item, at, priced


@pytest.mark.parametrize(("code", "entitlement"), [("DN7791234567890", ""), ("", "DN7")])
def test_card_of_digit_7_is_refused(code, entitlement):
    with pytest.raises(BenefitDigitUnknown):
        Card(code, date(2026, 1, 1), None, entitlement)


def test_discharge_before_admission_is_refused():
    with pytest.raises(DischargeBeforeAdmission):
        a_visit(discharged_at=at("2026-11-02 07:59"))
    assert a_visit(discharged_at=at("2026-11-02 08:00"))


@pytest.mark.parametrize("ratio", ["130", "-1", "0.5", "NaN"])
@pytest.mark.parametrize("field", ["payment_ratio", "service_ratio"])
def test_ratio_of_130_is_refused(field, ratio):
    with pytest.raises(RatioOutOfRange):
        an_item(**{field: Decimal(ratio)})


def test_one_card_with_two_overlapping_periods_is_refused():
    with pytest.raises(CardsOverlap):
        a_visit(cards=(a_card(), a_card(valid_from="2026-01-01", valid_to=None)))


@pytest.mark.parametrize(
    "cards",
    [
        (a_card(), a_card()),
        (a_card(), a_card("HT3")),
        (a_card(valid_to="2026-10-31"), a_card(valid_from="2026-11-01")),
    ],
)
def test_cards_that_repeat_differ_or_follow_each_other_are_taken(cards):
    assert len(a_visit(cards=cards).cards) == 2


def test_snapshot_cards_of_one_group_may_overlap():
    # Without their personal digits two cards look equal, and a newborn has no code at all.
    frozen = [replace(a_card(), code="DN4790000000000"), replace(a_card(), code="", entitlement="TE1")]
    longer = [replace(card, valid_to=None) for card in frozen]

    assert len(a_visit(cards=(*frozen, *longer)).cards) == 4


def test_each_impossible_input_has_a_code_and_a_finding_of_its_own():
    kinds = InvalidInput.__subclasses__()

    assert len({kind.code for kind in kinds}) == len({kind.finding for kind in kinds}) == len(kinds) == 4
    assert all(kind.code.replace("_", "-") == kind.finding.value for kind in kinds)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"cards": [{"code": "DN7791234567890", "valid_from": "2026-01-01"}]}, "benefit-digit-unknown"),
        ({"NGAY_RA": "202611020700"}, "discharge-before-admission"),
        (
            {
                "cards": [
                    {"code": "DN4791234567890", "valid_from": "2026-01-01"},
                    {"code": "DN4791234567890", "valid_from": "2026-02-01"},
                ]
            },
            "cards-overlap",
        ),
        ({"TYLE_TT_BH": 130}, "ratio-out-of-range"),
    ],
)
def test_json_reader_names_an_impossible_input_by_its_own_finding(change, finding):
    line = {"table": "XML2", "stt": 1, "MA_NHOM": 4, "PHAM_VI": 1, "SO_LUONG": 1, "DON_GIA": 1}
    line |= {key: change.pop(key) for key in list(change) if key == "TYLE_TT_BH"}
    document = {
        "MA_LK": "LK1",
        "MA_CSKCB": "01001",
        "MA_LOAI_KCB": "01",
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": "202611020800",
        "cards": [],
        "lines": [line],
    }

    with pytest.raises(InvalidField) as refusal:
        read_visit(document | change)

    assert refusal.value.finding == finding


def test_quantity_0_is_priced_and_listed_unless_it_is_a_bed():
    visit = a_visit(an_item(1, quantity=0), an_item(2, quantity=0, group=15), replace(a_drug(3), quantity=Decimal(2)))

    findings = compare_with_stated(priced(visit), file="f", hoso=1, ma_lk="LK1")

    assert [(finding.code, finding.stt, finding.refuses) for finding in findings] == [("quantity-zero", 1, False)]
