"""Files made to hurt: entity bombs, deep nesting, size. Refused by name, at once, and only what they stand in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130 import Limits, read_claim_file
from tests.visits.formats.xml130.claim_files import (
    block,
    claim_file,
    file_of_tables,
    hoso,
    packed,
    raw_block,
    service,
    visit_blocks,
    xml1,
    xml3,
)
from tests.visits.formats.xml130.parsing import codes, refused

BOMB = (
    '<!DOCTYPE bomb [<!ENTITY a0 "xxxxxxxxxx">'
    + "".join(f'<!ENTITY a{level} "{f"&a{level - 1};" * 20}">' for level in range(1, 30))
    + "]>"
)
QUADRATIC = f'<!DOCTYPE bomb [<!ENTITY a "{"x" * 50_000}">]>'
EXTERNAL = '<!DOCTYPE TONG_HOP SYSTEM "file:///etc/passwd">'
PARAMETER = '<!DOCTYPE TONG_HOP [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>'
DOCTYPES = [BOMB, QUADRATIC, EXTERNAL, PARAMETER, "<!DOCTYPE TONG_HOP>"]
NAMES = ["nested entities", "one long entity", "external", "parameter entity", "empty"]


@contextmanager
def taking_under(seconds: float) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < seconds


@pytest.mark.parametrize("doctype", DOCTYPES, ids=NAMES)
def test_dtd_in_the_outer_file_refuses_the_whole_file(doctype: str) -> None:
    with taking_under(1):
        finding = refused(claim_file(declaration=doctype).replace(b"20261122", b"&a29;"), FindingCode.DTD_FORBIDDEN)

    assert (finding.hoso, finding.table) == (None, "")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_dtd_in_another_encoding_is_seen_too(encoding: str) -> None:
    refused(claim_file(declaration=BOMB).decode().encode(encoding), FindingCode.DTD_FORBIDDEN)


@pytest.mark.parametrize("doctype", DOCTYPES, ids=NAMES)
@pytest.mark.parametrize("tag", ["XML1", "XML3", "XML7"])
def test_dtd_in_a_table_refuses_only_its_visit(doctype: str, tag: str) -> None:
    bomb = block(tag, doctype + xml1().replace("TRẦN", "&a29;"))
    content = claim_file(hoso(*visit_blocks("A")), hoso(bomb), hoso(*visit_blocks("C")))

    with taking_under(1):
        claim = read_claim_file(content)

    assert [read.visit.ma_lk for read in claim.visits] == ["A", "C"]
    assert [(finding.code.value, finding.hoso, finding.table) for finding in claim.findings] == [
        ("dtd-forbidden", 2, tag)
    ]


def test_bomb_packed_twice_is_only_damaged_text() -> None:
    refused(file_of_tables(three=packed(BOMB + xml3())), FindingCode.TABLE_NOT_WELLFORMED)


def test_undefined_entity_is_not_expanded() -> None:
    refused(file_of_tables(one=xml1().replace("TRẦN", "&lol;")), FindingCode.TABLE_NOT_WELLFORMED)


@pytest.mark.parametrize("place", ["outside", "as elements", "in base64"])
def test_deep_nesting_is_refused(place: str) -> None:
    deep = "<a>" * 100_000 + "</a>" * 100_000
    content = {
        "outside": deep.encode(),
        "as elements": claim_file(hoso(raw_block("XML1", deep))),
        "in base64": claim_file(hoso(block("XML1", deep))),
    }[place]

    with taking_under(2):
        finding = refused(content, FindingCode.FILE_TOO_LARGE)

    assert finding.hoso == (1 if place == "in base64" else None)


def test_unclosed_nesting_is_refused() -> None:
    with taking_under(2):
        refused(b"<a>" * 1_000_000, FindingCode.FILE_TOO_LARGE)


def test_file_over_its_size_limit_is_refused_unread() -> None:
    claim = read_claim_file(claim_file(), limits=Limits(file_bytes=100))

    assert (claim.visits, codes(claim)) == ((), ["file-too-large"])


@pytest.mark.parametrize(("elements", "is_read"), [(30, False), (2000, True)])
def test_more_elements_than_allowed_are_refused(elements: int, is_read: bool) -> None:
    claim = read_claim_file(claim_file(), limits=Limits(elements=elements))

    assert bool(claim.visits) == is_read
    assert set(codes(claim)) == (set() if is_read else {"file-too-large"})


def test_many_attributes_and_a_long_name_cost_little() -> None:
    attributes = " ".join(f'a{number}="x"' for number in range(20_000))
    with taking_under(2):
        claim = read_claim_file(f"<HOSO {attributes}><{'n' * 100_000}/></HOSO>".encode())

    assert claim.visits == ()


def test_thousands_of_doubtful_numbers_are_decided_in_bounded_time() -> None:
    money = ("DON_GIA_BV", "DON_GIA_BH", "THANH_TIEN_BV", "THANH_TIEN_BH", "T_BHTT", "T_TRANTT")
    doubtful = dict.fromkeys(("SO_LUONG", *money), "1,500")
    lines = [service(STT=str(number), **doubtful) for number in range(1, 1001)]

    with taking_under(10):
        claim = read_claim_file(file_of_tables(three=xml3(*lines)))

    assert claim.visits == ()


def test_long_stay_of_thousands_of_lines_is_read_in_bounded_time() -> None:
    lines = [service(STT=str(number)) for number in range(1, 3001)]

    with taking_under(10):
        claim = read_claim_file(file_of_tables(three=xml3(*lines)))

    assert len(claim.visits[0].visit.items) == 3001
    assert set(codes(claim)) == {"totals-differ"}
