"""Quote a file: read the visits of an XML 130 or `bhyt-case/1` file, price each, and list what was found.

Needs no database. A visit that cannot be read or priced is left out and named by a finding; the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from billing.domain.coverage.compare import compare_with_stated
from billing.domain.coverage.figures import Figures
from billing.domain.coverage.policy import Policy
from billing.domain.coverage.price import price
from billing.domain.coverage.priced import PricedVisit
from billing.domain.coverage.refusals import refusal_as_finding
from billing.domain.errors import InvalidValue, NotSupported
from billing.domain.finding import Finding, FindingCode
from billing.domain.visit import Visit
from billing.interop.bhyt_case import read_case_file, write_finding, write_priced_visit
from billing.interop.xml130 import read_claim_file

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class QuotedVisit:
    """One visit of a file with its price; `hoso` is its place in the file, counted from 1."""

    hoso: int
    visit: Visit
    priced: PricedVisit


@dataclass(frozen=True, slots=True)
class Quote:
    """What one file gave: priced visits in the order of the file, and everything found on the way."""

    visits: tuple[QuotedVisit, ...]
    findings: tuple[Finding, ...]


def quote_file(content: bytes, *, file: str, figures: Figures, policy: Policy) -> Quote:
    """Read and price one file; `file` is the name findings show. Never raises for what the bytes hold.

    A file that opens with a brace is taken as JSON, any other as XML; readings a case file names go before `policy`.
    """
    if content.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
        case = read_case_file(content, file=file, policy=policy)
        read = [(element.hoso, element.visit) for element in case.visits]
        return _quote(read, case.findings, file=file, figures=figures, policy=case.policy)
    claim = read_claim_file(content, file=file)
    read = [(element.hoso, element.visit) for element in claim.visits]
    return _quote(read, claim.findings, file=file, figures=figures, policy=policy)


def quote_json(quote: Quote) -> dict[str, object]:
    """The quote as an object with the keys `visits` (as `expected.visits` of a case) and `findings`."""
    return {
        "visits": [write_priced_visit(quoted.visit.ma_lk, quoted.priced) for quoted in quote.visits],
        "findings": [write_finding(finding) for finding in quote.findings],
    }


def _quote(
    read: Iterable[tuple[int, Visit]],
    read_findings: Iterable[Finding],
    *,
    file: str,
    figures: Figures,
    policy: Policy,
) -> Quote:
    findings = list(read_findings)
    named = {(_place(finding), finding.code) for finding in findings}
    rounded = {_place(finding) for finding in findings if finding.code is FindingCode.LEVEL_ROUNDED}
    quoted: list[QuotedVisit] = []
    for hoso, visit in read:
        try:
            priced = price(visit, figures=figures, policy=policy)
        except (NotSupported, InvalidValue) as refusal:
            findings.append(refusal_as_finding(refusal, file=file, hoso=hoso, ma_lk=visit.ma_lk))
            continue
        quoted.append(QuotedVisit(hoso, visit, priced))
        differences = compare_with_stated(priced, file=file, hoso=hoso, ma_lk=visit.ma_lk)
        findings.extend(
            finding
            for finding in differences
            if (_place(finding), finding.code) not in named and _place(finding) not in rounded
        )
    return Quote(tuple(quoted), tuple(findings))


def _place(finding: Finding) -> tuple[int | None, str, int | None, str]:
    """Where a finding stands. The reader's own comparison of a level is not told again in other words."""
    return finding.hoso, finding.table, finding.stt, finding.field
