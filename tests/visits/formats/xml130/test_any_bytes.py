"""Any bytes: the parser returns visits, or a finding that states why there are none."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.visits.formats.xml130 import ClaimFile, read_claim_file
from tests.visits.formats.xml130.claim_files import (
    DRUG,
    SERVICE,
    SUMMARY,
    block,
    claim_file,
    drug,
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

BOUNDED = settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
VALID = claim_file(hoso(*visit_blocks("A"), block("XML4", xml4("A"))), hoso(*visit_blocks("B")))
AS_ELEMENTS = claim_file(hoso(raw_block("XML1", xml1()), raw_block("XML2", xml2()), raw_block("XML3", xml3())))
VALUES = st.one_of(
    st.none(),
    st.sampled_from(["", "0", "-1", "1,234", "1.234.567,8", "1e9", "NaN", "20261102", "08042026", ";", "9" * 60, "2"]),
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=20),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
)


def assert_is_an_answer(claim: ClaimFile) -> None:
    assert claim.visits or any(finding.refuses for finding in claim.findings)
    for read in claim.visits:
        keys = [(item.number, item.table) for item in read.visit.items]
        assert keys == sorted(set(keys))


@given(content=st.binary(max_size=2000))
@BOUNDED
def test_any_bytes_give_an_answer(content: bytes) -> None:
    assert_is_an_answer(read_claim_file(content))


@given(text=st.text(alphabet="<>/&;!-[]?HOSXMLA1 \n\"'", max_size=300))
@BOUNDED
def test_anything_like_xml_gives_an_answer(text: str) -> None:
    assert_is_an_answer(read_claim_file(text.encode()))
    assert_is_an_answer(read_claim_file(claim_file(hoso(block("XML1", text), block("XML2", text)))))


@given(
    start=st.integers(0, len(VALID)),
    removed=st.integers(0, 40),
    inserted=st.binary(max_size=12),
    as_elements=st.booleans(),
)
@BOUNDED
def test_mutated_file_gives_an_answer(start: int, removed: int, inserted: bytes, as_elements: bool) -> None:
    whole = AS_ELEMENTS if as_elements else VALID
    start %= len(whole)

    assert_is_an_answer(read_claim_file(whole[:start] + inserted + whole[start + removed :]))


@given(
    of_summary=st.dictionaries(st.sampled_from(sorted(SUMMARY)), VALUES, max_size=4),
    of_drug=st.dictionaries(st.sampled_from(sorted(DRUG)), VALUES, max_size=6),
    of_service=st.dictionaries(st.sampled_from(sorted(SERVICE)), VALUES, max_size=6),
)
@BOUNDED
def test_any_values_in_the_fields_give_an_answer(
    of_summary: dict[str, str | None], of_drug: dict[str, str | None], of_service: dict[str, str | None]
) -> None:
    tables = xml1(summary(**of_summary)), xml2(drug(**of_drug)), xml3(service(**of_service))

    content = claim_file(hoso(*(block(f"XML{number}", table) for number, table in enumerate(tables, start=1))))

    assert_is_an_answer(read_claim_file(content))
