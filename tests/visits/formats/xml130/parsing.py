"""Short forms of the queries of tests about a parsed claim file."""

from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import ChargeItem, Visit
from billing.visits.formats.xml130 import ClaimFile, read_claim_file


def codes(claim: ClaimFile) -> list[str]:
    return [finding.code.value for finding in claim.findings]


def only_visit(content: bytes) -> Visit:
    """The one visit of a file about which nothing is odd."""
    claim = read_claim_file(content, file="thử.xml")
    assert codes(claim) == []
    (read,) = claim.visits
    return read.visit


def listed(content: bytes, *expected: FindingCode) -> tuple[Visit, tuple[Finding, ...]]:
    """The one visit of a file with exactly these findings, none of which refuses."""
    claim = read_claim_file(content, file="thử.xml")
    assert codes(claim) == [code.value for code in expected]
    assert not any(finding.refuses for finding in claim.findings)
    (read,) = claim.visits
    return read.visit, claim.findings


def refused(content: bytes, code: FindingCode) -> Finding:
    """The finding of this code in a file of which no visit is read; it refuses and it comes once."""
    claim = read_claim_file(content, file="thử.xml")
    assert claim.visits == ()
    (finding,) = (finding for finding in claim.findings if finding.code is code)
    assert finding.refuses
    return finding


def only_item(content: bytes) -> ChargeItem:
    (item,) = only_visit(content).items
    return item
