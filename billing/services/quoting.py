"""Quote a file: read the visits of an XML 130 or `bhyt-case/1` file, price each, and list what was found.

Needs no database. A visit that cannot be read or priced is left out and named by a finding; the others go on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from billing.domain.copay_history import CopayPaid
from billing.domain.coverage.compare import compare_with_stated, not_told_yet
from billing.domain.coverage.figures import Figures
from billing.domain.coverage.policy import Policy
from billing.domain.coverage.price import price
from billing.domain.coverage.priced import PricedVisit
from billing.domain.coverage.refusals import refusal_as_finding
from billing.domain.errors import InvalidValue, NotSupported
from billing.domain.finding import Finding, FindingCode
from billing.domain.visit import Visit
from billing.interop.bhyt_case import read_case_file, write_finding, write_priced_visit
from billing.interop.visit_json import read_visit
from billing.interop.xml130 import read_claim_file, read_claim_set

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class QuotedVisit:
    """One visit of a file with its price; `hoso` is its place in the file, counted from 1."""

    hoso: int
    visit: Visit
    priced: PricedVisit


@dataclass(frozen=True, slots=True)
class Quote:
    """What one file gave: priced visits in the order of the file, and everything found on the way.

    `read_count` counts the visits that were read, priced or not: one that lacks a fact is among them.
    """

    visits: tuple[QuotedVisit, ...]
    findings: tuple[Finding, ...]
    read_count: int = 0


def quote_file(content: bytes, *, file: str, figures: Figures, policy: Policy) -> Quote:
    """Read and price one file; `file` is the name findings show. Never raises for what the bytes hold.

    A file that opens with a brace is taken as JSON, any other as XML; readings a case file names go before `policy`.
    """
    if content.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
        case = read_case_file(content, file=file, policy=policy)
        read = [(element.hoso, element.visit) for element in case.visits]
        return _quote(read, case.findings, file=file, figures=figures, policy=case.policy, is_one_person=True)
    return quote_claim_file(content, file=file, figures=figures, policy=policy)


def quote_claim_file(content: bytes, *, file: str = "", figures: Figures, policy: Policy) -> Quote:
    """Read and price an XML 130 file. Never raises for what the bytes hold."""
    claim = read_claim_file(content, file=file)
    read = [(element.hoso, element.visit) for element in claim.visits]
    return _quote(read, claim.findings, file=file, figures=figures, policy=policy)


def quote_visit(document: Mapping[str, object], *, figures: Figures, policy: Policy) -> Quote:
    """Read and price one visit told as JSON. Raises InvalidValue where it cannot be read."""
    return _quote([(1, read_visit(document))], (), file="", figures=figures, policy=policy)


def quote_bare_tables(files: Sequence[tuple[str, bytes]], *, figures: Figures, policy: Policy) -> list[Quote]:
    """Read and price table files (name, content) without envelope as one set; one quote a file, in their order.

    A visit joined from several files stands in the quote of its XML1.
    """
    claim = read_claim_set((str(place), content) for place, (_, content) in enumerate(files))
    read: list[list[tuple[int, Visit]]] = [[] for _ in files]
    findings: list[list[Finding]] = [[] for _ in files]
    for element in claim.visits:
        read[int(element.file)].append((element.hoso, element.visit))
    for finding in claim.findings:
        place = int(finding.file)
        findings[place].append(replace(finding, file=files[place][0]))
    return [
        _quote(read[place], findings[place], file=file, figures=figures, policy=policy)
        for place, (file, _) in enumerate(files)
    ]


def quote_json(quote: Quote) -> dict[str, object]:
    """The quote as an object with the keys `visits` (as `expected.visits` of a case) and `findings`."""
    return {
        "visits": [write_priced_visit(quoted.visit.ma_lk, quoted.priced) for quoted in quote.visits],
        "findings": [write_finding(finding) for finding in quote.findings],
    }


def _quote(
    read: Sequence[tuple[int, Visit]],
    read_findings: Iterable[Finding],
    *,
    file: str,
    figures: Figures,
    policy: Policy,
    is_one_person: bool = False,
) -> Quote:
    """Price the visits in order; where they are one person's, each begins with the co-payments of those before it."""
    findings = list(read_findings)
    unbuilt = sum(finding.code is FindingCode.NOT_SUPPORTED for finding in findings)
    told = tuple(findings)
    quoted: list[QuotedVisit] = []
    paid: tuple[CopayPaid, ...] = ()
    for hoso, told_visit in read:
        visit = told_visit
        if paid and visit.copay_history is not None:
            visit = replace(visit, copay_history=visit.copay_history.with_paid(paid))
        try:
            priced = price(visit, figures=figures, policy=policy)
        except (NotSupported, InvalidValue) as refusal:
            findings.append(refusal_as_finding(refusal, file=file, hoso=hoso, ma_lk=visit.ma_lk))
            continue
        if is_one_person:
            paid = (*paid, *priced.copay_paid)
        quoted.append(QuotedVisit(hoso, visit, priced))
        differences = compare_with_stated(priced, file=file, hoso=hoso, ma_lk=visit.ma_lk)
        findings.extend(not_told_yet(differences, told))
    return Quote(tuple(quoted), tuple(findings), len(read) + unbuilt)
