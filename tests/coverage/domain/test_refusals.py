"""What is refused: a figure or fact that would decide is not known, or an object code does not fit."""

import pytest

from billing.core.errors import NotSupported
from billing.coverage.domain.refusals import (
    CategoryDoesNotFit,
    InvalidItem,
    RuleNotSupported,
    UnknownCategory,
    refusal_as_finding,
)
from billing.visits.domain.visit import FormerTier
from tests.coverage.builders import a_card, a_drug, a_visit, at, given, priced


def _refused(visit, error=RuleNotSupported, **policy):
    with pytest.raises(error) as refusal:
        priced(visit, **policy)
    return refusal.value


@pytest.mark.parametrize(
    ("code", "care_kind"),
    [("1.12", "03"), ("1.14", "03"), ("1.15", "01"), ("3.2", "02"), ("3.6", "01"), ("7", "03")],
)
def test_object_code_that_does_not_exist_for_the_kind_of_care_is_refused(code, care_kind):
    visit = a_visit(category_code=code, care_kind=care_kind)

    assert _refused(visit, CategoryDoesNotFit).code == "category_does_not_fit"


def test_recall_of_a_claim_is_no_care_to_price():
    assert "recalls" in _refused(a_visit(category_code="8"), CategoryDoesNotFit).detail


@pytest.mark.parametrize("code", ["1.10", "1", "5", "1.100", ""])
def test_object_code_of_no_table_is_refused(code):
    with pytest.raises(UnknownCategory):
        priced(a_visit(category_code=code))


@pytest.mark.parametrize("code", ["3", "3.1", "1.12"])
def test_out_of_route_visit_before_2025_needs_the_line_of_the_facility(code):
    visit = a_visit(category_code=code, admitted_at=at("2024-12-31 23:59"), discharged_at=None)

    refusal = _refused(visit)

    assert isinstance(refusal, NotSupported)
    assert (refusal.rule, refusal.found) == ("B-040", code)


def test_line_of_the_facility_is_refused_where_law_46_no_longer_holds():
    assert _refused(a_visit(out_of_route_tier=FormerTier.CENTRAL), CategoryDoesNotFit).found == "1.1"


def test_base_salary_before_the_first_known_one_is_refused():
    cards = (a_card(valid_from="2015-01-01"),)

    assert _refused(a_visit(cards=cards, admitted_at=at("2018-06-30 08:00"), discharged_at=None)).rule == "B-030"


def test_refusal_becomes_a_finding_that_names_the_rule():
    visit = a_visit(category_code="3", admitted_at=at("2024-12-31 23:59"), discharged_at=None)

    finding = refusal_as_finding(_refused(visit), file="f.json", hoso=2, ma_lk="LK1")

    assert (finding.code, finding.field, finding.found, finding.expected) == ("not-supported", "route", "3", "B-040")
    assert (finding.hoso, finding.ma_lk, finding.table, finding.stt) == (2, "LK1", "", None)


def test_refusal_of_an_item_becomes_a_finding_that_names_its_line():
    refusal = _refused(a_visit(a_drug(3, other_funds=given("1000001"))), InvalidItem)

    finding = refusal_as_finding(refusal, file="f.json", hoso=None, ma_lk="LK1")

    assert (finding.code, finding.table, finding.stt, finding.field) == ("value-invalid", "XML2", 3, "T_NGUONKHAC")
