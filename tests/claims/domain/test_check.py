"""Claim readiness: finding, severity and rule; each rejection with a claim that passes."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from billing.claims.domain.claim import Severity
from billing.claims.formats.xml130_claim_fields import check_fields
from billing.coverage.domain.annexes import Annexes
from billing.coverage.domain.explain import Language, explain
from billing.visits.domain.facts import FacilityFacts, LineFacts, TechnicalLevel
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import FormerTier, Scope
from billing.visits.formats.xml130.tables import Row
from tests.claims.builders import CONTEXT, REGISTERED, a_claim, brief, checked, facts_of, stating, supplied
from tests.coverage.builders import a_card, a_drug, an_item, at, given

CENTRAL = replace(
    CONTEXT,
    facility=FacilityFacts(
        technical_level=TechnicalLevel.SPECIALISED, points=90, is_provisional=False, former_tier=FormerTier.CENTRAL
    ),
)
AT_ANOTHER_FACILITY = replace(REGISTERED, registered_facilities=("01002",))

NOTHING_TO_CLAIM = ("warning", "D-008", "T_BHTT", "0", "> 0")


def test_visit_in_order_has_nothing_but_its_deadline():
    findings = checked(a_claim())

    assert brief(findings) == []
    assert [(one.severity, one.finding.expected) for one in findings] == [(Severity.INFORMATION, "2026-11-11")]


@pytest.mark.parametrize(("today", "severity"), [("2026-11-11", "information"), ("2026-11-12", "warning")])
def test_claim_is_due_seven_working_days_after_the_visit(today, severity):
    # The visit ends on Monday 2 November 2026; Tuesday 3 is the first working day, Wednesday 11 the seventh.
    (finding,) = checked(a_claim(), replace(CONTEXT, today=date.fromisoformat(today)))

    assert (finding.reason.rule, finding.severity) == ("B-101", severity)


def test_unusual_digit_of_a_group_is_a_warning_only():
    findings = checked(a_claim(cards=(a_card("DN3"),)))

    assert brief(findings) == [("warning", "B-010 unusual_digit", "MA_THE_BHYT", "DN3", "4")]


def test_card_not_valid_on_the_first_day_is_an_error():
    findings = checked(a_claim(cards=(a_card(valid_from="2026-11-03"),)))

    assert ("error", "B-015 not_on_first_day", "GT_THE_TU", "2026-11-03 … 2027-12-31", "2026-11-02") in brief(findings)


def test_code_that_stands_behind_another_that_fits_is_an_error():
    # The patient is registered here, so 1.12 (basic under 50 points) fits too, but 1.1 stands before it (B-049).
    findings = checked(a_claim(category_code="1.12"))

    assert brief(findings) == [("error", "B-049 differs", "MA_DOITUONG_KCB", "1.12", "1.1")]


def test_provisional_code_of_an_open_visit_is_only_a_warning():
    findings = checked(a_claim(category_code="1.12", discharged_at=None))

    assert ("warning", "B-049 differs", "MA_DOITUONG_KCB", "1.12", "1.1") in brief(findings)
    assert not any(one.severity is Severity.ERROR for one in findings)


def test_code_the_facts_rule_out_is_an_error_though_others_stay_open():
    claim_context = replace(CENTRAL, annexes=Annexes())

    findings = checked(a_claim(category_code="1.3", facts=AT_ANOTHER_FACILITY), claim_context)

    assert ("error", "B-049 does_not_fit", "MA_DOITUONG_KCB", "1.3", "1.17, 3.1") in brief(findings)


def test_code_the_facts_cannot_confirm_is_information_and_names_what_lacks():
    findings = checked(a_claim(), replace(CONTEXT, facility=FacilityFacts()))

    (undecided,) = [one for one in findings if one.reason.variant == "undecided"]
    assert undecided.severity is Severity.INFORMATION
    assert explain(undecided.reason, Language.VIETNAMESE).sentence == (
        "Chưa đủ dữ kiện để xác định mã đối tượng 1.1 (đúng cơ sở đăng ký ban đầu); "
        "còn thiếu: tuyến của cơ sở trước 2025."
    )


@pytest.mark.parametrize(
    ("signed_on", "holidays", "severity"),
    [
        (date(2026, 10, 19), frozenset(), None),
        (date(2026, 10, 16), frozenset(), "warning"),  # no holidays are supplied: it may still be in time
        (date(2026, 10, 16), frozenset({date(2026, 9, 2)}), "error"),
        (date(2026, 10, 16), frozenset({date(2026, 10, 20)}), None),
    ],
)
def test_referral_paper_must_hold_on_the_day_of_arrival(signed_on, holidays, severity):
    facts = replace(AT_ANOTHER_FACILITY, has_referral=True, referral_signed_on=signed_on)
    claim_context = replace(CENTRAL, lists=replace(CENTRAL.lists, holidays=holidays))

    found = [
        one.severity
        for one in checked(a_claim(facts=facts, category_code="1.3"), claim_context)
        if one.reason.rule == "B-047"
    ]

    assert found == ([] if severity is None else [severity])


def test_appointment_used_before_is_an_error():
    facts = replace(AT_ANOTHER_FACILITY, has_appointment=True, paper_number="HK1")

    assert brief(checked(a_claim(facts=facts, category_code="1.5"), CENTRAL)) == []
    used = checked(a_claim(facts=replace(facts, is_appointment_used=True), category_code="1.5"), CENTRAL)
    assert ("error", "B-048 used", "GIAY_CHUYEN_TUYEN", "HK1", "") in brief(used)


def test_second_whole_consultation_is_an_error_with_the_ratio_expected():
    findings = checked(a_claim(an_item(1, group=13), an_item(2, group=13)))

    assert brief(findings) == [("error", "B-061 position", "TYLE_TT_DV", "100", "30")]


def test_item_out_of_scope_has_neither_ratio_nor_amounts():
    item = stating(a_drug(scope=Scope.PATIENT), insured_amount="0", fund="800000")

    assert [each[:4] for each in brief(checked(a_claim(item)))] == [
        ("error", "B-050 contradiction", "TYLE_TT_BH", "100"),
        ("error", "B-050 contradiction", "T_BHTT", "800000"),
    ]
    assert brief(checked(a_claim(a_drug(scope=Scope.PATIENT, payment_ratio=0)))) == [NOTHING_TO_CLAIM]


def test_scope_of_the_armed_forces_needs_their_card():
    assert brief(checked(a_claim(a_drug(scope=Scope.ARMED_FORCES)))) == [
        ("error", "B-012 scope", "PHAM_VI", "3", "2"),
        NOTHING_TO_CLAIM,
    ]
    assert brief(checked(a_claim(a_drug(scope=Scope.ARMED_FORCES), cards=(a_card("QN5"),)))) == []


def test_price_above_its_ceiling_is_insured_at_the_ceiling():
    supply = an_item(group=10, is_supply=True, ceiling=Decimal(600_000))

    assert brief(checked(a_claim(supply))) == [("error", "B-070 ceiling", "DON_GIA_BH", "1000000", "600000")]
    assert brief(checked(a_claim(replace(supply, insurance_price=Decimal(600_000))))) == []


def test_reused_supply_has_one_price():
    supply = an_item(group=10, is_supply=True, insurance_price=900_000)

    assert brief(checked(a_claim(supply, facts=facts_of(l1=LineFacts(is_reused=True))))) == [
        ("error", "D-004", "DON_GIA_BH", "900000", "1000000")
    ]
    assert brief(checked(a_claim(supply))) == []


def test_other_funds_stay_below_the_amount():
    assert brief(checked(a_claim(an_item(other_funds=given("999999"))))) == []
    assert [each[:3] for each in brief(checked(a_claim(an_item(other_funds=given("1000000")))))] == [
        ("error", "B-075 above", "T_NGUONKHAC"),
        NOTHING_TO_CLAIM[:3],
    ]


def test_line_another_source_pays_has_no_fund_amount():
    found = brief(checked(a_claim(stating(an_item(paying_source="2"), fund="5"))))

    assert ("error", "D-003", "T_BHTT", "5", "0") in found


def test_times_of_a_line_stand_in_order_and_inside_the_visit():
    ten, nine = at("2026-11-02 10:00"), at("2026-11-02 09:00")
    item, facts = an_item(ordered_at=ten), facts_of(l1=LineFacts(performed_at=nine, result_at=at("2026-11-03 09:00")))

    assert [each[:3] for each in brief(checked(a_claim(item, facts=facts)))] == [
        ("error", "D-002 order", "NGAY_TH_YL"),
        ("warning", "D-002 outside", "NGAY_KQ"),
    ]
    assert brief(checked(a_claim(item, facts=facts_of(l1=LineFacts(performed_at=ten, result_at=ten))))) == []


def test_stated_amount_that_differs_is_an_error_with_ours():
    # 1,000,000 at 80 %: the fund pays 800,000.
    findings = checked(a_claim(stating(an_item(), hospital_amount="1000000", level="80", fund="900000")))

    assert brief(findings) == [("error", "D-005 amount", "T_BHTT", "900000", "800000.00")]


def test_stated_level_that_differs_is_reported_with_the_rule_that_set_it():
    findings = checked(a_claim(stating(an_item(), level="100")))

    assert brief(findings) == [("error", "B-010", "MUC_HUONG", "100", "80")]


def test_what_the_reader_found_is_taken_over_with_its_gravity():
    found = (
        supplied(FindingCode.TOTALS_DIFFER, expected="800000.00"),
        supplied(FindingCode.CODE_ZERO_LOST, "MA_DANTOC"),
    )

    assert brief(checked(a_claim(), supplied=found)) == [
        ("error", "D-005 total", "T_BHTT", "1", "800000.00"),
        ("warning", "D-006 listed", "MA_DANTOC", "1", ""),
    ]


def test_visit_no_rule_prices_is_a_warning_that_names_the_rule():
    claim_context = replace(CONTEXT, parameters=replace(CONTEXT.parameters, base_salaries=()))

    (unpriced,) = [one for one in checked(a_claim(), claim_context) if one.reason.rule == "D-005"]

    assert unpriced.severity is Severity.WARNING
    assert "B-030" in explain(unpriced.reason, Language.ENGLISH).sentence


def test_missing_field_is_named_once_with_its_lines():
    rows = [Row("XML3", 0, {"STT": str(number)}) for number in (1, 2)]

    findings = list(check_fields(a_claim(), rows))

    doctors = [one for one in findings if one.finding.field == "MA_BAC_SI"]
    assert [(one.severity, one.finding.table, one.finding.found) for one in doctors] == [("error", "XML3", "STT 1, 2")]
    assert [one.finding.field for one in findings if "VAT_TU" in one.finding.field] == [
        "MA_DICH_VU / MA_VAT_TU",
        "TEN_DICH_VU / TEN_VAT_TU",
    ]


def test_fields_of_the_end_are_due_later_while_the_visit_is_open():
    (finding,) = [one for one in check_fields(a_claim(discharged_at=None), []) if one.finding.field == "KET_QUA_DTRI"]

    assert (finding.severity, finding.reason.variant) == (Severity.INFORMATION, "later")


def test_transport_warns_about_the_group():
    transport = an_item(1, code="VC.00001")

    assert brief(checked(a_claim(transport))) == [("warning", "B-082 transport", "MA_DICH_VU", "VC.00001", "")]
    assert brief(checked(a_claim(replace(transport, scope=Scope.PATIENT, payment_ratio=Decimal(0))))) == [
        NOTHING_TO_CLAIM
    ]
