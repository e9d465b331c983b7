"""Object codes chosen by the facts of a visit. Source: Decision 3276/QĐ-BYT annex 1 and its notes; rule B-049."""

from dataclasses import replace
from datetime import date

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.domain.annexes import Annex, Annexes, CodeRange, DiseaseRow
from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.patient_category import CategoryFacts, choose_category
from billing.coverage.domain.referrals import claim_due_on, referral_validity, working_day_after
from billing.visits.domain.facts import FacilityFacts, TechnicalLevel, VisitFacts
from billing.visits.domain.visit import FormerTier
from tests.coverage.builders import a_visit, at

SINCE = date(2025, 1, 1)
ANNEXES = Annexes(
    (
        DiseaseRow(annex=Annex.FIRST, codes=(CodeRange("C00", "C97"),), since=SINCE),
        DiseaseRow(annex=Annex.FIRST, codes=(CodeRange("E10", "E10"),), under_age=18, since=SINCE),
        DiseaseRow(
            annex=Annex.SECOND,
            codes=(CodeRange("D61", "D61"),),
            excepted=(CodeRange("D61.9", "D61.9"),),
            since=SINCE,
        ),
        DiseaseRow(annex=Annex.THIRD, codes=(CodeRange("A15", "A19"),), since=SINCE),
    )
)

# A patient registered at another facility, who shows nothing: every route is his own choice.
WALK_IN = VisitFacts(
    birth=date(1980, 5, 6),
    disease="J15.9",
    registered_facilities=("01002",),
    region="",
    has_referral=False,
    has_appointment=False,
    is_emergency=False,
)


def _facility(level, points=None, line=FormerTier.DISTRICT):
    return FacilityFacts(technical_level=TechnicalLevel(level), points=points, is_provisional=False, former_tier=line)


def _inputs(facility, facts=WALK_IN, **visit):
    return CategoryFacts(
        visit=a_visit(**visit), facts=facts, facility=facility, annexes=ANNEXES, parameters=load_parameters()
    )


def _chosen(facility, care_kind="01", visit_changes=None, **facts):
    inputs = _inputs(facility, replace(WALK_IN, **facts), care_kind=care_kind, **(visit_changes or {}))
    return choose_category(inputs).code


PROVINCE, CENTRAL, DISTRICT, COMMUNE = FormerTier.PROVINCE, FormerTier.CENTRAL, FormerTier.DISTRICT, FormerTier.COMMUNE
BASIC_40 = _facility("basic", 40)
BASIC_60 = _facility("basic", 60)
BASIC_PROVINCE = _facility("basic", 80, PROVINCE)
TOP_PROVINCE = _facility("specialised", 75, PROVINCE)
TOP_CENTRAL = _facility("specialised", 90, CENTRAL)
TOP_DISTRICT = _facility("specialised", 75, DISTRICT)


@pytest.mark.parametrize(
    ("facility", "care_kind", "facts", "code"),
    [
        (BASIC_40, "01", {"registered_facilities": ("01001",)}, "1.1"),
        (_facility("initial", 10, COMMUNE), "01", {}, "1.2"),
        (_facility("initial", 10, COMMUNE), "01", {"registered_facilities": ("01001",)}, "1.2"),
        (TOP_CENTRAL, "03", {"has_referral": True}, "1.3"),
        (TOP_CENTRAL, "01", {"has_moved": True}, "1.4"),
        (TOP_CENTRAL, "01", {"has_appointment": True}, "1.5"),
        (TOP_CENTRAL, "03", {"is_organ_donor": True}, "1.6"),
        (TOP_CENTRAL, "03", {"is_newborn": True}, "1.7"),
        (_facility("initial", 10), "01", {}, "1.11"),
        (BASIC_40, "01", {}, "1.12"),
        (BASIC_60, "01", {}, "1.13"),
        (BASIC_PROVINCE, "01", {}, "1.14"),
        (BASIC_60, "03", {}, "1.15"),
        (BASIC_60, "01", {"disease": "D61.0"}, "1.16"),
        (BASIC_60, "01", {"disease": "D61.9"}, "1.13"),
        (TOP_PROVINCE, "01", {"disease": "C97.9"}, "1.17"),
        (TOP_PROVINCE, "01", {"disease": "E10.2", "birth": date(2010, 1, 1)}, "1.17"),
        (TOP_PROVINCE, "01", {"disease": "E10.2"}, "1.18"),
        (TOP_PROVINCE, "01", {}, "1.18"),
        (TOP_CENTRAL, "03", {"is_emergency": True}, "2"),
        (TOP_CENTRAL, "03", {}, "3.1"),
        (TOP_CENTRAL, "01", {}, "3.1"),
        (TOP_PROVINCE, "03", {}, "3.2"),
        (TOP_DISTRICT, "01", {}, "3.3"),
        (_facility("specialised", 90, COMMUNE), "03", {"region": "K3"}, "1.2"),
    ],
)
def test_first_fitting_code_of_the_table_is_chosen(facility, care_kind, facts, code):
    assert _chosen(facility, care_kind, **facts) == code


def test_region_of_the_card_tells_code_3_6():
    """Inpatients of difficult areas at a specialised facility have the whole level, also where it was central."""
    inpatients = [_chosen(TOP_CENTRAL, "03", region=region) for region in ("K1", "K2", "K3", "")]

    assert inpatients == ["3.6", "3.6", "3.6", "3.1"]
    assert _chosen(TOP_CENTRAL, "01", region="K1") == "3.1"
    assert choose_category(_inputs(TOP_CENTRAL, replace(WALK_IN, region=None), care_kind="03")).code is None


def test_earlier_row_goes_before_a_better_one():
    # A registered patient who comes as an emergency carries 1.1: the table's order decides, not the reason to come.
    assert _chosen(BASIC_60, registered_facilities=("01001",), is_emergency=True) == "1.1"


def test_visit_without_a_valid_card_is_not_insured():
    assert _chosen(BASIC_40, visit_changes={"cards": ()}) == "9"


def test_before_2025_another_law_holds_and_nothing_is_chosen():
    assert _chosen(BASIC_40, visit_changes={"admitted_at": at("2024-12-31 08:00")}) is None


def test_unknown_fact_leaves_the_code_open_and_is_named():
    choice = choose_category(_inputs(BASIC_40, replace(WALK_IN, registered_facilities=None)))

    assert choice.code is None
    assert choice.possible == ("1.1", "1.12")
    assert choice.lacking == ("registered_facility",)
    assert "points" in choice.used


def test_facility_of_unknown_rank_leaves_all_it_decides_open():
    choice = choose_category(_inputs(FacilityFacts()))

    assert choice.code is None
    assert {"technical_level", "points", "former_tier"} <= set(choice.lacking)


def test_disease_without_its_annex_is_not_known_to_be_outside_it():
    inputs = replace(_inputs(BASIC_60), annexes=Annexes())

    assert choose_category(inputs).code is None
    assert "annex_ii" in choose_category(inputs).lacking


def test_provisionally_ranked_facility_counts_as_under_50_points():
    facility = FacilityFacts(technical_level=TechnicalLevel.BASIC, is_provisional=True, former_tier=DISTRICT)

    assert _chosen(facility) == "1.12"


@pytest.mark.parametrize(
    ("disease", "signed_on", "code"),
    [
        # Admitted on Monday 2 November 2026; the tenth working day after Monday 19 October is Monday 2 November.
        ("J15.9", date(2026, 10, 19), "1.3"),
        ("J15.9", date(2026, 10, 16), "3.1"),
        ("A15.0", date(2025, 11, 2), "1.3"),
        ("A15.0", date(2025, 11, 1), "3.1"),
        ("J15.9", date(2026, 11, 3), "3.1"),  # signed after the visit began
    ],
)
def test_referral_paper_counts_while_it_holds(disease, signed_on, code):
    assert _chosen(TOP_CENTRAL, disease=disease, has_referral=True, referral_signed_on=signed_on) == code


def test_used_appointment_is_none():
    assert _chosen(TOP_CENTRAL, has_appointment=True, is_appointment_used=True) == "3.1"


def test_working_days_leave_out_weekends_and_holidays():
    friday = date(2026, 8, 28)

    assert working_day_after(friday, 3) == date(2026, 9, 2)
    assert working_day_after(friday, 3, {date(2026, 9, 1), date(2026, 9, 2)}) == date(2026, 9, 4)
    assert claim_due_on(date(2026, 11, 2)) == date(2026, 11, 11)
    assert referral_validity(date(2024, 2, 29), on=date(2025, 2, 28), is_for_year=True).is_valid
    assert not referral_validity(date(2024, 2, 29), on=date(2025, 3, 1), is_for_year=True).is_valid


@pytest.mark.parametrize("codes", [("C97", "C00"), ("X", "X"), ("A15.123", "A16")])
def test_codes_that_are_none_are_refused(codes):
    with pytest.raises(InvalidValue):
        CodeRange(*codes)


def test_points_are_0_to_100():
    with pytest.raises(InvalidValue):
        FacilityFacts(points=101)
