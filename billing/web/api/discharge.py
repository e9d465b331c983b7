"""Discharge clearance: what blocks the final bill of a visit, and the override of a blocker.

GET  /v1/visits/{id}/discharge-clearance
POST /v1/visits/{id}/discharge-overrides   {"kind", "line", "reason"}
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.core.actor import Role
from billing.core.ids import VisitId
from billing.visit_accounts.domain.discharge import Blocker, BlockerKind
from billing.visit_accounts.service.discharge_clearance import (
    DischargeClearance,
    NewOverride,
    find_discharge_clearance,
    override_blocker,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import EXACTLY, enum_schema


class OverrideBody(Body):
    """A blocker to override, with a reason. No `line`: every blocker of the kind as it is now."""

    kind: Annotated[BlockerKind, Field(strict=False)]
    line: str = Field(default="", max_length=100)
    reason: str = Field(min_length=3, max_length=1000)


@with_config(EXACTLY)
class BlockerDocument(TypedDict):
    """Something unfinished. `line` is the charge line, or the id of the request, intent or guarantee, or the bed day.

    `may_override` is the role that may let the visit be billed all the same.
    """

    kind: BlockerKind
    title: Mapping[str, str]
    department: str
    line: str
    since: str
    way_out: Mapping[str, str]
    may_override: Role
    is_overridden: bool


@with_config(EXACTLY)
class OverrideDocument(TypedDict):
    """An override as it was made; it covers no later blocker."""

    kind: Annotated[str, enum_schema(BlockerKind)]
    line: str
    reason: str
    overridden_by: str
    overridden_at: str


@with_config(EXACTLY)
class DischargeClearanceDocument(TypedDict):
    """Whether the final bill may be made: every blocker is gone or overridden."""

    visit_id: str
    is_clear: bool
    blockers: list[BlockerDocument]
    overrides: list[OverrideDocument]


@operation(
    Operation(tag="discharge", responses={HTTPStatus.OK: DischargeClearanceDocument}, problems=(HTTPStatus.NOT_FOUND,))
)
async def get_discharge_clearance(request: web.Request) -> web.Response:
    """List what blocks the final bill of a visit, with the way out. The final bill checks it again."""
    found = await find_discharge_clearance(
        app_state(request).context, request[CALLER].organization_id, _visit_id(request)
    )
    return json_response(_document(found))


@operation(
    Operation(
        tag="discharge",
        request=OverrideBody,
        responses={HTTPStatus.CREATED: DischargeClearanceDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_discharge_override(request: web.Request) -> web.Response:
    """Let a visit be billed although something is unfinished. The override covers the blocker as it is now."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, OverrideBody)
    visit_id = _visit_id(request)
    new = NewOverride(kind=body.kind, line=body.line, reason=body.reason)
    await override_blocker(
        app.context, caller.organization_id, visit_id, new, actor=caller.actor, request=idempotent_request
    )
    found = await find_discharge_clearance(app.context, caller.organization_id, visit_id)
    return created_response(_document(found), idempotent_request, location=f"/v1/visits/{visit_id}/discharge-clearance")


def _visit_id(request: web.Request) -> VisitId:
    return VisitId(read_id(request.match_info["id"], field="visit_id"))


def _document(found: DischargeClearance) -> DischargeClearanceDocument:
    return {
        "visit_id": str(found.visit_id),
        "is_clear": found.is_clear,
        "blockers": [_blocker(blocker) for blocker in found.blockers],
        "overrides": [
            {
                "kind": override.kind,
                "line": override.line,
                "reason": override.reason,
                "overridden_by": str(override.overridden_by),
                "overridden_at": override.overridden_at.isoformat(),
            }
            for override in found.overrides
        ],
    }


def _blocker(blocker: Blocker) -> BlockerDocument:
    return {
        "kind": blocker.kind,
        "title": blocker.row.title,
        "department": blocker.department,
        "line": blocker.line,
        "since": blocker.since.isoformat(),
        "way_out": blocker.row.way_out,
        "may_override": blocker.row.may_override,
        "is_overridden": blocker.is_overridden,
    }
