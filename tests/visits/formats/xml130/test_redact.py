"""A claim file with visits cut out: the kept ones read as before, nothing of the others is left, in every envelope."""

import pytest

from billing.visits.formats.xml130.reader import read_claim_file
from billing.visits.formats.xml130.redact import keep_visits
from tests.visits.formats.xml130.claim_files import claim_file, hoso, visit_blocks

HOSOS = [hoso(*visit_blocks(f"LK-{number}")) for number in range(3)]
PLAIN = claim_file(*HOSOS)
SIGNED = claim_file(*HOSOS, signature="<CHUKYDONVI><Object><HOSO/></Object></CHUKYDONVI>")
FILES = {
    "plain": PLAIN,
    "spaced": PLAIN.replace(b"</HOSO>", b"</HOSO >").replace(b"<HOSO>", b'<HOSO a="&gt;>">'),
    "signed": SIGNED,
    "commented": PLAIN.replace(b"<DANHSACHHOSO>", b"<DANHSACHHOSO><!-- <HOSO> Vi\xe1\xbb\x87n -->"),
    "utf-16": PLAIN.decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "other visit unreadable": claim_file(hoso("<FILEHOSO/>"), *HOSOS),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
@pytest.mark.parametrize("kept", [{"LK-0"}, {"LK-1"}, {"LK-2", "LK-0"}, {"LK-0", "LK-1", "LK-2"}])
def test_kept_visits_read_as_before_and_the_others_are_gone(content: bytes, kept: set[str]) -> None:
    before = {read.visit.ma_lk: (read.visit, read.rows) for read in read_claim_file(content).visits}

    left = keep_visits(content, kept)

    assert left is not None
    after = {read.visit.ma_lk: (read.visit, read.rows) for read in read_claim_file(left).visits}
    assert after == {ma_lk: before[ma_lk] for ma_lk in kept}
    for number in {"LK-0", "LK-1", "LK-2"} - kept:
        for packed in visit_blocks(number):
            assert packed.encode() not in left


def test_file_that_cannot_be_cut_is_not_touched() -> None:
    assert keep_visits(PLAIN, {"LK-9"}) is None
    assert keep_visits(b"no file", {"LK-0"}) is None
