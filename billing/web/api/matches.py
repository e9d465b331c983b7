"""Runs of matching, matches and proposals.

POST /v1/match-runs                          {"import_id"?, "rematch_from"?, "rematch_to"?}
GET  /v1/match-runs                          ?from, ?to
GET  /v1/match-runs/{id}
GET  /v1/matches                             ?state, ?rule, ?item_id, ?from, ?to
GET  /v1/matches/{id}
POST /v1/matches                             {"line_id", "items": [{"kind", "id"}], "reason"}
POST /v1/matches/{id}/revert                 {"reason"}
GET  /v1/statement-lines                     ?bank_account_id, ?from, ?to: lines without a match
GET  /v1/statement-lines/{id}/proposals

A proposal is accepted by matching its line with its item. A document worker runs the rules over many lines.
"""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import Field

from billing.core.errors import InvalidValue
from billing.reconciliation.domain.match_rules import ItemKind, MatchRule, MatchRunState, MatchState
from billing.reconciliation.domain.proposals import Proposal
from billing.reconciliation.service.decide_matches import (
    MatchDetails,
    find_match,
    list_lines,
    list_matches,
    match_by_hand,
    propose_items,
    revert_match,
)
from billing.reconciliation.service.match_lines import find_run, list_runs, run_matching
from billing.reconciliation.service.matching_by_hand import ManualMatch
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_uuid, read_page
from billing.web.request_bodies import Body, read_day, read_id, read_model
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text

_TAG = "reconciliation"


class MatchRunDocument(Document):
    """A run of the rules. `import_id` null: over all open lines. `booked` counts payments that only the bank reported.

    running, done, or abandoned: its process ended, and its matches stay.
    """

    id: Text
    rule_set: int
    import_id: Text | None
    state: MatchRunState
    matches: int
    booked: int
    superseded: int
    started_at: Text
    ended_at: Text | None


class MatchItemDocument(Document):
    """An item of a match; its amount has the sign of the bank account."""

    kind: ItemKind
    id: Text
    amount: int


class MatchDocument(Document):
    """A match with its items, in whole đồng. `difference` is what the bank shows beyond the items, net of `fee`.

    `entry_id` is the entry that moved the money to the bank account; null until a complete statement confirms the line.
    """

    id: Text
    rule: MatchRule
    rule_set: int
    run_id: Text
    state: MatchState
    difference: int
    fee: int
    entry_id: Text | None
    matched_at: Text
    reason: str
    ended_at: Text | None
    ended_by: Text | None
    ended_reason: str
    items: list[MatchItemDocument]


class OpenLineDocument(Document):
    """A statement line without a match. `codes` are the reference codes of its text; the text itself is personal."""

    id: Text
    bank_account_id: Text
    booked_on: Text
    amount: int
    bank_reference: str
    virtual_account: str
    codes: list[str]
    is_tentative: bool


class ProposalDocument(Document):
    """An item that a line may be. `score` is 0 to 100; `reasons` name what agrees; nothing is booked by it."""

    kind: ItemKind
    id: Text
    amount: int
    day: Text
    bank_reference: str
    code: str
    score: int
    difference: int
    reasons: list[str]


class ProposalsDocument(Document):
    """The items that an open line may be, the most likely first."""

    proposals: list[ProposalDocument]


class MatchRunBody(Body):
    """What is matched: the lines of an import, or all open lines. Of a period, also again by the newest rule set."""

    import_id: str | None = None
    rematch_from: str | None = None
    rematch_to: str | None = None


class ManualItemBody(Body):
    """An item that the ledger expects at the bank."""

    kind: Annotated[ItemKind, Field(strict=False)]
    id: str


class ManualMatchBody(Body):
    """A line of the bank, the items that it is, and the reason."""

    line_id: str
    items: list[ManualItemBody]
    reason: str


class RevertedMatchBody(Body):
    """Why a match is reverted."""

    reason: str


@operation(
    Operation(
        tag=_TAG,
        request=MatchRunBody,
        responses={HTTPStatus.CREATED: MatchRunDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_match_run(request: web.Request) -> web.Response:
    """Apply the rules of matching. A line is matched only if nothing else is as good."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, MatchRunBody)
    days = [
        None if text is None else read_day(text, field=field)
        for field, text in (("rematch_from", body.rematch_from), ("rematch_to", body.rematch_to))
    ]
    first, last = days
    if (first is None) != (last is None) or (first is not None and body.import_id is not None):
        raise InvalidValue("a period has a first and a last day, and no import", field="rematch_from")
    run = await run_matching(
        context,
        caller.organization_id,
        actor=caller.actor,
        import_id=None if body.import_id is None else read_id(body.import_id, field="import_id"),
        rematched=None if first is None or last is None else (first, last),
    )
    document = MatchRunDocument.model_validate(run)
    return json_response(document, status=HTTPStatus.CREATED, location=f"/v1/match-runs/{run.id}")


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: PageDocument[MatchRunDocument]}, filters=DAY_FILTERS))
async def get_match_runs(request: web.Request) -> web.Response:
    """List the runs of matching, the newest first."""
    page = read_page(request, filters=tuple(DAY_FILTERS))
    rows = await list_runs(app_state(request).context, request[CALLER].organization_id, page.slice)
    return json_response(page_document(rows, page, MatchRunDocument.model_validate))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: MatchRunDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_match_run(request: web.Request) -> web.Response:
    """Read one run with its counts."""
    run_id = read_id(request.match_info["id"], field="id")
    run = await find_run(app_state(request).context, request[CALLER].organization_id, run_id)
    return json_response(MatchRunDocument.model_validate(run))


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[MatchDocument]},
        filters={
            "state": one_of("its state", MatchState),
            "rule": one_of("what linked it", MatchRule),
            "item_id": "has this line, payment or other item",
            **DAY_FILTERS,
        },
    )
)
async def get_matches(request: web.Request) -> web.Response:
    """List matches with their items, the newest first."""
    page = read_page(request, filters=("state", "rule", "item_id", *DAY_FILTERS))
    rows = await list_matches(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        state=read_choice(page, "state", MatchState),
        rule=read_choice(page, "rule", MatchRule),
        item_id=read_filter_uuid(page, "item_id"),
    )
    return json_response(page_document(rows, page, _document))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: MatchDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_match(request: web.Request) -> web.Response:
    """Read one match with its items."""
    return await _answer(request, read_id(request.match_info["id"], field="id"))


@operation(
    Operation(
        tag=_TAG,
        request=ManualMatchBody,
        responses={HTTPStatus.CREATED: MatchDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_match(request: web.Request) -> web.Response:
    """Match an open line by hand with items of equal amount; this accepts a proposal, too."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, ManualMatchBody)
    new = ManualMatch(
        line_id=read_id(body.line_id, field="line_id"),
        items=tuple((item.kind, read_id(item.id, field="items")) for item in body.items),
        reason=body.reason,
    )
    match_id = await match_by_hand(context, caller.organization_id, new, actor=caller.actor)
    found = await find_match(context, caller.organization_id, match_id)
    return json_response(_document(found), status=HTTPStatus.CREATED, location=f"/v1/matches/{match_id}")


@operation(
    Operation(
        tag=_TAG,
        request=RevertedMatchBody,
        responses={HTTPStatus.OK: MatchDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_match_revert(request: web.Request) -> web.Response:
    """Revert one match until its day is closed; its line and items are open again."""
    context, caller = app_state(request).context, request[CALLER]
    match_id = read_id(request.match_info["id"], field="id")
    body = await read_model(request, RevertedMatchBody)
    await revert_match(context, caller.organization_id, match_id, reason=body.reason, actor=caller.actor)
    return await _answer(request, match_id)


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[OpenLineDocument]},
        filters={"bank_account_id": "is of this bank account", **DAY_FILTERS},
    )
)
async def get_statement_lines(request: web.Request) -> web.Response:
    """List the lines of statements without a match, the newest first. Days are those of their import."""
    page = read_page(request, filters=("bank_account_id", *DAY_FILTERS))
    rows = await list_lines(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        bank_account_id=read_filter_uuid(page, "bank_account_id"),
    )
    return json_response(page_document(rows, page, OpenLineDocument.model_validate))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: ProposalsDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_line_proposals(request: web.Request) -> web.Response:
    """Rank the items that an open line may be. Reading changes nothing."""
    line_id = read_id(request.match_info["id"], field="id")
    found = await propose_items(app_state(request).context, request[CALLER].organization_id, line_id)
    return json_response(ProposalsDocument(proposals=[_proposal(each) for each in found]))


async def _answer(request: web.Request, match_id: UUID) -> web.Response:
    found = await find_match(app_state(request).context, request[CALLER].organization_id, match_id)
    return json_response(_document(found))


def _document(found: MatchDetails) -> MatchDocument:
    items = [{"kind": item.item_kind, "id": item.item_id, "amount": item.amount} for item in found.items]
    fields = {name: getattr(found.match, name) for name in MatchDocument.model_fields if name != "items"}
    return MatchDocument.model_validate({**fields, "items": items})


def _proposal(found: Proposal) -> ProposalDocument:
    item = found.item
    return ProposalDocument.model_validate(
        {
            "kind": item.item_kind,
            "id": item.item_id,
            "amount": item.expected,
            "day": item.day,
            "bank_reference": item.bank_reference,
            "code": item.code,
            "score": found.score,
            "difference": found.difference,
            "reasons": list(found.reasons),
        }
    )
