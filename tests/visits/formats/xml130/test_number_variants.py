"""Numbers as systems write them: plain, with a comma, with thousands marks, empty; read, normalised or refused."""

from decimal import Decimal

import pytest

from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import OtherFunds, Scope
from billing.visits.formats.xml130 import read_claim_file
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    file_of_drug,
    file_of_service,
    hoso,
    service,
    without_totals,
    xml1,
    xml2,
    xml3,
)
from tests.visits.formats.xml130.parsing import listed, only_item, refused


def refused_among(content: bytes, *, field: str) -> tuple[str, str]:
    """Found and expected of the `number-ambiguous` of a field in a refused file."""
    claim = read_claim_file(content)
    assert claim.visits == ()
    (finding,) = (f for f in claim.findings if (f.code, f.field) == (FindingCode.NUMBER_AMBIGUOUS, field))
    assert (finding.table, finding.stt) == ("XML2", 1)
    return finding.found, finding.expected


@pytest.mark.parametrize("price", ["1500", "1500.0", "1500.0000", "01500", "1500."])
def test_plain_notations_of_a_number_are_the_same_number(price: str) -> None:
    assert only_item(file_of_drug(DON_GIA=price)).hospital_price == Decimal(1500)


def test_all_decimals_of_quantity_and_price_are_kept() -> None:
    item = only_item(file_of_drug(SO_LUONG="0.16667", DON_GIA="17999.640007199856", THANH_TIEN_BV="3000.00"))

    assert (item.quantity, item.hospital_price) == (Decimal("0.16667"), Decimal("17999.640007199856"))


def test_decimal_comma_is_normalised() -> None:
    changes = {"SO_LUONG": "7", "DON_GIA": "1234,567", "THANH_TIEN_BV": "8641,97", "THANH_TIEN_BH": "8641,97"}
    content = file_of_drug(**changes, T_BHTT="8641,97")

    visit, findings = listed(content, *[FindingCode.NUMBER_NORMALISED] * 4)

    (item,) = visit.items
    assert item.hospital_price == Decimal("1234.567")
    assert item.stated is not None
    assert item.stated.fund == Decimal("8641.97")
    assert ("DON_GIA", "1234,567", "1234.567") in {(found.field, found.found, found.expected) for found in findings}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1.234.567,5", "1234567.5"),
        ("1,234,567.5", "1234567.5"),
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
    ],
)
def test_marks_of_both_kinds_or_repeated_have_one_reading(written: str, expected: str) -> None:
    amounts = {"THANH_TIEN_BV": "0", "THANH_TIEN_BH": "0", "T_BHTT": "0", "SO_LUONG": "0"}

    visit, (finding,) = listed(file_of_drug(DON_GIA=written, **amounts), FindingCode.NUMBER_NORMALISED)

    assert visit.items[0].hospital_price == Decimal(expected)
    assert (finding.field, finding.found, finding.expected) == ("DON_GIA", written, expected)


def test_one_point_before_three_digits_is_a_decimal_point() -> None:
    item = only_item(file_of_drug(DON_GIA="1.500", THANH_TIEN_BV="3", THANH_TIEN_BH="3", T_BHTT="3"))

    assert item.hospital_price == Decimal("1.5")


def test_one_comma_before_three_digits_is_thousands_if_only_that_fits_the_line() -> None:
    visit, _ = listed(file_of_drug(DON_GIA="1,500"), FindingCode.NUMBER_NORMALISED)  # 2 × 1500 = 3000, not 3

    assert visit.items[0].hospital_price == Decimal(1500)


def test_one_comma_before_three_digits_is_decimal_if_only_that_fits_the_line() -> None:
    visit, _ = listed(file_of_drug(SO_LUONG="2,000"), FindingCode.NUMBER_NORMALISED)  # 2 × 1500 = 3000

    assert visit.items[0].quantity == Decimal(2)


def test_one_comma_that_fits_the_line_in_both_readings_is_refused() -> None:
    amounts = {"THANH_TIEN_BV": "3,000", "THANH_TIEN_BH": "3,000", "T_BHTT": "3,000"}

    finding = refused_among(file_of_drug(DON_GIA="1,500", **amounts), field="DON_GIA")

    assert finding == ("1,500", "1.500 or 1500")


def test_one_comma_that_fits_the_line_in_no_reading_is_refused() -> None:
    assert refused_among(file_of_drug(DON_GIA="1,777"), field="DON_GIA") == ("1,777", "1.777 or 1777")


def test_one_comma_is_not_decided_by_an_amount_the_line_does_not_state() -> None:
    nothing_stated = {"THANH_TIEN_BV": "", "THANH_TIEN_BH": "", "T_BHTT": ""}

    assert refused_among(file_of_drug(SO_LUONG="0.5", DON_GIA="1,500", **nothing_stated), field="DON_GIA")[0] == "1,500"


@pytest.mark.parametrize(("ceiling", "price"), [("60,000", "50600"), ("50,600", "50600"), ("20,000", "20000")])
def test_ceiling_with_a_comma_is_decided_by_the_prices(ceiling: str, price: str) -> None:
    amounts = {"THANH_TIEN_BH": price, "T_BHTT": price, "T_BNTT": str(50600 - int(price))}

    visit, _ = listed(file_of_service(T_TRANTT=ceiling, DON_GIA_BH=price, **amounts), FindingCode.NUMBER_NORMALISED)

    assert visit.items[0].ceiling == Decimal(ceiling.replace(",", ""))


def test_amount_that_must_be_thousands_decides_the_other_numbers_of_the_line() -> None:
    amounts = {"THANH_TIEN_BV": "3,000,000", "THANH_TIEN_BH": "3,000,000", "T_BHTT": "3,000,000"}

    visit, _ = listed(file_of_drug(DON_GIA="1,500", SO_LUONG="2,000", **amounts), *[FindingCode.NUMBER_NORMALISED] * 5)

    (item,) = visit.items
    assert (item.quantity, item.hospital_price) == (Decimal(2000), Decimal(1500))


def test_special_form_of_the_hospital_amount_decides_too() -> None:
    # 1 × 150,000 − 1 × 50,000 × (100 − 30) / 100 = 115,000, where the plain form would give 45,000
    amounts = {"THANH_TIEN_BV": "115000", "THANH_TIEN_BH": "15000", "T_BHTT": "15000", "T_BNTT": "100000"}
    content = file_of_service(DON_GIA_BV="150,000", DON_GIA_BH="50000", TYLE_TT_DV="30", **amounts)

    visit, _ = listed(content, FindingCode.NUMBER_NORMALISED)

    assert visit.items[0].hospital_price == Decimal(150_000)


@pytest.mark.parametrize(
    "text",
    ["một", "1 500", "1\u00a0500", "1e3", "NaN", "Infinity", "+5", "1500đ", "1.50,0.0", "1,23,456", "٣", "1" * 16, "-"],
)
def test_text_that_is_no_number_is_refused(text: str) -> None:
    finding = refused(file_of_drug(DON_GIA=text), FindingCode.NUMBER_AMBIGUOUS)

    assert (finding.field, finding.found) == ("DON_GIA", text)


@pytest.mark.parametrize("field", ["SO_LUONG", "DON_GIA"])
@pytest.mark.parametrize("value", ["", None])
def test_quantity_or_price_without_a_value_is_refused(field: str, value: str | None) -> None:
    assert refused(file_of_drug(**{field: value}), FindingCode.NUMBER_AMBIGUOUS).field == field


@pytest.mark.parametrize("field", ["DON_GIA_BV", "DON_GIA_BH"])
def test_either_price_of_a_service_without_a_value_is_refused(field: str) -> None:
    assert refused(file_of_service(**{field: ""}), FindingCode.NUMBER_AMBIGUOUS).field == field


@pytest.mark.parametrize("stt", ["", "A", "1.5", None, "99999999999"])
def test_line_without_a_usable_number_is_refused(stt: str | None) -> None:
    assert refused(file_of_drug(STT=stt), FindingCode.NUMBER_AMBIGUOUS).field == "STT"


@pytest.mark.parametrize("stt", ["1", "1.0000", "01"])
def test_line_number_is_read_as_a_number(stt: str) -> None:
    assert only_item(file_of_drug(STT=stt)).number == 1


def test_empty_amounts_are_stated_as_nothing_and_count_zero_in_sums() -> None:
    drug_line = {"T_BNTT": "", "T_BNCCT": None, "T_NGUONKHAC": ""}

    item = only_item(file_of_drug(**drug_line))

    assert item.stated is not None
    assert (item.stated.self_pay, item.stated.copay) == (None, None)
    assert item.other_funds == OtherFunds()


@pytest.mark.parametrize("ceiling", ["", "0", "0.00", None])
def test_no_ceiling_is_written_empty_zero_or_not_at_all(ceiling: str | None) -> None:
    assert only_item(file_of_service(T_TRANTT=ceiling)).ceiling is None


def test_ceiling_is_read() -> None:
    assert only_item(file_of_service(T_TRANTT="50600.00")).ceiling == Decimal(50600)


def test_ratios_left_out_are_a_hundred() -> None:
    item = only_item(file_of_service(TYLE_TT_DV="", TYLE_TT_BH=None))

    assert (item.service_ratio, item.payment_ratio) == (Decimal(100), Decimal(100))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"SO_LUONG": "-1"}, "SO_LUONG"),
        ({"DON_GIA": "-1500"}, "DON_GIA_BV"),
        ({"T_NGUONKHAC_NSNN": "-5", "T_NGUONKHAC": "-5"}, "T_NGUONKHAC"),
    ],
)
def test_number_outside_its_range_is_refused_with_its_line(changes: dict[str, str], field: str) -> None:
    finding = refused(file_of_drug(**changes), FindingCode.VALUE_INVALID)

    assert (finding.ma_lk, finding.table, finding.stt, finding.field) == ("LK-TEST-1", "XML2", 1, field)


def test_field_written_twice_with_two_values_is_refused() -> None:
    table = xml2().replace("<SO_LUONG>2</SO_LUONG>", "<SO_LUONG>2</SO_LUONG><SO_LUONG>20</SO_LUONG>")

    finding = refused(claim_file(hoso(block("XML1", xml1()), block("XML2", table))), FindingCode.VALUE_INVALID)

    assert finding.field == "SO_LUONG"


def test_scope_2_on_a_covered_line_is_read_as_covered_and_listed() -> None:
    content = file_of_service(PHAM_VI="2", MUC_HUONG="0", T_BHTT="0", T_BNCCT="50600")

    visit, (finding,) = listed(content, FindingCode.SCOPE_DIFFERS)

    assert visit.items[0].scope is Scope.INSURED
    assert (finding.field, finding.found, finding.expected) == ("PHAM_VI", "2", "1")


@pytest.mark.parametrize("changes", [{"TYLE_TT_BH": "0"}, {"TYLE_TT_BH": "100", "DON_GIA_BH": "0"}])
def test_scope_2_on_a_line_not_covered_stands(changes: dict[str, str]) -> None:
    item = only_item(file_of_service(PHAM_VI="2", THANH_TIEN_BH="0", T_BHTT="0", T_BNTT="50600", **changes))

    assert item.scope is Scope.PATIENT


def test_scope_left_out_follows_the_ratio() -> None:
    not_covered = {"TYLE_TT_BH": "0", "THANH_TIEN_BH": "0", "T_BHTT": "0", "T_BNTT": "50600"}

    assert only_item(file_of_service(PHAM_VI="")).scope is Scope.INSURED
    assert only_item(file_of_service(PHAM_VI=None, **not_covered)).scope is Scope.PATIENT
    assert only_item(file_of_service(PHAM_VI="3")).scope is Scope.ARMED_FORCES


@pytest.mark.parametrize(
    ("changes", "is_supply"),
    [
        ({"MA_VAT_TU": "N01"}, True),
        ({"MA_NHOM": "10"}, True),
        ({"MA_NHOM": "11"}, True),
        ({"MA_NHOM": "8"}, False),
    ],
)
def test_supply_is_a_line_of_xml3_with_a_supply_code_or_in_a_supply_group(
    changes: dict[str, str], is_supply: bool
) -> None:
    table = xml1({**without_totals(), "T_VTYT": "50600" if is_supply else "0"})

    item = only_item(claim_file(hoso(block("XML1", table), block("XML3", xml3(service(**changes))))))

    assert item.is_supply is is_supply
    assert item.code == ("N01" if "MA_VAT_TU" in changes else "02.0001.0001")
    assert item.name == "Khám bệnh"


def test_drug_in_a_supply_group_is_no_supply() -> None:
    assert not only_item(file_of_drug(MA_NHOM="10")).is_supply


@pytest.mark.parametrize("ratio", ["0.5", "33.3", "99.999"])
@pytest.mark.parametrize("field", ["TYLE_TT_BH", "TYLE_TT_DV"])
def test_ratio_that_is_no_whole_percent_is_refused(field: str, ratio: str) -> None:
    finding = refused(file_of_service(**{field: ratio}), FindingCode.RATIO_OUT_OF_RANGE)

    assert (finding.field, finding.found) == (field, ratio)


@pytest.mark.parametrize("field", ["TYLE_TT_BH", "TYLE_TT_DV"])
def test_whole_ratio_may_have_zeros_behind_the_point(field: str) -> None:
    assert only_item(file_of_service(**{field: "100.00"})).payment_ratio == 100


@pytest.mark.parametrize(("field", "value"), [("SO_LUONG", "2,5"), ("SO_LUONG", "0,500"), ("DON_GIA", "1499,4")])
def test_comma_with_one_reading_that_does_not_fit_the_line_is_refused(field: str, value: str) -> None:
    found, expected = refused_among(file_of_drug(**{field: value}), field=field)

    assert (found, expected) == (value, f"{value.replace(',', '.')} does not fit the line")


@pytest.mark.parametrize(("field", "value"), [("SO_LUONG", "2,0"), ("DON_GIA", "1499,6"), ("DON_GIA", "1500,00")])
def test_comma_with_one_reading_that_fits_the_line_within_a_dong_is_normalised(field: str, value: str) -> None:
    visit, _ = listed(file_of_drug(**{field: value}), FindingCode.NUMBER_NORMALISED)

    assert len(visit.items) == 1


def test_comma_with_one_reading_is_decimal_where_the_line_states_no_amount() -> None:
    nothing_stated = {"THANH_TIEN_BV": "", "THANH_TIEN_BH": "", "T_BHTT": "", "MUC_HUONG": ""}

    visit, _ = listed(file_of_drug(DON_GIA="1499,4", **nothing_stated), FindingCode.NUMBER_NORMALISED)

    assert visit.items[0].hospital_price == Decimal("1499.4")


def test_insurance_price_of_a_line_not_covered_is_not_judged_by_the_amount_of_zero() -> None:
    not_covered = {"PHAM_VI": "2", "TYLE_TT_BH": "100", "THANH_TIEN_BH": "0", "T_BHTT": "0", "T_BNTT": "50600"}
    content = file_of_service(DON_GIA_BV="50600,00", DON_GIA_BH="50600,00", **not_covered)

    claim = read_claim_file(content)

    assert len(claim.visits) == 1
    assert FindingCode.NUMBER_AMBIGUOUS not in {finding.code for finding in claim.findings}


@pytest.mark.parametrize("field", ["DON_GIA_BV", "DON_GIA_BH"])
def test_price_of_a_service_with_one_reading_that_does_not_fit_is_refused(field: str) -> None:
    finding = refused(file_of_service(**{field: "50700,5"}), FindingCode.NUMBER_AMBIGUOUS)

    assert (finding.table, finding.field, finding.found) == ("XML3", field, "50700,5")


@pytest.mark.parametrize("ratio", ["100", "50"])
def test_scope_2_with_a_ratio_and_nothing_insured_stands_and_is_listed(ratio: str) -> None:
    content = file_of_service(PHAM_VI="2", TYLE_TT_BH=ratio, THANH_TIEN_BH="0", T_BHTT="0", T_BNTT="50600")

    visit, (finding,) = listed(content, FindingCode.SCOPE_DIFFERS)

    assert visit.items[0].scope is Scope.PATIENT
    assert (finding.field, finding.found, finding.expected) == ("TYLE_TT_BH", ratio, "0")
