"""Claim readiness: the inputs of the checks of a claim, and their findings.

The checks are in `check`, `route_checks`, `line_checks` and `review_warnings`.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from billing.coverage.domain.annexes import NO_ANNEXES, Annexes
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price_result import AppliedRule
from billing.visits.domain.facts import NO_LISTS, FacilityFacts, LineLists, VisitFacts
from billing.visits.domain.finding import Finding, FindingCode
from billing.visits.domain.visit import ChargeItem, Visit


class Severity(StrEnum):
    """ERROR: the claim will be refused or reduced. WARNING: a person should check. INFORMATION: nothing is wrong."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """One finding of a claim check: severity, place, and the rule with its operands."""

    severity: Severity
    finding: Finding
    reason: AppliedRule

    @property
    def place(self) -> tuple[int | None, str, int | None, str]:
        finding = self.finding
        return finding.hoso, finding.table, finding.stt, finding.field


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimContext:
    """The context of a facility's claim checks: rank, imported annexes, lists, parameters, policy options, today."""

    facility: FacilityFacts
    annexes: Annexes = NO_ANNEXES
    lists: LineLists = NO_LISTS
    parameters: Parameters
    policy: Policy
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One visit as a claim, with its file and its position in the file, counted from 1."""

    visit: Visit
    facts: VisitFacts
    file: str = ""
    hoso: int | None = None

    def found(
        self,
        severity: Severity,
        code: FindingCode,
        reason: AppliedRule,
        *,
        item: ChargeItem | None = None,
        table: str = "XML1",
        field: str,
        found: str = "",
        expected: str = "",
    ) -> ClaimFinding:
        """A finding of this claim; of the line of `item`, or without it of the whole visit in `table`."""
        finding = Finding(
            code=code,
            file=self.file,
            hoso=self.hoso,
            ma_lk=self.visit.ma_lk,
            table=table if item is None else item.table.value,
            stt=None if item is None else item.number,
            field=field,
            found=found,
            expected=expected,
        )
        return ClaimFinding(severity, finding, reason)


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """The findings of one visit; `hoso` is its position in the file, None for the whole file."""

    hoso: int | None
    ma_lk: str
    is_open: bool
    findings: tuple[ClaimFinding, ...]

    @property
    def is_ready(self) -> bool:
        """Whether the visit can be claimed: it has ended and no finding is an error."""
        return not self.is_open and all(one.severity is not Severity.ERROR for one in self.findings)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The checks of one file by visit, and the findings outside the visits that could be read."""

    checks: tuple[ClaimCheck, ...]
    findings: tuple[ClaimFinding, ...]

    def count(self, severity: Severity) -> int:
        everything = [*self.findings, *(finding for check in self.checks for finding in check.findings)]
        return sum(finding.severity is severity for finding in everything)
