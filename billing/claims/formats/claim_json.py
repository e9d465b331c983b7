"""Claim checks and comparisons of routes as JSON objects, with sentences in one language."""

from billing.claims.domain.claim import ClaimFinding, FileCheck
from billing.coverage.domain.explain import Language, category_name, explain, fact_names
from billing.coverage.domain.what_if import ComparedFile, RouteOption
from billing.coverage.formats.worked_case_json import write_finding


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
    """A finding with its severity, the rule and the sentence in one language."""
    supplied = explain(one.reason, language)
    return {
        **write_finding(one.finding),
        "severity": one.severity.value,
        "rule": supplied.rule,
        "sentence": supplied.sentence,
        "citation": supplied.citation,
        "status": supplied.status,
    }


def compare_json(compared: ComparedFile, language: Language) -> dict[str, object]:
    """The comparison as an object: each visit with its routes in table order, then the findings of refused visits."""
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


def _route(option: RouteOption, language: Language) -> dict[str, object]:
    shares = None if option.priced is None else option.priced.shares
    return {
        "code": option.code,
        "name": category_name(option.code, language),
        "status": option.status.value,
        "facts": list(option.facts),
        "facts_named": fact_names(" ".join(option.facts), language),
        "patient": None if shares is None else shares.patient,
        "insurer": None if shares is None else shares.insurer,
        "other": None if shares is None else shares.other,
        "refused_rule": option.refused_rule,
        "refusal": option.refusal,
    }
