"""The envelope and the roots of tables in the shapes systems write."""

import pytest

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130 import Signature, read_claim_file
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    drug,
    file_of_tables,
    hoso,
    raw_block,
    service,
    summary,
    visit_blocks,
    xml1,
    xml2,
    xml3,
    xml4,
)
from tests.visits.formats.xml130.parsing import codes, listed, only_visit, refused


@pytest.mark.parametrize(
    "roots",
    [
        ("CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC"),
        ("DSACH_CHI_TIET_THUOC",),
        ("CHITIEU_CHITIET_THUOC",),
        ("CHITIEU_CHITIET_THUOC", "X", "Y"),
    ],
)
def test_drug_lines_are_found_below_every_known_root(roots: tuple[str, ...]) -> None:
    assert len(only_visit(file_of_tables(two=xml2(roots=roots))).items) == 2


@pytest.mark.parametrize(
    "roots",
    [
        ("CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT"),
        ("DSACH_CHI_TIET_DVKT",),
        ("CHITIEU_CHITIET_DVKT_VTYT",),
    ],
)
def test_service_lines_are_found_below_every_known_root(roots: tuple[str, ...]) -> None:
    assert len(only_visit(file_of_tables(three=xml3(roots=roots))).items) == 2


def test_doubtful_roots_are_read_when_tag_and_fields_agree() -> None:
    content = file_of_tables(
        one=xml1(root="CHITIEUKCB"), two=xml2(roots=("CHITIETTHUOC",)), three=xml3(roots=("CHITIET_DVKT",))
    )

    assert len(only_visit(content).items) == 2


def test_doubtful_root_with_other_fields_is_named() -> None:
    one, _, three = visit_blocks()
    wrong = "<CHITIETTHUOC><MA_LK>LK-TEST-1</MA_LK><GIA_TRI>1</GIA_TRI></CHITIETTHUOC>"

    finding = refused(claim_file(hoso(one, block("XML2", wrong), three)), FindingCode.TABLE_UNKNOWN)

    assert (finding.table, finding.found) == ("XML2", "CHITIETTHUOC")


@pytest.mark.parametrize(
    ("tag", "table", "found"),
    [
        ("XML2", xml2(roots=("BANG_THUOC",)), "BANG_THUOC"),
        ("XML2", xml3(), "CHITIEU_CHITIET_DVKT_VTYT"),
        ("XML2", "<DSACH_CHI_TIET_THUOC><THUOC><SO_LUONG>1</SO_LUONG></THUOC></DSACH_CHI_TIET_THUOC>", None),
        ("XML2", xml3(roots=("DSACH_CHI_TIET_THUOC",)), None),
        ("XML3", xml3(roots=("CHITIETTHUOC",)), "CHITIETTHUOC"),
    ],
    ids=["unknown root", "root of another table", "no lines we know", "lines of another table", "doubtful, wrong tag"],
)
def test_root_that_does_not_fit_the_tag_refuses_the_visit(tag: str, table: str, found: str | None) -> None:
    finding = refused(claim_file(hoso(block("XML1", xml1()), block(tag, table))), FindingCode.TABLE_UNKNOWN)

    assert finding.table == tag
    assert found is None or finding.found == found


@pytest.mark.parametrize("tag", ["", "XML5", "XML99"])
def test_lines_of_money_under_another_tag_are_never_dropped_in_silence(tag: str) -> None:
    finding = refused(claim_file(hoso(block("XML1", xml1()), block(tag, xml3()))), FindingCode.TABLE_UNKNOWN)

    assert (finding.table, finding.found) == ("XML3", tag)


def test_unknown_tag_without_money_is_listed_only() -> None:
    visit, (finding,) = listed(claim_file(hoso(*visit_blocks(), block("XML99", "<A/>"))), FindingCode.TABLE_UNKNOWN)

    assert len(visit.items) == 2
    assert finding.table == "XML99"


def test_tag_in_other_case_with_blanks_and_blocks_in_any_order_are_read() -> None:
    content = claim_file(hoso(block(" xml3 ", xml3()), block("\r\nXml2", xml2()), block("xml1\t", xml1())))

    assert len(only_visit(content).items) == 2


def test_empty_block_is_a_table_without_lines() -> None:
    one, two, three = visit_blocks()

    assert len(only_visit(claim_file(hoso(one, two, three, raw_block("XML4", "")))).items) == 2


def test_two_blocks_of_lines_are_joined_and_listed() -> None:
    one, two, three = visit_blocks()
    more = block("XML2", xml2(drug(STT="2", SO_LUONG="0", THANH_TIEN_BV="0", THANH_TIEN_BH="0", T_BHTT="0")))

    visit, (finding,) = listed(claim_file(hoso(one, two, more, three)), FindingCode.TABLE_DUPLICATE)

    assert [item.key for item in visit.items] == [("XML2", 1), ("XML3", 1), ("XML2", 2)]
    assert finding.table == "XML2"


def test_two_blocks_with_the_same_line_number_refuse_the_visit() -> None:
    one, two, three = visit_blocks()

    claim = read_claim_file(claim_file(hoso(one, two, three, three)))

    assert claim.visits == ()
    assert [(finding.code.value, finding.stt, finding.refuses) for finding in claim.findings] == [
        ("table-duplicate", None, False),
        ("table-duplicate", 1, True),
    ]


def test_line_number_twice_in_one_table_refuses_the_visit() -> None:
    finding = refused(file_of_tables(two=xml2(drug(), drug())), FindingCode.VALUE_INVALID)

    assert (finding.table, finding.stt, finding.field) == ("XML2", 1, "STT")


def test_two_xml1_refuse_the_visit() -> None:
    one, two, three = visit_blocks()

    assert refused(claim_file(hoso(one, one, two, three)), FindingCode.TABLE_DUPLICATE).table == "XML1"


@pytest.mark.parametrize("is_first", [True, False])
def test_empty_second_xml1_is_listed_and_the_visit_read(is_first: bool) -> None:
    empty, blocks = raw_block("XML1", " \n"), visit_blocks()
    content = claim_file(hoso(empty, *blocks) if is_first else hoso(*blocks, empty))

    visit, (finding,) = listed(content, FindingCode.TABLE_DUPLICATE)

    assert len(visit.items) == 2
    assert (finding.hoso, finding.ma_lk, finding.table) == (1, "LK-TEST-1", "XML1")


def test_empty_xml1_alone_is_a_missing_one() -> None:
    refused(claim_file(hoso(raw_block("XML1", ""), *visit_blocks()[1:])), FindingCode.XML1_MISSING)


def test_table_as_elements_instead_of_base64_is_read() -> None:
    content = claim_file(hoso(raw_block("XML1", xml1()), raw_block("XML2", xml2()), raw_block("XML3", xml3())))

    assert len(only_visit(content).items) == 2


def test_lines_directly_in_the_content_are_read() -> None:
    content = claim_file(hoso(raw_block("XML1", xml1()), raw_block("XML2", xml2(roots=())), block("XML3", xml3())))

    assert len(only_visit(content).items) == 2


def test_text_next_to_elements_is_not_passed_over() -> None:
    content = claim_file(hoso(raw_block("XML1", xml1() + "PFRPTkc=")))

    refused(content, FindingCode.BASE64_DAMAGED)


def test_several_visits_in_one_file_are_each_read_alone() -> None:
    content = claim_file(hoso(*visit_blocks("A")), hoso(*visit_blocks("B")), hoso(*visit_blocks("C")))

    claim = read_claim_file(content)

    assert [(read.hoso, read.visit.ma_lk, len(read.visit.items)) for read in claim.visits] == [
        (1, "A", 2),
        (2, "B", 2),
        (3, "C", 2),
    ]
    assert codes(claim) == []


def test_visit_key_used_twice_in_a_file_is_taken_once() -> None:
    claim = read_claim_file(claim_file(hoso(), hoso()))

    assert [read.hoso for read in claim.visits] == [1]
    (finding,) = claim.findings
    assert (finding.code.value, finding.hoso, finding.refuses) == ("table-duplicate", 2, True)


@pytest.mark.parametrize("count", ["1", "3", "hai"])
def test_count_that_differs_is_listed(count: str) -> None:
    content = claim_file(hoso(*visit_blocks("A")), hoso(*visit_blocks("B")), count=count)

    claim = read_claim_file(content)

    assert len(claim.visits) == 2
    (finding,) = claim.findings
    assert (finding.code.value, finding.found, finding.expected) == ("hoso-count-differs", count, "2")


def test_count_left_out_is_no_finding() -> None:
    only_visit(claim_file().replace(b"<SOLUONGHOSO>1</SOLUONGHOSO>", b""))


def test_visit_without_its_envelope_is_read_and_listed() -> None:
    visit, (finding,) = listed(hoso().encode(), FindingCode.ENVELOPE_ABSENT)

    assert visit.facility_code == "01001"
    assert finding.found == "HOSO"


@pytest.mark.parametrize(
    "inside",
    [
        xml1() + xml2() + xml3(),
        f"<XML1>{xml1()}</XML1><XML2>{xml2()}</XML2><XML3>{xml3()}</XML3>",
        "".join(visit_blocks()),
        hoso(),
    ],
    ids=["tables", "tables named XMLn", "blocks", "a HOSO"],
)
def test_hs_with_tables_is_read_and_listed(inside: str) -> None:
    visit, _ = listed(f"<HS>{inside}</HS>".encode(), FindingCode.ENVELOPE_ABSENT)

    assert len(visit.items) == 2


def test_envelope_without_the_unit_is_read_and_listed() -> None:
    visit, _ = listed(claim_file(unit=""), FindingCode.ENVELOPE_ABSENT)

    assert len(visit.items) == 2


@pytest.mark.parametrize("root", ["CHITIEUKCB", "html", "DonThuoc"])
def test_outer_root_that_is_no_claim_file_is_named(root: str) -> None:
    finding = refused(f"<{root}><A>1</A></{root}>".encode(), FindingCode.TABLE_UNKNOWN)

    assert finding.found == root


def test_visit_without_xml1_is_refused() -> None:
    _, two, three = visit_blocks()

    finding = refused(claim_file(hoso(two, three)), FindingCode.XML1_MISSING)

    assert (finding.hoso, finding.ma_lk) == (1, "LK-TEST-1")


def test_envelope_without_any_visit_reports_it() -> None:
    finding = refused(b"<GIAMDINHHS><THONGTINDONVI/></GIAMDINHHS>", FindingCode.XML1_MISSING)

    assert finding.hoso is None


@pytest.mark.parametrize("signature", ["", "<CHUKYDONVI/>", "<CHUKYDONVI></CHUKYDONVI>", "<CHUKYDONVI>\n</CHUKYDONVI>"])
def test_absent_or_empty_signature_is_unsigned(signature: str) -> None:
    assert read_claim_file(claim_file(signature=signature)).signature is Signature.UNSIGNED


@pytest.mark.parametrize("place", ["signature", "unit"])
def test_signature_is_seen_but_not_verified(place: str) -> None:
    signature = (
        '<CHUKYDONVI><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignatureValue>AA==</ds:SignatureValue>'
        "<ds:Object><HOSO/></ds:Object></ds:Signature></CHUKYDONVI>"
    )
    unit = f"<THONGTINDONVI><MACSKCB>01001</MACSKCB>{signature}</THONGTINDONVI>"
    content = claim_file(signature=signature) if place == "signature" else claim_file(unit=unit)

    claim = read_claim_file(content)

    assert claim.signature is Signature.NOT_VERIFIED
    assert (len(claim.visits), codes(claim)) == (1, [])


def test_fields_in_another_order_and_unused_ones_left_out_are_read_by_name() -> None:
    fields = dict(reversed(list(summary(MA_BN=None, DIA_CHI=None, T_VTYT=None).items())))

    visit = only_visit(file_of_tables(one=xml1(fields)))

    assert visit.patient.name == "TRẦN THỊ THỬ"
    assert visit.patient.address == ""


@pytest.mark.parametrize("old", [{"MA_THE": "X", "MA_THE_BHYT": None}, {"T_TONGCHI": "1", "T_TONGCHI_BV": None}])
def test_summary_of_decision_4210_is_refused_by_name(old: dict[str, str | None]) -> None:
    finding = refused(file_of_tables(one=xml1(summary(**old))), FindingCode.STANDARD_4210)

    assert finding.table == "XML1"


def test_lines_of_decision_4210_are_refused_once_and_nothing_is_read_as_zero() -> None:
    old = {"THANH_TIEN": "50600", "DON_GIA": "50600", "DON_GIA_BV": None, "DON_GIA_BH": None, "THANH_TIEN_BV": None}
    lines = xml3(service(**old), service(STT="2", **old))

    claim = read_claim_file(file_of_tables(three=lines))

    assert claim.visits == ()
    assert codes(claim) == ["standard-4210"]


def test_old_field_next_to_the_new_one_is_no_reason_to_refuse() -> None:
    assert only_visit(file_of_tables(one=xml1(summary(MA_LYDO_VVIEN="1")))).category_code == "1.1"


@pytest.mark.parametrize("number", ["2", "3"])
def test_lines_of_another_visit_refuse_the_visit(number: str) -> None:
    blocks = list(visit_blocks())
    foreign = xml2(drug(MA_LK="LK-OTHER")) if number == "2" else xml3(service(MA_LK="LK-OTHER"))
    blocks[int(number) - 1] = block(f"XML{number}", foreign)

    finding = refused(claim_file(hoso(*blocks)), FindingCode.MA_LK_MISMATCH)

    assert (finding.table, finding.stt, finding.found, finding.expected) == (f"XML{number}", 1, "LK-OTHER", "LK-TEST-1")


def test_line_without_a_visit_key_refuses_the_visit() -> None:
    refused(file_of_tables(two=xml2(drug(MA_LK=""))), FindingCode.MA_LK_MISMATCH)


def test_results_of_other_visits_in_xml4_are_left_out_and_listed() -> None:
    content = claim_file(hoso(*visit_blocks(), block("XML4", xml4("LK-TEST-1", "LK-A", "LK-A", "LK-B"))))

    visit, findings = listed(content, FindingCode.MA_LK_MISMATCH, FindingCode.MA_LK_MISMATCH)

    assert len(visit.items) == 2
    assert [(finding.table, finding.stt, finding.found) for finding in findings] == [
        ("XML4", 2, "LK-A"),
        ("XML4", 4, "LK-B"),
    ]


def test_numeric_visit_keys_are_text_and_keep_their_zeros() -> None:
    assert only_visit(claim_file(hoso(*visit_blocks("000123")))).ma_lk == "000123"


def test_damaged_table_outside_the_priced_tables_refuses_the_visit_too() -> None:
    content = claim_file(hoso(*visit_blocks(), block("XML5", "<A>&</A>")))

    assert refused(content, FindingCode.TABLE_NOT_WELLFORMED).table == "XML5"
