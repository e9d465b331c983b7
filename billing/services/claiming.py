"""Is a visit ready to be claimed, and what would it cost by another route: findings and prices, nothing is kept.

Needs no database where the facts of the facility are told with the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from billing.domain.claim import ClaimFinding, Severity, Surroundings
from billing.domain.coverage.annexes import NO_ANNEXES, Annexes
from billing.domain.coverage.claim_check import check_claim, in_order, taken_over
from billing.domain.coverage.explain import Language, explain
from billing.domain.coverage.facts import FacilityFacts
from billing.domain.coverage.figures import Figures
from billing.domain.coverage.policy import Policy
from billing.interop.bhyt_case import write_finding
from billing.interop.claim_reading import ReadClaim, read_claim_document, read_claims
from billing.interop.visit_facts_json import ToldFacts

UNKNOWN_FACILITY = FacilityFacts()


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """What was found of one visit; `hoso` is its place in the file, None for what concerns the whole file."""

    hoso: int | None
    ma_lk: str
    is_open: bool
    findings: tuple[ClaimFinding, ...]

    @property
    def is_ready(self) -> bool:
        """Whether nothing stands against claiming it: the visit has ended and no finding is an error."""
        return not self.is_open and all(one.severity is not Severity.ERROR for one in self.findings)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The checks of one file, visit by visit, and what was found outside of the visits that could be read."""

    checks: tuple[ClaimCheck, ...]
    findings: tuple[ClaimFinding, ...]

    def count(self, severity: Severity) -> int:
        everything = [*self.findings, *(finding for check in self.checks for finding in check.findings)]
        return sum(finding.severity is severity for finding in everything)


def surroundings_of(
    *, told: ToldFacts, annexes: Annexes = NO_ANNEXES, figures: Figures, policy: Policy, today: date
) -> Surroundings:
    """What claims are checked with where everything is told with the file."""
    return Surroundings(
        facility=told.facility or UNKNOWN_FACILITY,
        annexes=annexes,
        lists=told.lists,
        figures=figures,
        policy=policy,
        today=today,
    )


def check_file(content: bytes, *, file: str, told: ToldFacts, around: Surroundings) -> FileCheck:
    """Check every visit of a claim file or `bhyt-case/1` file. Never raises for what the bytes of the file hold.

    Readings a case file names go before those of `around`.
    """
    read = read_claims(content, file=file, told=told, policy=around.policy)
    own = replace(around, policy=read.policy)
    return FileCheck(
        tuple(check_read_claim(one, own) for one in read.claims),
        in_order(taken_over(finding) for finding in read.findings),
    )


def check_document(document: Mapping[str, object], *, told: ToldFacts, around: Surroundings) -> FileCheck:
    """Check one visit told as JSON. Raises InvalidValue where it cannot be read."""
    return FileCheck((check_read_claim(read_claim_document(document, told=told), around),), ())


def check_read_claim(read: ReadClaim, around: Surroundings) -> ClaimCheck:
    """Check one visit that was read: all rules, and the fields it lacks."""
    visit = read.claim.visit
    findings = in_order((*check_claim(read.claim, around, read.told), *read.missing))
    return ClaimCheck(read.claim.hoso, visit.ma_lk, visit.discharged_at is None, findings)


def check_json(checked: FileCheck, language: Language) -> dict[str, object]:
    """The checks of a file as an object: each visit with `is_ready` and its findings, then the other findings."""
    return {
        "visits": [
            {
                "hoso": check.hoso,
                "MA_LK": check.ma_lk,
                "is_open": check.is_open,
                "is_ready": check.is_ready,
                "findings": [finding_json(one, language) for one in check.findings],
            }
            for check in checked.checks
        ],
        "findings": [finding_json(one, language) for one in checked.findings],
    }


def finding_json(one: ClaimFinding, language: Language) -> dict[str, object]:
    """A finding with its gravity, the rule and the sentence in one language."""
    told = explain(one.reason, language)
    return {
        **write_finding(one.finding),
        "severity": one.severity.value,
        "rule": told.rule,
        "sentence": told.sentence,
        "citation": told.citation,
        "status": told.status,
    }
