"""Encodings, declarations and character data as systems write them: read by the bytes, or refused by name."""

import unicodedata
from typing import Literal

import pytest

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130 import read_claim_file
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    drug,
    file_of_tables,
    hoso,
    raw_block,
    summary,
    visit_blocks,
    xml1,
    xml2,
    xml3,
)
from tests.visits.formats.xml130.parsing import listed, only_visit, refused

BOM = "\ufeff"
NAMESPACES = ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def test_byte_order_mark_before_the_outer_declaration_is_dropped() -> None:
    assert only_visit(BOM.encode() + claim_file()).ma_lk == "LK-TEST-1"


def test_byte_order_mark_inside_a_decoded_table_is_dropped() -> None:
    content = file_of_tables(one=BOM + xml1(), two=BOM + '<?xml version="1.0"?>' + xml2())

    assert len(only_visit(content).items) == 2


@pytest.mark.parametrize(
    "declaration",
    [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<?xml version='1.0' encoding='utf-8'?>",
        '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n',
        '<?xml version="1.0"?>',
        "",
        '<?xml version="1.0" encoding="utf-16"?>',
        '<?xml version="1.0" encoding="windows-1258"?>',
    ],
)
def test_outer_declaration_is_accepted_in_every_form_and_not_believed(declaration: str) -> None:
    visit = only_visit(claim_file(declaration=declaration))

    assert visit.patient.name == "TRẦN THỊ THỬ"


def test_outer_file_in_utf_16_is_read_by_its_bytes() -> None:
    text = claim_file(declaration="").decode()

    assert only_visit(text.encode("utf-16")).patient.name == "TRẦN THỊ THỬ"


def test_outer_file_that_is_not_utf_8_is_refused_without_replacement() -> None:
    content = claim_file(hoso(raw_block("XML1", "\n" + xml1()))).replace("TRẦN".encode(), "TRÀN".encode("latin-1"))

    finding = refused(content, FindingCode.TABLE_NOT_WELLFORMED)

    assert (finding.hoso, finding.line) == (None, 2)
    assert finding.found.startswith("line 2: byte ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_fault_of_the_outer_file_is_named_with_its_line(encoding: str) -> None:
    content = claim_file(hoso(raw_block("XML1", "\n\n" + xml1().replace("TRẦN", "A & B"))), declaration="")

    finding = refused(content.decode().encode(encoding), FindingCode.TABLE_NOT_WELLFORMED)

    assert (finding.hoso, finding.table, finding.line) == (None, "", 3)
    assert finding.found == "line 3: not well-formed (invalid token)"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xef\xbb\xbf", b"hello", b"MA_LK;STT\n1;1", b"\x89PNG\xff"])
def test_file_without_any_mark_of_xml_is_no_table(content: bytes) -> None:
    assert refused(content, FindingCode.FILE_NOT_WELLFORMED).hoso is None


@pytest.mark.parametrize(
    "table",
    [
        ('<?xml version="1.0" encoding="utf-16"?>' + xml1()).encode(),
        ('<?xml version="1.0" encoding="utf-16"?>' + xml1()).encode("utf-16-le"),
        ('<?xml version="1.0" encoding="utf-8"?>' + xml1()).encode("utf-16-be"),
        xml1().encode("utf-16"),
        b"\xfe\xff" + xml1().encode("utf-16-be"),
        xml1().encode(),
    ],
    ids=["utf-8 called utf-16", "le without mark", "be without mark", "le with mark", "be with mark", "no declaration"],
)
def test_encoding_of_a_table_is_decided_by_its_bytes(table: bytes) -> None:
    assert only_visit(file_of_tables(one=table)).patient.name == "TRẦN THỊ THỬ"


@pytest.mark.parametrize(
    "table",
    [xml1().encode("utf-16-le") + b"\x00", xml1().encode("utf-8").replace("Ầ".encode(), b"\xe1\xba")],
    ids=["half a character", "cut utf-8"],
)
def test_bytes_that_are_no_text_are_damaged_and_never_replaced(table: bytes) -> None:
    finding = refused(file_of_tables(one=table), FindingCode.BASE64_DAMAGED)

    assert (finding.hoso, finding.table) == (1, "XML1")


def test_namespaces_on_the_envelope_and_on_tables_are_ignored() -> None:
    one = xml1().replace("<TONG_HOP>", f"<TONG_HOP{NAMESPACES}>")
    three = xml3().replace("<CHITIEU_CHITIET_DVKT_VTYT>", '<n:CHITIEU_CHITIET_DVKT_VTYT xmlns:n="urn:x">')
    three = three.replace("</CHITIEU_CHITIET_DVKT_VTYT>", "</n:CHITIEU_CHITIET_DVKT_VTYT>")
    inside = hoso(block("XML1", one), block("XML2", xml2()), block("XML3", three))

    assert len(only_visit(claim_file(inside, attributes=NAMESPACES)).items) == 2


def test_text_in_cdata_and_text_escaped_read_the_same() -> None:
    in_cdata = xml1().replace("TRẦN THỊ THỬ", "<![CDATA[Ông <A> & ]]>Bà")
    escaped = xml1(summary(HO_TEN="Ông <A> & Bà"))

    assert only_visit(file_of_tables(one=in_cdata)).patient.name == "Ông <A> & Bà"
    assert only_visit(file_of_tables(one=escaped)).patient.name == "Ông <A> & Bà"


def test_predefined_entities_and_character_references_are_allowed() -> None:
    table = xml1().replace("TRẦN THỊ THỬ", "&lt;&gt;&amp;&quot;&apos;&#7846;&#x1EA6;")

    assert only_visit(file_of_tables(one=table)).patient.name == "<>&\"'ẦẦ"


@pytest.mark.parametrize("name", ["A & B", "A < B", "A &nbsp; B"])
def test_unescaped_mark_in_a_name_is_refused_with_its_line(name: str) -> None:
    table = xml1().replace("<HO_TEN>", "\n\n<HO_TEN>").replace("TRẦN THỊ THỬ", name)

    finding = refused(file_of_tables(one=table), FindingCode.TABLE_NOT_WELLFORMED)

    assert (finding.table, finding.line) == ("XML1", 3)
    assert finding.found.startswith("line 3: ")
    assert finding.ma_lk == "LK-TEST-1"


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "&#11;", "&#0;"])
def test_character_not_allowed_in_xml_is_refused(character: str) -> None:
    table = xml2().replace("Thuốc thử", f"Thuốc{character}thử")

    assert refused(file_of_tables(two=table), FindingCode.TABLE_NOT_WELLFORMED).table == "XML2"


@pytest.mark.parametrize(
    "empty", ["<T_TRANTT></T_TRANTT>", "<T_TRANTT />", "<T_TRANTT/>", "<T_TRANTT>\n</T_TRANTT>", ""]
)
def test_empty_and_absent_elements_mean_no_value(empty: str) -> None:
    table = xml3().replace("<T_TRANTT></T_TRANTT>", empty)

    visit = only_visit(file_of_tables(three=table))

    assert [item.ceiling for item in visit.items] == [None, None]


def test_line_breaks_tabs_and_blanks_inside_base64_are_stripped() -> None:
    content = claim_file()
    for tag in (b"<NOIDUNGFILE>", b"</NOIDUNGFILE>"):
        content = content.replace(tag, b"\r\n\t " + tag + b"\r\n\t ")
    broken = content.replace(b"PFRP", b"PF\r\n \tRP")

    assert broken != content
    assert only_visit(broken).ma_lk == "LK-TEST-1"


@pytest.mark.parametrize("damage", ["*", "\u00a0", "=", "é", "-", "_"])
def test_base64_outside_the_strict_alphabet_or_padding_is_refused(damage: str) -> None:
    one, two, three = visit_blocks()
    damaged = three.replace("</NOIDUNGFILE>", f"{damage}</NOIDUNGFILE>")

    finding = refused(claim_file(hoso(one, two, damaged)), FindingCode.BASE64_DAMAGED)

    assert (finding.ma_lk, finding.table, finding.field) == ("LK-TEST-1", "XML3", "NOIDUNGFILE")


def test_base64_cut_off_is_refused() -> None:
    one, two, three = visit_blocks()

    refused(claim_file(hoso(one, two, three.replace("</NOIDUNGFILE>", "Q</NOIDUNGFILE>"))), FindingCode.BASE64_DAMAGED)


def test_one_damaged_hoso_does_not_stop_the_others() -> None:
    damaged = hoso(raw_block("XML1", "%%%"))
    content = claim_file(hoso(*visit_blocks("A")), damaged, hoso(*visit_blocks("C")))

    claim = read_claim_file(content)

    assert [(read.hoso, read.visit.ma_lk) for read in claim.visits] == [(1, "A"), (3, "C")]
    assert [(finding.code.value, finding.hoso) for finding in claim.findings] == [("base64-damaged", 2)]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_composed_and_confusable_letters_are_the_vietnamese_ones(form: Literal["NFC", "NFD"]) -> None:
    name, drug_name = (unicodedata.normalize(form, text) for text in ("ÐỖ VĂN ÐỨC", "Thuốc ðặt"))
    tables = xml1(summary(HO_TEN=name)), xml2(drug(TEN_THUOC=drug_name))

    visit = only_visit(file_of_tables(one=tables[0], two=tables[1]))

    assert visit.patient.name == "ĐỖ VĂN ĐỨC"
    assert [item.name for item in visit.items if item.code == "40.001"] == ["Thuốc đặt"]


@pytest.mark.parametrize("code_page", ["cp1252", "cp1258", "latin-1"])
def test_name_of_a_patient_in_another_encoding_is_listed(code_page: str) -> None:
    name = "NGUYỄN VĂN MẪU".encode().decode(code_page, "replace").replace("\x81", "").replace("\x90", "")

    _, (finding,) = listed(file_of_tables(one=xml1(summary(HO_TEN=name))), FindingCode.TEXT_GARBLED)

    assert (finding.table, finding.field) == ("XML1", "HO_TEN")
