"""Quote a file: read the visits of an XML 130 or `bhyt-case/1` file, price each, and list the findings.

Needs no database. A visit that cannot be read or priced is omitted and named by a finding; the others are priced.
"""

from collections.abc import Sequence
from dataclasses import replace

from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.pricing_authority import AS_SUBMITTED, price_for_collection
from billing.coverage.formats.worked_case_json import read_case_file, write_finding, write_priced_visit
from billing.coverage.service.quoting import PriceVisit, Quote, quote_visits
from billing.visits.domain.finding import Finding
from billing.visits.domain.visit import Visit
from billing.visits.formats.xml130 import read_claim_file, read_claim_set

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def quote_file(content: bytes, *, file: str, parameters: Parameters, policy: Policy) -> Quote:
    """Read and price one file; `file` is its name in findings. Never raises for the content.

    A file that begins with a brace is read as JSON, any other as XML. Policy options of a case file override `policy`.
    """
    if content.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
        case = read_case_file(content, file=file, policy=policy)
        read = [(element.hoso, element.visit) for element in case.visits]
        return quote_visits(
            read,
            case.findings,
            file=file,
            price_for_collection=_price_as_submitted(parameters, case.policy),
            is_one_person=True,
        )
    return quote_claim_file(content, file=file, parameters=parameters, policy=policy)


def quote_claim_file(content: bytes, *, file: str = "", parameters: Parameters, policy: Policy) -> Quote:
    """Read and price an XML 130 file. Never raises for the content."""
    claim = read_claim_file(content, file=file)
    read = [(element.hoso, element.visit) for element in claim.visits]
    return quote_visits(read, claim.findings, file=file, price_for_collection=_price_as_submitted(parameters, policy))


def quote_bare_tables(files: Sequence[tuple[str, bytes]], *, parameters: Parameters, policy: Policy) -> list[Quote]:
    """Read and price table files (name, content) without envelope as one set; one quote a file, in their order.

    A visit joined from several files is in the quote of the file with its XML1.
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
        quote_visits(
            read[place], findings[place], file=file, price_for_collection=_price_as_submitted(parameters, policy)
        )
        for place, (file, _) in enumerate(files)
    ]


def quote_json(quote: Quote) -> dict[str, object]:
    """The quote as an object with the keys `visits` (as `expected.visits` of a case) and `findings`."""
    return {
        "visits": [write_priced_visit(quoted.visit.ma_lk, quoted.priced) for quoted in quote.visits],
        "findings": [write_finding(finding) for finding in quote.findings],
    }


def _price_as_submitted(parameters: Parameters, policy: Policy) -> PriceVisit:
    return lambda _hoso, visit: price_for_collection(visit, AS_SUBMITTED, parameters=parameters, policy=policy)
