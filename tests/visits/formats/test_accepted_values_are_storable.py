"""What a door takes in, the store can hold and issuing can read again; what it cannot is refused at the door, by name.

Found by fuzzing: a visit was taken in, and only its invoice failed.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.formats.visit_input import read_visit
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import Visit
from billing.visits.formats.xml130 import read_claim_file
from tests.builders import service_line, visit_document
from tests.coverage.builders import a_visit, an_item
from tests.fuzz.targets import assert_can_be_kept
from tests.visits.formats.xml130.claim_files import file_of_drug, file_of_service
from tests.visits.formats.xml130.parsing import only_visit, refused


@pytest.mark.parametrize("field", ["T_BNTT", "T_BNCCT", "T_BHTT", "THANH_TIEN_BH", "MUC_HUONG"])
def test_stated_amount_below_zero_is_evidence_and_kept(field: str) -> None:
    """A difference of rounding written as -0.01 in a claim file stopped its invoice."""
    (read,) = read_claim_file(file_of_drug(**{field: "-0.01"})).visits

    assert_can_be_kept(read.visit)


@pytest.mark.parametrize("written", ["-0.01", -1, Decimal("-2.5")])
def test_stated_amount_below_zero_is_reported_as_json_too(written: object) -> None:
    line = {**service_line(1, name="Khám", group=13, price="50000"), "T_BNTT": written}

    visit = read_visit(visit_document(lines=[line]))

    assert visit.items[0].stated is not None
    assert visit.items[0].stated.self_pay == Decimal(str(written))
    assert_can_be_kept(visit)


@pytest.mark.parametrize("written", ["-0", "-0.000", "-.0"])
def test_zero_with_a_sign_is_zero(written: str) -> None:
    visit = only_visit(file_of_drug(SO_LUONG=written, THANH_TIEN_BV="0", THANH_TIEN_BH="0", T_BHTT="0"))

    assert not visit.items[0].quantity.is_signed()
    assert_can_be_kept(visit)


@pytest.mark.parametrize("field", ["TEN_THUOC", "MA_THUOC", "DON_VI_TINH", "MA_KHOA"])
def test_text_longer_than_the_longest_field_is_refused_at_the_door(field: str) -> None:
    assert_can_be_kept(only_visit(file_of_drug(**{field: "x" * 1024})))

    finding = refused(file_of_drug(**{field: "x" * 1025}), FindingCode.VALUE_INVALID)

    assert (finding.field, finding.table, finding.stt) == (field, "XML2", 1)


@pytest.mark.parametrize("field", ["TEN_DICH_VU", "MA_DICH_VU", "GOI_VTYT"])
def test_text_of_a_service_that_is_too_long_is_refused_too(field: str) -> None:
    assert refused(file_of_service(**{field: "x" * 1025}), FindingCode.VALUE_INVALID).field == field


def test_more_decimals_than_can_be_kept_are_no_number() -> None:
    assert_can_be_kept(only_visit(file_of_drug(DON_GIA=f"0.{'0' * 37}1", THANH_TIEN_BV="0", THANH_TIEN_BH="0")))

    assert refused(file_of_drug(DON_GIA=f"0.{'0' * 38}1"), FindingCode.NUMBER_AMBIGUOUS).field == "DON_GIA"


def test_part_of_other_funds_has_two_decimals_through_either_door() -> None:
    exact = {"T_NGUONKHAC_NSNN": "0.5000", "T_NGUONKHAC": "0.50", "T_BHTT": "2999.5"}
    assert_can_be_kept(only_visit(file_of_drug(**exact)))
    line = {**service_line(1, name="Khám", group=13, price="50000"), "NGUONKHAC": {"NSNN": "0.005"}}

    finding = refused(file_of_drug(T_NGUONKHAC_NSNN="0.005", T_NGUONKHAC="0.005"), FindingCode.VALUE_INVALID)

    assert finding.field == "T_NGUONKHAC"
    with pytest.raises(InvalidValue, match="at most 2 decimals"):
        read_visit(visit_document(lines=[line]))


@pytest.mark.parametrize("number", ["2147483648", "9999999999"])
def test_line_number_no_column_holds_is_refused(number: str) -> None:
    assert_can_be_kept(only_visit(file_of_drug(STT="2147483647")))
    line = {**service_line(1, name="Khám", group=13, price="50000"), "stt": number}

    assert refused(file_of_drug(STT=number), FindingCode.NUMBER_AMBIGUOUS).field == "STT"
    with pytest.raises(InvalidValue, match=r"lines\[0\].stt"):
        read_visit(visit_document(lines=[line]))


def test_group_no_column_holds_is_refused() -> None:
    line = {**service_line(1, name="Khám", group=2**31, price="50000")}

    with pytest.raises(InvalidValue, match=r"lines\[0\].MA_NHOM"):
        read_visit(visit_document(lines=[line]))


@pytest.mark.parametrize("timestamp", ["000101010000", "189912312359", "210101010000"])
def test_timestamp_outside_the_years_of_a_visit_is_unreadable(timestamp: str) -> None:
    """Year 1 was taken in, written without its zeros, and could not be read again."""
    for field in ("NGAY_VAO", "NGAY_RA", "NGAY_MIEN_CCT"):
        with pytest.raises(InvalidValue) as refusal:
            read_visit(visit_document(**{field: timestamp}))
        assert refusal.value.field == field


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2101-01-01"])
def test_day_of_a_card_outside_the_years_is_unreadable(day: str) -> None:
    card = {"code": "DN4791234567890", "valid_from": day}

    with pytest.raises(InvalidValue, match="valid_from"):
        read_visit(visit_document(cards=[card]))


def test_visit_that_costs_more_than_a_field_holds_is_refused() -> None:
    """Amounts have 15 digits in the standard; together a few lines ran over the columns of an invoice."""
    dear = an_item(1, quantity=Decimal(999), hospital_price=Decimal(10) ** 12)
    cheap = an_item(2, quantity=Decimal(1), hospital_price=Decimal(10) ** 12 - 1)
    assert a_visit(dear, cheap).items

    with pytest.raises(InvalidValue) as refusal:
        a_visit(dear, replace(cheap, hospital_price=Decimal(10) ** 12))

    assert refusal.value.field == "T_TONGCHI_BV"


def test_visit_of_a_file_that_costs_too_much_is_refused_by_name() -> None:
    content = file_of_drug(SO_LUONG="100000000", DON_GIA="100000000", THANH_TIEN_BV=None, THANH_TIEN_BH=None)

    finding = refused(content, FindingCode.VALUE_INVALID)

    assert (finding.field, finding.table) == ("T_TONGCHI_BV", "XML1")


def test_visit_that_is_kept_is_the_visit_that_was_taken() -> None:
    visit = read_visit(visit_document())

    assert isinstance(visit, Visit)
    assert_can_be_kept(visit)
