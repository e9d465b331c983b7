"""Rules: all rules of prices and checks, with source, period and status.

GET  /v1/rules
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.coverage.domain.explain import NOTE, RULE_STATUSES, Rule, all_rules
from billing.web.operation import Operation, operation
from billing.web.price_documents import by_language
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, enum_schema


@with_config(EXACTLY)
class RuleDocument(TypedDict):
    """One rule. `since` and `until` are a year, a day or empty; `note` is null for a rule of prices or findings."""

    id: str
    title: dict[str, str]
    citation: dict[str, str]
    status: Annotated[str, enum_schema(RULE_STATUSES)]
    since: str
    until: str
    proof: list[str]
    note: dict[str, str] | None


@with_config(EXACTLY)
class RulesDocument(TypedDict):
    """All rules of this version, by id."""

    items: list[RuleDocument]


@operation(Operation(tag="rules", responses={HTTPStatus.OK: RulesDocument}))
async def get_rules(_request: web.Request) -> web.Response:
    """List the rules with title, citation, status, period and tests."""
    return json_response({"items": [_rule(rule) for _, rule in sorted(all_rules().items())]})


def _rule(rule: Rule) -> RuleDocument:
    return {
        "id": rule.id,
        "title": by_language(rule.titles),
        "citation": by_language(rule.citations),
        "status": rule.status,
        "since": rule.since,
        "until": rule.until,
        "proof": list(rule.proof),
        "note": by_language(rule.sentences[NOTE]) if NOTE in rule.sentences else None,
    }
