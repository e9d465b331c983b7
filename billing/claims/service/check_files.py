"""Check a file before it is claimed, or compare its routes, without a database: all facts are supplied with it."""

from dataclasses import replace
from datetime import date

from billing.claims.domain.check import by_severity, from_reader_finding
from billing.claims.domain.claim import ClaimContext, FileCheck
from billing.claims.formats.reader import read_claims
from billing.coverage.domain.annexes import NO_ANNEXES, Annexes
from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.what_if import ComparedFile
from billing.visits.domain.facts import FacilityFacts
from billing.visits.formats.visit_facts_json import SuppliedFacts

UNKNOWN_FACILITY = FacilityFacts()


def claim_context_of(
    *, supplied: SuppliedFacts, annexes: Annexes = NO_ANNEXES, parameters: Parameters, policy: Policy, today: date
) -> ClaimContext:
    """The claim context where all facts are supplied with the file."""
    return ClaimContext(
        facility=supplied.facility or UNKNOWN_FACILITY,
        annexes=annexes,
        lists=supplied.lists,
        parameters=parameters,
        policy=policy,
        today=today,
    )


def check_file(content: bytes, *, file: str, supplied: SuppliedFacts, claim_context: ClaimContext) -> FileCheck:
    """Check every visit of a claim file or `bhyt-case/1` file. Never raises for the content of the file.

    Policy options of a case file override those of `claim_context`.
    """
    read = read_claims(content, file=file, supplied=supplied, policy=claim_context.policy)
    own = replace(claim_context, policy=read.policy)
    return FileCheck(
        tuple(one.check(own) for one in read.claims),
        by_severity(from_reader_finding(finding) for finding in read.findings),
    )


def compare_file(content: bytes, *, file: str, supplied: SuppliedFacts, claim_context: ClaimContext) -> ComparedFile:
    """Compare the routes of every visit of a file. Never raises for the content of the file."""
    read = read_claims(content, file=file, supplied=supplied, policy=claim_context.policy)
    own = replace(claim_context, policy=read.policy)
    visits = tuple(one.compare(own) for one in read.claims)
    return ComparedFile(visits, tuple(finding for finding in read.findings if finding.refuses))
