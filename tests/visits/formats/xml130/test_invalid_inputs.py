"""Inputs that cannot be, in a claim file: each has a finding of its own, and stands where it was written."""

import pytest

from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.service.quote_file import quote_claim_file
from billing.visits.domain.finding import FindingCode
from tests.visits.formats.xml130.claim_files import file_of_drug, file_of_service, file_of_tables, summary, xml1
from tests.visits.formats.xml130.parsing import only_visit, refused


def file_of_summary(**changes: str) -> bytes:
    return file_of_tables(one=xml1(summary(**changes)))


def test_discharge_before_admission_is_named() -> None:
    finding = refused(file_of_summary(NGAY_RA="202611020759"), FindingCode.DISCHARGE_BEFORE_ADMISSION)

    assert (finding.table, finding.field, finding.found) == ("XML1", "NGAY_RA", "202611020759")
    assert only_visit(file_of_summary(NGAY_RA="202611020800"))


@pytest.mark.parametrize("ratio", ["130", "101", "-1", "50.5"])
def test_ratio_that_is_no_whole_percent_is_named(ratio: str) -> None:
    of_drug = refused(file_of_drug(TYLE_TT_BH=ratio), FindingCode.RATIO_OUT_OF_RANGE)
    of_service = refused(file_of_service(TYLE_TT_DV=ratio), FindingCode.RATIO_OUT_OF_RANGE)

    assert (of_drug.table, of_drug.stt, of_drug.field, of_drug.found) == ("XML2", 1, "TYLE_TT_BH", ratio)
    assert (of_service.table, of_service.stt, of_service.field) == ("XML3", 1, "TYLE_TT_DV")
    assert only_visit(file_of_service(TYLE_TT_BH="100", TYLE_TT_DV="100"))


@pytest.mark.parametrize("digit", ["7", "0", "6"])
def test_benefit_digit_that_does_not_exist_is_named(digit: str) -> None:
    code = f"HT{digit}791234567890"

    finding = refused(file_of_summary(MA_THE_BHYT=code), FindingCode.BENEFIT_DIGIT_UNKNOWN)

    assert (finding.field, finding.found) == ("MA_THE_BHYT", code)
    assert refused(file_of_summary(MA_THE_BHYT="HT37912345"), FindingCode.CODE_UNKNOWN).field == "MA_THE_BHYT"


def test_overlapping_periods_of_one_card_are_named() -> None:
    two = {"MA_THE_BHYT": ";".join(["HT3791234567890"] * 2), "MA_DKBD": "01001;01001", "GT_THE_TU": "20260101;20260601"}

    assert refused(file_of_summary(**two, GT_THE_DEN="20260601;20271231"), FindingCode.CARDS_OVERLAP)
    assert len(only_visit(file_of_summary(**two, GT_THE_DEN="20260531;20271231")).cards) == 2


@pytest.mark.parametrize("written", ["0", "0.000"])
def test_quantity_0_is_listed_and_the_visit_priced(written: str) -> None:
    content = file_of_drug(SO_LUONG=written, THANH_TIEN_BV="0", THANH_TIEN_BH="0", T_BHTT="0")

    quote = quote_claim_file(content, parameters=load_parameters(), policy=Policy())

    assert [finding.code for finding in quote.findings] == [FindingCode.QUANTITY_ZERO]
    assert len(quote.visits) == 1
    assert refused(file_of_drug(SO_LUONG="-1"), FindingCode.VALUE_INVALID).field == "SO_LUONG"
