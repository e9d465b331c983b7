import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.formats.worked_case_json import read_visit
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import Table
from billing.visits.formats.json_fields import InvalidField
from billing.visits.formats.strict_json import read_object
from billing.visits.formats.visit_document import canonical, write_snapshot_visit, write_visit


def _service(**changes):
    return {
        "table": "XML3",
        "stt": 1,
        "MA_NHOM": 1,
        "PHAM_VI": 1,
        "SO_LUONG": "1",
        "DON_GIA_BV": "50600",
        "DON_GIA_BH": 50600,
    } | changes


def _drug(**changes):
    return {"table": "XML2", "stt": 2, "MA_NHOM": 4, "PHAM_VI": 1, "SO_LUONG": 2, "DON_GIA": "10.5"} | changes


def _document(*lines, **changes):
    return {
        "MA_LK": "LK1",
        "MA_CSKCB": "01001",
        "MA_LOAI_KCB": "01",
        "MA_DOITUONG_KCB": "1.1",
        "NGAY_VAO": "202611020800",
        "cards": [{"code": "DN4 79 1234567890", "valid_from": "2026-01-01", "valid_to": None}],
        "lines": list(lines or [_service()]),
    } | changes


def _refused(document, **arguments):
    with pytest.raises(InvalidField) as refusal:
        read_visit(document, **arguments)
    return refusal.value


def test_visit_object_is_read_with_the_names_of_the_standard():
    visit = read_visit(
        _document(
            _service(NGUONKHAC={"VTTN": "5.50"}, T_TRANTT=0, NGAY_YL="202611020930", MA_VAT_TU="N01", MUC_HUONG=80),
            _drug(MA_THUOC="40.17", TYLE_TT_BH=50),
            patient={"HO_TEN": "Nguyễn Văn An", "GIOI_TINH": 1},
        )
    )

    service, drug = visit.items
    assert visit.admitted_at == datetime(2026, 11, 2, 1, tzinfo=UTC)
    assert visit.discharged_at is None
    assert visit.cards[0].code == "DN4791234567890"
    assert (visit.patient.name, visit.patient.sex) == ("Nguyễn Văn An", "1")
    assert (service.other_funds.domestic, service.ceiling, service.is_supply) == (Decimal("5.50"), None, True)
    assert (service.code, service.stated.level) == ("N01", 80)
    assert (drug.table, drug.code, drug.hospital_price) == (Table.DRUGS, "40.17", Decimal("10.5"))
    assert (drug.insurance_price, drug.service_ratio, drug.payment_ratio) == (Decimal("10.5"), 100, 50)


@pytest.mark.parametrize(
    ("change", "is_supply"), [({"MA_VAT_TU": "N01"}, True), ({"MA_NHOM": 10}, True), ({"MA_NHOM": 8}, False)]
)
def test_supply_is_a_service_line_with_a_supply_code_or_in_a_supply_group(change, is_supply):
    assert read_visit(_document(_service(**change))).items[0].is_supply is is_supply
    assert not read_visit(_document(_drug(MA_NHOM=10))).items[0].is_supply


def test_visit_needs_a_facility_unless_one_is_given():
    document = _document()
    del document["MA_CSKCB"]

    assert read_visit(document, default_facility="00000").facility_code == "00000"
    assert _refused(document).field == "MA_CSKCB"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"SO_LUONG": "-1"}, "lines[0].SO_LUONG"),
        ({"SO_LUONG": "1e3"}, "lines[0].SO_LUONG"),
        ({"SO_LUONG": "1,5"}, "lines[0].SO_LUONG"),
        ({"SO_LUONG": True}, "lines[0].SO_LUONG"),
        ({"SO_LUONG": None}, "lines[0].SO_LUONG"),
        ({"SO_LUONG": Decimal("1E+99")}, "lines[0].SO_LUONG"),
        ({"DON_GIA_BV": "9999999999999"}, "lines[0].DON_GIA_BV"),
        ({"TYLE_TT_BH": 101}, "lines[0].TYLE_TT_BH"),
        ({"TYLE_TT_BH": "0.5"}, "lines[0].TYLE_TT_BH"),
        ({"TYLE_TT_DV": Decimal("33.3")}, "lines[0].TYLE_TT_DV"),
        ({"PHAM_VI": 4}, "lines[0].PHAM_VI"),
        ({"table": "XML4"}, "lines[0].table"),
        ({"stt": "1.5"}, "lines[0].stt"),
        ({"NGAY_YL": "202613010000"}, "lines[0].NGAY_YL"),
        ({"NGUONKHAC": {"CL": "0.001"}}, "lines[0].NGUONKHAC.CL"),
        ({"NGUONKHAC": {"XX": "1"}}, "lines[0].NGUONKHAC.XX"),
        ({"DON_GIA": "1"}, "lines[0].DON_GIA"),
        ({"T_TRANT": "1"}, "lines[0].T_TRANT"),
        ({"NGUON_CTRA": 5}, "lines[0].NGUON_CTRA"),
    ],
)
def test_wrong_field_of_a_line_is_named_with_its_path(change, field):
    refusal = _refused(_document(_service(**change)))

    assert refusal.field == field
    assert isinstance(refusal, InvalidValue)


@pytest.mark.parametrize(
    ("change", "field", "finding"),
    [
        ({"MA_LK": ""}, "MA_LK", FindingCode.VALUE_INVALID),
        ({"MA_LK": "x" * 101}, "MA_LK", FindingCode.VALUE_INVALID),
        ({"MA_CSKCB": "1"}, "MA_CSKCB", FindingCode.VALUE_INVALID),
        ({"MA_LOAI_KCB": "99"}, "MA_LOAI_KCB", FindingCode.CODE_UNKNOWN),
        ({"NGAY_VAO": "20261102"}, "NGAY_VAO", FindingCode.DATE_UNREADABLE),
        ({"NGAY_RA": "202611010800"}, "NGAY_RA", FindingCode.DISCHARGE_BEFORE_ADMISSION),
        ({"cards": None}, "cards", FindingCode.VALUE_INVALID),
        (
            {"cards": [{"code": "DN9791234567890", "valid_from": "2026-01-01"}]},
            "cards[0].code",
            "benefit-digit-unknown",
        ),
        ({"cards": [{"code": "DN4", "valid_from": "2026-01-01"}]}, "cards[0].code", "code-unknown"),
        ({"cards": [{"valid_from": "2026-01-01"}]}, "cards[0].code", "value-invalid"),
        (
            {"cards": [{"entitlement": "DN9", "valid_from": "2026-01-01"}]},
            "cards[0].entitlement",
            "benefit-digit-unknown",
        ),
        ({"route": {"regime": "law-46-2014", "kind": "offline", "line": "x"}}, "route.line", "code-unknown"),
        ({"route": {"regime": "law-51", "kind": "offline", "line": "central"}}, "route.regime", "code-unknown"),
        ({"copay_history": [{"date": "2026-01-01", "amount": "-1"}]}, "copay_history[0].amount", "value-invalid"),
        ({"copay_history": [{"date": "2026-01-01", "sum": "1"}]}, "copay_history[0].sum", "value-invalid"),
        ({"five_year_date": "20200101"}, "five_year_date", "date-unreadable"),
        ({"private_insurance": {"covers": ["bed"]}}, "private_insurance.covers", "code-unknown"),
        ({"private_insurance": {"covers": "copay"}}, "private_insurance.covers", "value-invalid"),
        (
            {"private_insurance": {"covers": [], "coinsurance_pct": "101"}},
            "private_insurance.coinsurance_pct",
            "value-invalid",
        ),
        (
            {"private_insurance": {"covers": [], "excluded_groups": ["15"]}},
            "private_insurance.excluded_groups",
            "value-invalid",
        ),
        (
            {"cards": [{"code": "DN4791234567890", "valid_from": "01/01/2026"}]},
            "cards[0].valid_from",
            "date-unreadable",
        ),
        ({"lines": {}}, "lines", FindingCode.VALUE_INVALID),
        ({"lines": [1]}, "lines[0]", FindingCode.VALUE_INVALID),
        ({"lines": [_service(), _service()]}, "STT", FindingCode.VALUE_INVALID),
        ({"MA_THE_BHYT": "x"}, "MA_THE_BHYT", FindingCode.VALUE_INVALID),
    ],
)
def test_wrong_field_of_a_visit_is_named_with_its_kind(change, field, finding):
    refusal = _refused(_document(**change))

    assert (refusal.field, refusal.finding) == (field, finding)


def test_path_of_the_visit_stands_before_the_field():
    assert _refused(_document(_service(SO_LUONG="x")), path="visits[3]").field == "visits[3].lines[0].SO_LUONG"


def test_card_that_ends_before_it_begins_is_refused():
    card = {"code": "DN4791234567890", "valid_from": "2026-02-01", "valid_to": "2026-01-01"}

    assert _refused(_document(cards=[card])).field == "cards[0].valid_to"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ceiling": "visit"}, "ceiling"),
        ({"payer_class": "x"}, "payer_class"),
        ({"copay_replaced": 1}, "copay_replaced"),
    ],
)
def test_word_of_ours_that_is_not_known_is_refused(change, field):
    assert _refused(_document(_service(**change))).field == f"lines[0].{field}"


WHOLE = _document(
    _service(T_TRANTT="36000000", ceiling="stent", payer_class="yeu_cau", GOI_VTYT="G1"),
    _drug(copay_replaced=True, NGUON_CTRA=2, VET_THUONG_TP=1),
    cards=[
        {"entitlement": "TE1", "valid_from": "2026-01-01"},
        {"code": "TE179KT12345678", "valid_from": "2026-01-01", "shown_at": "202611020900"},
        {"code": "DN4791234567890", "valid_from": "2026-01-01", "valid_to": "2026-12-31"},
    ],
    NGAY_MIEN_CCT="20260915",
    five_year_date="2024-01-01",
    copay_history=[{"date": "2026-05-20", "amount": "13900000.50"}],
    private_insurance={
        "covers": ["copay", "self_pay"],
        "deductible": "500000",
        "coinsurance_pct": "80",
        "limit": "3000000",
        "excluded_groups": [15],
    },
    route={"regime": "law-46-2014", "kind": "offline", "line": "province"},
)


def test_everything_a_price_needs_comes_back_from_the_document_we_keep():
    visit = read_visit(WHOLE)

    assert read_visit(read_object(canonical(write_visit(visit)).encode())) == visit


def test_snapshot_document_leads_to_no_person_and_to_the_same_entitlements():
    visit = read_visit(WHOLE)

    frozen = canonical(write_snapshot_visit(visit))
    read = read_visit(read_object(frozen.encode()))

    assert "1234567890" not in frozen
    assert "KT12345678" not in frozen
    assert [card.group for card in read.cards] == [card.group for card in visit.cards]
    assert replace(read, cards=()) == replace(visit, cards=())


def test_visit_that_tells_none_of_it_is_written_as_before():
    document = write_visit(read_visit(_document()))

    assert set(document) == {
        "MA_LK",
        "MA_CSKCB",
        "MA_LOAI_KCB",
        "MA_DOITUONG_KCB",
        "NGAY_VAO",
        "cards",
        "lines",
    }
    assert {"payer_class", "copay_replaced", "ceiling"}.isdisjoint(document["lines"][0])


def test_numbers_of_json_arrive_exact():
    document = read_object(b'\xef\xbb\xbf{"a": 0.1, "b": 10, "c": "\xc4\x91"}')

    assert document == {"a": Decimal("0.1"), "b": 10, "c": "đ"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "a": 2}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\u0000"}',
        b'{"\\udfff": 1}',
        b'{"a": ' + b"1" * 61 + b"}",
        b'{"a": ' + b"[" * 100_000,
    ],
)
def test_json_with_a_trap_is_refused(content):
    with pytest.raises(InvalidValue):
        read_object(content)


def test_case_files_are_json_that_this_reader_takes():
    assert read_object(json.dumps(_document()).encode())["MA_LK"] == "LK1"
