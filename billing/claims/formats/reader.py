"""Read visits as claims from a claim file, a `bhyt-case/1` file or a JSON visit, with facts and missing fields."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from billing.claims.domain.check import by_severity, check_claim
from billing.claims.domain.claim import Claim, ClaimCheck, ClaimContext, ClaimFinding
from billing.claims.domain.route_checks import category_facts
from billing.claims.formats.xml130_claim_fields import check_fields
from billing.core.clock import business_date
from billing.coverage.domain.consultations import CONSULTATION_GROUP
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.what_if import ComparedVisit, compare_routes
from billing.coverage.formats.visit_input import read_visit
from billing.coverage.formats.worked_case_json import read_case_file
from billing.visits.domain.facts import LineFacts, LineKey, VisitFacts
from billing.visits.domain.finding import Finding
from billing.visits.domain.visit import Scope, Visit
from billing.visits.formats.visit_document import write_patient, write_visit
from billing.visits.formats.visit_facts_json import SuppliedFacts
from billing.visits.formats.visit_json import read_facts_of_lines
from billing.visits.formats.visit_value_formats import find_value_warnings
from billing.visits.formats.xml130.claim_facts import read_birth_day, read_facts
from billing.visits.formats.xml130.reader import read_claim_file
from billing.visits.formats.xml130.table_names import XML1
from billing.visits.formats.xml130.tables import Row

_INSURANCE_DIGITS = 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """One visit as a claim; `supplied` are the findings of its reader, `missing` those of missing fields."""

    claim: Claim
    supplied: tuple[Finding, ...]
    missing: tuple[ClaimFinding, ...]

    def check(self, claim_context: ClaimContext) -> ClaimCheck:
        """Check the visit: all rules, and missing fields."""
        visit = self.claim.visit
        findings = by_severity((*check_claim(self.claim, claim_context, self.supplied), *self.missing))
        return ClaimCheck(self.claim.hoso, visit.ma_lk, visit.discharged_at is None, findings)

    def compare(self, claim_context: ClaimContext) -> ComparedVisit:
        """Price the visit by each lawful route."""
        routes = compare_routes(category_facts(self.claim, claim_context), policy=claim_context.policy)
        return ComparedVisit(self.claim.hoso, self.claim.visit.ma_lk, routes)


@dataclass(frozen=True, slots=True)
class ReadClaims:
    """The claims of one file. `findings` are those of visits that could not be read, and of the file."""

    claims: tuple[ReadClaim, ...]
    findings: tuple[Finding, ...]
    policy: Policy


def read_claims(content: bytes, *, file: str, supplied: SuppliedFacts, policy: Policy) -> ReadClaims:
    """Read a file: JSON where it begins with a brace, else a claim file. Never raises for the content of the file.

    Raises InvalidValue for invalid supplied facts of a visit.
    """
    if content.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
        case = read_case_file(content, file=file, policy=policy)
        claims = tuple(
            _claim_of_document(one.visit, supplied, one.findings, file=file, hoso=one.hoso) for one in case.visits
        )
        read_places = {one.hoso for one in case.visits}
        claims = with_returns(claims)
        return ReadClaims(claims, tuple(one for one in case.findings if one.hoso not in read_places), case.policy)
    read = read_claim_file(content, file=file)
    claims = tuple(
        _claim(
            Claim(
                visit=one.visit,
                facts=supplied.of_visit(one.visit.ma_lk, read_facts(one.rows)),
                file=file,
                hoso=one.hoso,
            ),
            one.rows,
            tuple(finding for finding in read.findings if finding.hoso == one.hoso),
        )
        for one in read.visits
    )
    claims = with_returns(claims)
    known = {one.claim.hoso for one in claims}
    return ReadClaims(claims, tuple(finding for finding in read.findings if finding.hoso not in known), policy)


def read_claim_document(document: Mapping[str, object], *, supplied: SuppliedFacts) -> ReadClaim:
    """One visit supplied as JSON. Raises InvalidValue where it cannot be read."""
    visit = read_visit(document)
    warnings = find_value_warnings(document)
    return _claim_of_document(visit, supplied, warnings, file="", hoso=1, lines=read_facts_of_lines(document, visit))


def with_returns(claims: Sequence[ReadClaim]) -> tuple[ReadClaim, ...]:
    """The claims of one file, each return on the same day with the MA_LK of the previous visit (D-010).

    Visits of one person at one facility on one day of arrival, under different MA_LK, each with a consultation that is
    claimed. A supplied fact of a visit overrides.
    """
    before: dict[tuple[str, str, date], str] = {}
    found: dict[int, str] = {}
    order = sorted(range(len(claims)), key=lambda place: (claims[place].claim.visit.admitted_at, place))
    for place in order:
        visit = claims[place].claim.visit
        if not any(item.group == CONSULTATION_GROUP and item.scope is not Scope.PATIENT for item in visit.items):
            continue
        keys = [(person, visit.facility_code, business_date(visit.admitted_at)) for person in _persons(visit)]
        earlier = next((before[key] for key in keys if before.get(key, visit.ma_lk) != visit.ma_lk), "")
        if earlier:
            found[place] = earlier
        for key in keys:
            before.setdefault(key, visit.ma_lk)
    return tuple(
        one if place not in found or one.claim.facts.same_day_return_of else _as_return(one, found[place])
        for place, one in enumerate(claims)
    )


def _as_return(one: ReadClaim, earlier: str) -> ReadClaim:
    facts = replace(one.claim.facts, same_day_return_of=earlier)
    return replace(one, claim=replace(one.claim, facts=facts))


def _persons(visit: Visit) -> Iterator[str]:
    """Identifiers of the person of a visit: insurance, citizen and hospital number; zeros identify nobody."""
    numbers = [("card", card.code[-_INSURANCE_DIGITS:]) for card in visit.cards if card.is_full]
    numbers += [("citizen", visit.patient.citizen_number), ("hospital", visit.patient.hospital_number)]
    yield from (f"{kind} {number}" for kind, number in numbers if number.strip("0 -"))


def _claim(
    claim: Claim, rows: tuple[Row, ...], supplied: tuple[Finding, ...], *, has_amounts: bool = True
) -> ReadClaim:
    return ReadClaim(claim, supplied, tuple(check_fields(claim, rows, has_amounts=has_amounts)))


def _claim_of_document(
    visit: Visit,
    supplied: SuppliedFacts,
    findings: tuple[Finding, ...],
    *,
    file: str,
    hoso: int,
    lines: Mapping[LineKey, LineFacts] | None = None,
) -> ReadClaim:
    known = VisitFacts(birth=read_birth_day(visit.patient.birth), lines=lines or {})
    facts = supplied.of_visit(visit.ma_lk, known)
    claim = Claim(visit=visit, facts=facts, file=file, hoso=hoso)
    return _claim(claim, _rows(visit, supplied), findings, has_amounts=False)


def _rows(visit: Visit, supplied: SuppliedFacts) -> tuple[Row, ...]:
    """A JSON visit as rows of the standard: the fields of its document and of the supplied facts."""
    document = write_visit(visit)
    notes = supplied.visits.get(visit.ma_lk)
    lines = document.pop("lines")
    document.pop("cards")
    assert isinstance(lines, list)
    summary = {
        **document,
        **write_patient(visit.patient),
        **({} if notes is None else {key: value for key, value in notes.values.items() if key != "lines"}),
        "MA_THE_BHYT": ";".join(card.code for card in visit.cards),
        "GT_THE_TU": ";".join(f"{card.valid_from:%Y%m%d}" for card in visit.cards),
        "GT_THE_DEN": ";".join(f"{card.valid_to:%Y%m%d}" for card in visit.cards if card.valid_to is not None),
    }
    return (_row(XML1, summary), *(_row(str(line["table"]), _named(line)) for line in lines))


def _named(line: Mapping[str, object]) -> dict[str, object]:
    """A line with the field names of the standard: our JSON has other names for number and name."""
    name = line.get("name", "")
    return {**line, "STT": line["stt"], "TEN_THUOC": name, "TEN_DICH_VU": name}


def _row(table: str, fields: Mapping[str, object]) -> Row:
    return Row(table, 0, {name: str(value) for name, value in fields.items() if value is not None})
