"""Values outside the format of their own field are named, in XML 130 and in JSON; values inside it never are."""

import json
from collections.abc import Mapping
from decimal import Decimal

import pytest

from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.service.quote_file import quote_file
from billing.visits.domain.finding import FindingCode
from billing.visits.formats.visit_value_formats import find_value_warnings
from billing.visits.formats.xml130 import read_claim_file
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    file_of_drug,
    file_of_service,
    hoso,
    summary,
    visit_blocks,
    xml1,
)

DOTTED = {
    "DON_GIA_BV": "50.600",
    "DON_GIA_BH": "50.600",
    "THANH_TIEN_BV": "50.600",
    "THANH_TIEN_BH": "50.600",
    "T_BHTT": "50.600",
}


def named(content: bytes) -> dict[str, tuple[str, str]]:
    """Found and expected of each value outside its format, by field; the visit is read all the same."""
    claim = read_claim_file(content)
    assert len(claim.visits) == 1
    return {
        finding.field: (finding.found, finding.expected)
        for finding in claim.findings
        if finding.code is FindingCode.FORMAT_DIFFERS
    }


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        (DOTTED, set(DOTTED)),
        ({"T_BNTT": "149.400"}, {"T_BNTT"}),
        ({"T_BNCCT": "1.000"}, {"T_BNCCT"}),
        ({"T_BHTT": "-50.600"}, {"T_BHTT"}),
        ({"T_TRANTT": "50.600"}, {"T_TRANTT"}),
        ({"T_NGUONKHAC": "9.500", "T_NGUONKHAC_CL": "9.500"}, {"T_NGUONKHAC", "T_NGUONKHAC_CL"}),
        ({"THANH_TIEN_BV": "50600.125"}, {"THANH_TIEN_BV"}),
        ({"T_BHTT": "50.6005"}, {"T_BHTT"}),
        ({"DON_GIA_BV": "50.600"}, {"DON_GIA_BV"}),
        ({"DON_GIA_BH": "50.600"}, {"DON_GIA_BH"}),
        ({"SO_LUONG": "1.000", "DON_GIA_BV": "50.6", "DON_GIA_BH": "50.6"}, {"SO_LUONG"}),
        ({"SO_LUONG": "1.000", **DOTTED}, set(DOTTED)),
        ({"TYLE_TT_BH": "1"}, {"TYLE_TT_BH"}),
        ({"TYLE_TT_DV": "1.00"}, {"TYLE_TT_DV"}),
        ({"MUC_HUONG": "0.8"}, {"MUC_HUONG"}),
        ({"MUC_HUONG": "1", "T_BHTT": "506", "T_BNCCT": "50094"}, {"MUC_HUONG"}),
        ({"MUC_HUONG": "8000"}, {"MUC_HUONG"}),
        ({"MUC_HUONG": "0.475", "THANH_TIEN_BH": "0", "T_BHTT": "0"}, {"MUC_HUONG"}),
    ],
)
def test_value_outside_the_format_of_its_field_is_named(changes: Mapping[str, str], fields: set[str]) -> None:
    assert set(named(file_of_service(**changes))) == fields


def test_what_the_value_may_mean_is_explained() -> None:
    assert named(file_of_service(**DOTTED, TYLE_TT_BH="1"))["T_BHTT"] == ("50.600", "50600, or 50.6 in two decimals")
    assert named(file_of_service(**DOTTED))["DON_GIA_BV"] == ("50.600", "50600")
    assert named(file_of_service(TYLE_TT_BH="1"))["TYLE_TT_BH"] == ("1", "100, a percentage")


@pytest.mark.parametrize("field", ["TYLE_TT_BH", "TYLE_TT_DV"])
def test_ratio_of_0_8_is_refused_by_its_field(field: str) -> None:
    claim = read_claim_file(file_of_service(**{field: "0.8"}))

    assert claim.visits == ()
    assert [(finding.code.value, finding.field) for finding in claim.findings] == [("ratio-out-of-range", field)]


@pytest.mark.parametrize("total", ["53.600", "53600.123"])
@pytest.mark.parametrize("field", ["T_TONGCHI_BV", "T_TONGCHI_BH", "T_BHTT", "T_BHTT_GDV", "T_THUOC"])
def test_total_outside_the_format_of_an_amount_is_named(field: str, total: str) -> None:
    table = xml1(summary(**{field: total}))

    assert set(named(claim_file(hoso(block("XML1", table), *visit_blocks()[1:])))) == {field}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"THANH_TIEN_BV": "50600.00", "T_BHTT": "50600.0000", "THANH_TIEN_BH": "50600.000"},
        {"SO_LUONG": "1.000", "DON_GIA_BV": "50600.000", "DON_GIA_BH": "50600.0000"},
        {"SO_LUONG": "0.500", "DON_GIA_BV": "101200", "DON_GIA_BH": "101200"},
        {"T_BNTT": "0.000", "T_BNCCT": "0.00", "T_TRANTT": "0.000"},
        {"TYLE_TT_BH": "100.000", "TYLE_TT_DV": "100.00", "MUC_HUONG": "100.0"},
        {"MUC_HUONG": "47.5", "T_BHTT": "24035", "T_BNCCT": "26565"},
        {"MUC_HUONG": "0", "PHAM_VI": "2", "TYLE_TT_BH": "0", "THANH_TIEN_BH": "0", "T_BHTT": "0", "T_BNTT": "50600"},
        {
            "SO_LUONG": "2.500",
            "DON_GIA_BV": "8.400",
            "DON_GIA_BH": "8.400",
            "THANH_TIEN_BV": "21",
            "THANH_TIEN_BH": "21",
            "T_BHTT": "21",
        },
    ],
)
def test_value_in_the_format_of_its_field_is_not_named(changes: Mapping[str, str]) -> None:
    assert named(file_of_service(**changes)) == {}


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("28", "231.525", "6482.7"),
        ("28", "418.367", "11714.28"),
        ("1.000", "600.000", "600.00"),
        ("2.000", "1500", "3000"),
    ],
)
def test_unit_price_or_quantity_of_three_decimals_is_in_its_format(quantity: str, price: str, amount: str) -> None:
    amounts = {"THANH_TIEN_BV": amount, "THANH_TIEN_BH": amount, "T_BHTT": amount}

    assert named(file_of_drug(SO_LUONG=quantity, DON_GIA=price, **amounts)) == {}


def a_line(**changes: object) -> dict[str, object]:
    line = {"table": "XML3", "stt": 1, "name": "s", "MA_NHOM": 1, "PHAM_VI": 1, "SO_LUONG": "1", "TYLE_TT_DV": 100}
    return {**line, "DON_GIA_BV": "50600", "DON_GIA_BH": "50600", "TYLE_TT_BH": 100, **changes}


def a_case(*lines: dict[str, object], **of_person: object) -> dict[str, object]:
    visit = {"MA_LK": "LK1", "MA_LOAI_KCB": "01", "MA_DOITUONG_KCB": "1.1", "NGAY_VAO": "202611020800"}
    cards = [{"code": "DN4791234567890", "valid_from": "2026-01-01"}]
    return {"schema": "bhyt-case/1", "input": {"cards": cards, "visits": [{**visit, "lines": lines}], **of_person}}


def quoted(case: Mapping[str, object]) -> list[tuple[str, int | None, str, str]]:
    def plain(value: object) -> float:
        assert isinstance(value, Decimal)
        return float(value)

    content = json.dumps(case, default=plain).encode()
    quote = quote_file(content, file="case.json", parameters=load_parameters(), policy=Policy())
    assert len(quote.visits) == 1
    return [
        (finding.table, finding.stt, finding.field, finding.found)
        for finding in quote.findings
        if finding.code is FindingCode.FORMAT_DIFFERS
    ]


@pytest.mark.parametrize(
    ("changes", "field", "found"),
    [
        ({"DON_GIA_BV": "50.600"}, "DON_GIA_BV", "50.600"),
        ({"DON_GIA_BV": "50.600", "THANH_TIEN_BV": 50600}, "DON_GIA_BV", "50.600"),
        ({"THANH_TIEN_BV": "50.600"}, "THANH_TIEN_BV", "50.600"),
        ({"T_BHTT": Decimal("40.481")}, "T_BHTT", "40.481"),
        ({"T_TRANTT": "9.500"}, "T_TRANTT", "9.500"),
        ({"SO_LUONG": "1.000", "DON_GIA_BV": 50, "THANH_TIEN_BV": 50000}, "SO_LUONG", "1.000"),
        ({"NGUONKHAC": {"NSNN": "1.500"}}, "NGUONKHAC.NSNN", "1.500"),
        ({"TYLE_TT_BH": 1}, "TYLE_TT_BH", "1"),
        ({"TYLE_TT_DV": "1.0"}, "TYLE_TT_DV", "1.0"),
        ({"MUC_HUONG": Decimal("0.8")}, "MUC_HUONG", "0.8"),
        ({"MUC_HUONG": "1"}, "MUC_HUONG", "1"),
    ],
)
def test_value_of_a_json_line_outside_its_format_is_named(changes: dict[str, object], field: str, found: str) -> None:
    assert ("XML3", 1, field, found) in quoted(a_case(a_line(**changes)))


def test_value_of_a_json_visit_outside_its_format_is_named() -> None:
    history = {"five_year_date": "2020-01-01", "copay_history": [{"date": "2026-02-01", "amount": "13.000"}]}
    insurance = {"covers": ["copay"], "deductible": "1.000", "coinsurance_pct": "0.8", "limit": "900.000"}

    fields = [field for _, _, field, _ in quoted(a_case(a_line(), **history, private_insurance=insurance))]

    assert fields == [
        "copay_history[0].amount",
        "private_insurance.deductible",
        "private_insurance.limit",
        "private_insurance.coinsurance_pct",
    ]


@pytest.mark.parametrize(
    "line",
    [
        a_line(),
        a_line(DON_GIA_BV="50600.000", DON_GIA_BH=Decimal("50600.5"), SO_LUONG="1.000"),
        a_line(THANH_TIEN_BV="50600.00", MUC_HUONG="47.5", T_BNTT="0.000"),
        {"table": "XML2", "stt": "1", "MA_NHOM": 4, "PHAM_VI": 1, "SO_LUONG": "28.000", "DON_GIA": "418.360"},
        a_line(MA_NHOM=10, MA_VAT_TU="N01", DON_GIA_BV="945.000", DON_GIA_BH="945.000"),
    ],
)
def test_value_of_a_json_line_in_its_format_is_not_named(line: dict[str, object]) -> None:
    assert quoted(a_case(line)) == []


def test_finding_of_a_json_visit_names_its_place() -> None:
    document = {"MA_LK": "LK9", "lines": [a_line(), a_line(stt="2", T_BHTT="1.500")]}

    (finding,) = find_value_warnings(document, file="a.json", hoso=3)

    assert (finding.file, finding.hoso, finding.ma_lk, finding.table, finding.stt) == ("a.json", 3, "LK9", "XML3", 2)
    assert not finding.refuses
