"""What would a visit cost by another route: the patient's share under each lawful one side by side. Nothing is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.domain.claim import Surroundings
from billing.domain.coverage.claim_route import circumstances
from billing.domain.coverage.explain import Language, fact_names, object_code_name
from billing.domain.coverage.policy import Policy
from billing.domain.coverage.what_if import RouteOption, WhatIf, compare_routes
from billing.domain.finding import Finding
from billing.interop.bhyt_case import write_finding
from billing.interop.claim_reading import ReadClaim, read_claim_document, read_claims
from billing.interop.visit_facts_json import ToldFacts


@dataclass(frozen=True, slots=True)
class ComparedVisit:
    """The routes of one visit; `hoso` is its place in the file."""

    hoso: int | None
    ma_lk: str
    routes: WhatIf


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """The visits of one file, and what refused the others."""

    visits: tuple[ComparedVisit, ...]
    findings: tuple[Finding, ...]


def compare_file(content: bytes, *, file: str, told: ToldFacts, around: Surroundings) -> ComparedFile:
    """Compare the routes of every visit of a file. Never raises for what the bytes of the file hold."""
    read = read_claims(content, file=file, told=told, policy=around.policy)
    visits = _compare(read.claims, around, read.policy)
    return ComparedFile(visits, tuple(finding for finding in read.findings if finding.refuses))


def compare_document(document: Mapping[str, object], *, told: ToldFacts, around: Surroundings) -> ComparedFile:
    """Compare the routes of one visit told as JSON. Raises InvalidValue where it cannot be read."""
    return ComparedFile(_compare([read_claim_document(document, told=told)], around, around.policy), ())


def compare_json(compared: ComparedFile, language: Language) -> dict[str, object]:
    """The comparison as an object: each visit with its routes in table order, then what refused the others."""
    return {
        "visits": [
            {
                "hoso": one.hoso,
                "MA_LK": one.ma_lk,
                "stated": one.routes.stated,
                "chosen": one.routes.chosen,
                "routes": [_route(option, language) for option in one.routes.routes],
            }
            for one in compared.visits
        ],
        "findings": [write_finding(finding) for finding in compared.findings],
    }


def _compare(claims: Sequence[ReadClaim], around: Surroundings, policy: Policy) -> tuple[ComparedVisit, ...]:
    return tuple(
        ComparedVisit(
            one.claim.hoso,
            one.claim.visit.ma_lk,
            compare_routes(circumstances(one.claim, around), policy=policy),
        )
        for one in claims
    )


def _route(option: RouteOption, language: Language) -> dict[str, object]:
    shares = None if option.priced is None else option.priced.shares
    return {
        "code": option.code,
        "name": object_code_name(option.code, language),
        "standing": option.standing.value,
        "facts": list(option.facts),
        "facts_named": fact_names(" ".join(option.facts), language),
        "patient": None if shares is None else shares.patient,
        "insurer": None if shares is None else shares.insurer,
        "other": None if shares is None else shares.other,
        "refused_rule": option.refused_rule,
        "refusal": option.refusal,
    }
