"""A file checked before it is claimed, or compared by route, without a database: all facts are told with it."""

from dataclasses import replace
from datetime import date

from billing.claims.domain.check import in_order, taken_over
from billing.claims.domain.claim import FileCheck, Surroundings
from billing.claims.formats.reader import read_claims
from billing.coverage.domain.annexes import NO_ANNEXES, Annexes
from billing.coverage.domain.parameters import Figures
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.what_if import ComparedFile
from billing.visits.domain.facts import FacilityFacts
from billing.visits.formats.visit_facts_json import ToldFacts

UNKNOWN_FACILITY = FacilityFacts()


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
        tuple(one.check(own) for one in read.claims), in_order(taken_over(finding) for finding in read.findings)
    )


def compare_file(content: bytes, *, file: str, told: ToldFacts, around: Surroundings) -> ComparedFile:
    """Compare the routes of every visit of a file. Never raises for what the bytes of the file hold."""
    read = read_claims(content, file=file, told=told, policy=around.policy)
    own = replace(around, policy=read.policy)
    visits = tuple(one.compare(own) for one in read.claims)
    return ComparedFile(visits, tuple(finding for finding in read.findings if finding.refuses))
