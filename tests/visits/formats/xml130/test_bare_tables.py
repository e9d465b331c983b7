"""Tables that come as files of their own, without an envelope, and are joined by visit."""

import pytest

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130 import is_bare_table, read_claim_file, read_claim_set
from tests.visits.formats.xml130.claim_files import (
    claim_file,
    drug,
    hoso,
    service,
    summary,
    visit_blocks,
    without_totals,
    xml1,
    xml2,
    xml3,
)
from tests.visits.formats.xml130.parsing import codes, listed, refused


def test_bare_table_files_are_joined_by_visit_key() -> None:
    lines = xml2(drug(MA_LK="A"), drug(MA_LK="B"))
    files = [
        ("b1.xml", xml1(summary(MA_LK="B")).encode()),
        ("b2.xml", lines.encode()),
        ("b3.xml", xml3(service(MA_LK="B"), service(MA_LK="A")).encode()),
        ("a1.xml", xml1(summary(MA_LK="A")).encode()),
    ]

    claim = read_claim_set(files)

    assert [(read.visit.ma_lk, len(read.visit.items)) for read in claim.visits] == [("B", 2), ("A", 2)]
    assert set(codes(claim)) == {"envelope-absent"}


def test_bare_lines_without_their_summary_are_refused() -> None:
    finding = refused(xml2().encode(), FindingCode.XML1_MISSING)

    assert finding.ma_lk == "LK-TEST-1"


def test_each_file_of_bare_lines_without_their_summary_is_reported() -> None:
    claim = read_claim_set([("2.xml", xml2().encode()), ("3.xml", xml3().encode())])

    missing = [finding for finding in claim.findings if finding.code is FindingCode.XML1_MISSING]
    assert [(finding.file, finding.hoso) for finding in missing] == [("2.xml", 1), ("3.xml", 1)]


def test_visit_of_bare_tables_stands_in_the_file_of_its_summary() -> None:
    claim = read_claim_set(
        [
            ("3.xml", xml3(service(MA_LK="A"), service(MA_LK="B")).encode()),
            ("a.xml", xml1(without_totals(MA_LK="A")).encode()),
            ("b.xml", xml1(without_totals(MA_LK="B")).encode()),
        ]
    )

    assert [(read.file, read.hoso, read.visit.ma_lk) for read in claim.visits] == [("a.xml", 1, "A"), ("b.xml", 1, "B")]


def test_bare_summary_of_costs_without_any_line_is_refused() -> None:
    claim = read_claim_file(xml1().encode())

    assert claim.visits == ()
    totals = {finding.field: finding for finding in claim.findings if finding.code is FindingCode.TOTALS_DIFFER}
    assert (totals["T_TONGCHI_BV"].found, totals["T_TONGCHI_BV"].expected) == ("53600", "0.00")
    (refusing,) = (finding for finding in claim.findings if finding.refuses)
    assert (refusing.code, refusing.table, refusing.hoso) == (FindingCode.VALUE_INVALID, "XML1", 1)
    assert refusing.found == "no XML2 or XML3 belongs to it"


@pytest.mark.parametrize("total", ["0", "", "0.00"])
def test_bare_summary_without_costs_is_a_visit_without_lines(total: str) -> None:
    content = xml1({**without_totals(), "T_TONGCHI_BV": total}).encode()

    visit, _ = listed(content, FindingCode.ENVELOPE_ABSENT)

    assert visit.items == ()


def test_summary_in_an_envelope_is_read_without_lines() -> None:
    claim = read_claim_file(claim_file(hoso(visit_blocks()[0])))

    assert [read.visit.items for read in claim.visits] == [()]
    assert set(codes(claim)) == {"totals-differ"}


def test_damaged_file_in_a_set_of_bare_tables_refuses_what_it_might_belong_to() -> None:
    claim = read_claim_set(
        [("1.xml", xml1().encode()), ("2.xml", xml2(roots=("CHITIEU_CHITIET_THUOC",)).encode()[:-9])]
    )

    assert claim.visits == ()
    assert "table-not-wellformed" in codes(claim)
    (left_out,) = (finding for finding in claim.findings if finding.code is FindingCode.FILE_UNREADABLE)
    assert (left_out.file, left_out.hoso, left_out.refuses) == ("1.xml", None, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bare_table_is_known_by_its_root(encoding: str) -> None:
    for table in (xml1(), xml2(), xml3(), "<!-- a --><n:TONG_HOP xmlns:n='u'>", "<?xml version='1.0'?>" + xml2()[:-9]):
        assert is_bare_table(table.encode(encoding))
    for other in (claim_file(declaration="").decode(), "<HS>", "<!DOCTYPE TONG_HOP><TONG_HOP/>", "TONG_HOP", "{}", ""):
        assert not is_bare_table(other.encode(encoding))
    assert is_bare_table(b"<TONG_HOP>\xff")
