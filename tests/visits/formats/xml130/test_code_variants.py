"""Codes, cards and timestamps as systems write them; and the fields of a row that become a charge item."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from billing.visits.domain.card import Card
from billing.visits.domain.finding import FindingCode
from billing.visits.domain.visit import Table
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    drug,
    file_of_drug,
    file_of_service,
    file_of_tables,
    hoso,
    service,
    summary,
    xml1,
    xml2,
    xml3,
)
from tests.visits.formats.xml130.parsing import listed, only_item, only_visit, refused

VIETNAM = timezone(timedelta(hours=7))


def file_of_summary(**changes: str | None) -> bytes:
    return file_of_tables(one=xml1(summary(**changes)))


def test_visit_is_read_with_everything_that_is_priced() -> None:
    visit = only_visit(claim_file())

    assert (visit.ma_lk, visit.facility_code, visit.care_kind, visit.category_code) == (
        "LK-TEST-1",
        "01001",
        "01",
        "1.1",
    )
    assert visit.admitted_at == datetime(2026, 11, 2, 8, 0, tzinfo=VIETNAM)
    assert visit.discharged_at == datetime(2026, 11, 2, 16, 0, tzinfo=VIETNAM)
    assert visit.cards == (Card("HT3791234567890", date(2026, 1, 1), date(2027, 12, 31)),)
    assert visit.exempt_from is None
    assert visit.patient.hospital_number == "BN-1"
    assert [item.key for item in visit.items] == [(Table.DRUGS, 1), (Table.SERVICES, 1)]


def test_line_numbers_restart_in_every_table_and_sort_by_number_then_table() -> None:
    zero = {"SO_LUONG": "0", "THANH_TIEN_BV": "0", "THANH_TIEN_BH": "0", "T_BHTT": "0"}
    two = xml2(drug(STT="2", **zero), drug(STT="1"))
    three = xml3(service(STT="3", **zero), service(STT="1"))

    visit = only_visit(file_of_tables(two=two, three=three))

    assert [item.key for item in visit.items] == [("XML2", 1), ("XML3", 1), ("XML2", 2), ("XML3", 3)]


def test_supply_takes_its_own_code_and_name() -> None:
    item = only_item(
        file_of_service(MA_VAT_TU="N04.01", TEN_VAT_TU="Kim luồn", TEN_DICH_VU="Tiêm", GOI_VTYT="G1", MA_NHOM="10")
    )

    assert (item.code, item.name, item.is_supply, item.package, item.group) == ("N04.01", "Kim luồn", True, "G1", 10)


def test_drug_has_one_price_and_no_service_ratio() -> None:
    item = only_item(file_of_drug(TYLE_TT_DV="50", T_TRANTT="1", VET_THUONG_TP="1", NGUON_CTRA="2"))

    assert (item.hospital_price, item.insurance_price) == (Decimal(1500), Decimal(1500))
    assert (item.service_ratio, item.ceiling, item.is_war_wound, item.paying_source) == (Decimal(100), None, True, "2")


@pytest.mark.parametrize("group", ["5", "6", "9", "11", "04"])
def test_cost_groups_of_the_4210_era_are_read(group: str) -> None:
    assert only_item(file_of_drug(MA_NHOM=group)).group == int(group)


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("MA_NHOM", "20"),
        ("MA_NHOM", ""),
        ("PHAM_VI", "4"),
        ("NGUON_CTRA", "5"),
        ("MA_PTTT", "9"),
    ],
)
def test_unknown_code_of_a_line_is_refused(field: str, code: str) -> None:
    finding = refused(file_of_drug(**{field: code}), FindingCode.CODE_UNKNOWN)

    assert (finding.table, finding.stt, finding.field, finding.found) == ("XML2", 1, field, code)


@pytest.mark.parametrize(
    ("field", "written", "expected"),
    [("MA_LOAI_KCB", "1", "01"), ("MA_LOAI_KCB", "3", "03"), ("MA_CSKCB", "1001", "01001"), ("MA_DANTOC", "1", "01")],
)
def test_lost_leading_zero_is_put_back_and_listed(field: str, written: str, expected: str) -> None:
    visit, (finding,) = listed(file_of_summary(**{field: written}), FindingCode.CODE_ZERO_LOST)

    assert (finding.field, finding.found, finding.expected) == (field, written, expected)
    assert visit.facility_code == "01001"
    assert visit.care_kind == ("03" if written == "3" else "01")


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("MA_LOAI_KCB", "0"),
        ("MA_LOAI_KCB", "17"),
        ("MA_LOAI_KCB", "001"),
        ("MA_LOAI_KCB", ""),
        ("MA_CSKCB", "1002"),
        ("MA_CSKCB", ""),
        ("MA_CSKCB", "010011"),
        ("MA_DOITUONG_KCB", "1.10"),
        ("MA_DOITUONG_KCB", "1,1"),
        ("MA_DOITUONG_KCB", "1"),
        ("MA_DOITUONG_KCB", ""),
    ],
)
def test_code_outside_its_list_is_refused(field: str, code: str) -> None:
    finding = refused(file_of_summary(**{field: code}), FindingCode.CODE_UNKNOWN)

    assert (finding.table, finding.field, finding.found) == ("XML1", field, code)


def test_facility_without_its_zero_is_refused_where_the_envelope_does_not_confirm_it() -> None:
    content = file_of_summary(MA_CSKCB="1001").replace(b"<MACSKCB>01001<", b"<MACSKCB>1001<")

    assert refused(content, FindingCode.CODE_UNKNOWN).field == "MA_CSKCB"


@pytest.mark.parametrize("code", ["1.1", "1.11", "1.18", "2", "3.6", "7.4", "9", "10"])
def test_object_code_is_exact_text(code: str) -> None:
    assert only_visit(file_of_summary(MA_DOITUONG_KCB=code)).category_code == code


@pytest.mark.parametrize("code", ["HT 3 79 1234567890", "HT-3-79-1234567890", " HT3791234567890; "])
def test_blanks_and_hyphens_in_a_card_code_are_removed(code: str) -> None:
    assert only_visit(file_of_summary(MA_THE_BHYT=code)).cards[0].code == "HT3791234567890"


@pytest.mark.parametrize(
    "code", ["1234567890", "001085000001", "H36791234567890", "ht3791234567890", "HT379123456789", "HT37912345678901"]
)
def test_unknown_card_code_is_refused(code: str) -> None:
    finding = refused(file_of_summary(MA_THE_BHYT=code), FindingCode.CODE_UNKNOWN)

    assert (finding.field, finding.found) == ("MA_THE_BHYT", code)


def test_temporary_card_code_of_the_portal_is_read() -> None:
    card = only_visit(file_of_summary(MA_THE_BHYT="TE179KT12345678")).cards[0]

    assert (card.category_code, card.benefit_digit) == ("TE", "1")


def test_one_card_with_two_overlapping_periods_is_refused() -> None:
    twice = {
        "MA_THE_BHYT": "HT3791234567890;HT3791234567890",
        "MA_DKBD": "01001;01001",
        "GT_THE_TU": "20260101;20260601",
        "GT_THE_DEN": "20261231;20271231",
    }

    assert refused(file_of_summary(**twice), FindingCode.CARDS_OVERLAP).field == "GT_THE_TU"


def test_visit_without_a_card_is_uninsured() -> None:
    no_card = {"MA_THE_BHYT": "", "MA_DKBD": "", "GT_THE_TU": None, "GT_THE_DEN": ""}

    assert only_visit(file_of_summary(**no_card, MA_DOITUONG_KCB="9")).cards == ()


def test_several_cards_are_joined_in_step() -> None:
    visit = only_visit(
        file_of_summary(
            MA_THE_BHYT="HT3791234567890; DN4791234567890;",
            MA_DKBD="01001;01001",
            GT_THE_TU=";20260101;20260701",
            GT_THE_DEN="20260630; 20271231",
        )
    )

    assert visit.cards == (
        Card("HT3791234567890", date(2026, 1, 1), date(2026, 6, 30)),
        Card("DN4791234567890", date(2026, 7, 1), date(2027, 12, 31)),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"GT_THE_TU": "20260101;20260701"},
        {"GT_THE_TU": ""},
        {"GT_THE_DEN": "20271231;20281231"},
        {"MA_DKBD": "01001;01002"},
        {"MA_THE_BHYT": "HT3791234567890;DN4791234567890"},
        {"MA_THE_BHYT": ""},
    ],
)
def test_cards_and_their_days_that_do_not_agree_in_number_are_refused(changes: dict[str, str]) -> None:
    refused(file_of_summary(**changes), FindingCode.CODE_UNKNOWN)


def test_card_without_an_end_is_read() -> None:
    assert only_visit(file_of_summary(GT_THE_DEN="")).cards[0].valid_to is None


def test_card_that_ends_before_it_begins_is_refused() -> None:
    assert refused(file_of_summary(GT_THE_DEN="20251231"), FindingCode.VALUE_INVALID).field == "GT_THE_DEN"


@pytest.mark.parametrize(
    ("written", "hour", "minute"), [("202611020800", 8, 0), ("20261102080059", 8, 0), ("20261102", 0, 0)]
)
def test_timestamps_of_12_14_and_8_digits_are_read(written: str, hour: int, minute: int) -> None:
    visit = only_visit(file_of_summary(NGAY_VAO=written))

    assert visit.admitted_at == datetime(2026, 11, 2, hour, minute, tzinfo=VIETNAM)


@pytest.mark.parametrize("discharged", ["20261102", "202611020000"])
def test_discharge_of_unknown_time_on_the_day_of_admission_is_not_before_it(discharged: str) -> None:
    visit = only_visit(file_of_summary(NGAY_RA=discharged))

    assert visit.discharged_at == visit.admitted_at


def test_open_visit_has_no_discharge() -> None:
    assert only_visit(file_of_summary(NGAY_RA="")).discharged_at is None


def test_exemption_from_copayment_is_a_day_or_a_timestamp() -> None:
    assert only_visit(file_of_summary(NGAY_MIEN_CCT="20261101")).exempt_from == datetime(2026, 11, 1, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    "written",
    ["08042026", "02112026", "20112026", "2026-11-02", "20261302", "20260230", "202611022460", "189912310000", "", "1"],
)
def test_unreadable_admission_is_refused_and_never_turned_round(written: str) -> None:
    finding = refused(file_of_summary(NGAY_VAO=written), FindingCode.DATE_UNREADABLE)

    assert (finding.field, finding.found) == ("NGAY_VAO", written)


@pytest.mark.parametrize("field", ["NGAY_RA", "NGAY_TTOAN", "NGAY_SINH", "GT_THE_TU", "NGAY_MIEN_CCT"])
def test_any_unreadable_timestamp_of_the_summary_is_refused(field: str) -> None:
    assert refused(file_of_summary(**{field: "08042026"}), FindingCode.DATE_UNREADABLE).field == field


@pytest.mark.parametrize("field", ["NGAY_YL", "NGAY_TH_YL", "NGAY_KQ"])
def test_any_unreadable_timestamp_of_a_line_is_refused(field: str) -> None:
    finding = refused(file_of_service(**{field: "08042026"}), FindingCode.DATE_UNREADABLE)

    assert (finding.table, finding.stt, finding.field) == ("XML3", 1, field)


@pytest.mark.parametrize("birth", ["198501010000", "19850101", "198500000000", "19850000", "1985", ""])
def test_birth_may_be_only_a_year(birth: str) -> None:
    assert only_visit(file_of_summary(NGAY_SINH=birth)).patient.birth == birth


def test_order_without_a_timestamp_is_the_timestamp_of_arrival() -> None:
    assert only_item(file_of_drug(NGAY_YL="")).ordered_at is None
    assert only_item(file_of_drug()).ordered_at == datetime(2026, 11, 2, 8, 5, tzinfo=VIETNAM)


def test_discharge_before_admission_is_refused() -> None:
    finding = refused(file_of_summary(NGAY_RA="202611011600"), FindingCode.DISCHARGE_BEFORE_ADMISSION)

    assert (finding.field, finding.found) == ("NGAY_RA", "202611011600")


@pytest.mark.parametrize("key", ["", "X" * 101])
def test_visit_key_that_is_missing_or_too_long_is_refused(key: str) -> None:
    finding = refused(claim_file(hoso(block("XML1", xml1(summary(MA_LK=key))))), FindingCode.VALUE_INVALID)

    assert (finding.table, finding.field) == ("XML1", "MA_LK")
