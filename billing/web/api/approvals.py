"""Proposals of one person that another person approves or rejects, of all kinds.

GET  /v1/approvals                ?kind, ?state
GET  /v1/approvals/{id}
POST /v1/approvals/{id}/approve
POST /v1/approvals/{id}/reject
"""

from http import HTTPStatus

from aiohttp import web

from billing.ops.approval_kinds import approve_proposal, find_proposal, list_proposals, reject_proposal
from billing.organizations.domain.approval import kinds_of, right_of
from billing.organizations.domain.rights import Right
from billing.organizations.service.approvals import Approval, ApprovalKind, ApprovalState
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, read_choice, read_page, write_cursor
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import PageDocument


@operation(
    Operation(
        tag="approvals",
        responses={HTTPStatus.OK: PageDocument[ApprovalDocument]},
        filters={"kind": one_of("its kind", ApprovalKind), "state": one_of("its state", ApprovalState), **DAY_FILTERS},
    )
)
async def get_approvals(request: web.Request) -> web.Response:
    """List the proposals of the kinds that your roles decide, an auditor all kinds, the newest first."""
    caller, page = request[CALLER], read_page(request, filters=("kind", "state", *DAY_FILTERS))
    kind = read_choice(page, "kind", ApprovalKind)
    kinds = kinds_of(caller.roles)
    rows = await list_proposals(
        app_state(request).context,
        caller.organization_id,
        page.slice,
        kinds=kinds if kind is None else kinds & {kind},
        state=read_choice(page, "state", ApprovalState),
    )
    shown = rows[: page.limit]
    cursor = write_cursor(shown[-1].id) if len(rows) > page.limit else None
    return json_response({"items": [approval_document(row) for row in shown], "next_cursor": cursor})


@operation(Operation(tag="approvals", responses={HTTPStatus.OK: ApprovalDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_approval(request: web.Request) -> web.Response:
    """Read one proposal and its decision."""
    caller, found = request[CALLER], await _found(request)
    if not caller.has(Right.READ_ALL_APPROVALS):
        caller.require(right_of(found.kind))
    return json_response(approval_document(found))


@operation(
    Operation(
        tag="approvals",
        responses={HTTPStatus.OK: ApprovalDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_approval(request: web.Request) -> web.Response:
    """Approve a proposal of another person. It takes effect at once; a change of an account, within half a minute."""
    caller, proposal = request[CALLER], await _permitted(request)
    await approve_proposal(app_state(request).context, caller.organization_id, proposal.id, actor=caller.actor)
    return json_response(approval_document(await _permitted(request)))


@operation(
    Operation(
        tag="approvals",
        responses={HTTPStatus.OK: ApprovalDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_rejection(request: web.Request) -> web.Response:
    """Reject a proposal, or withdraw your own. A price list is then discarded."""
    caller, proposal = request[CALLER], await _permitted(request)
    await reject_proposal(app_state(request).context, caller.organization_id, proposal.id, actor=caller.actor)
    return json_response(approval_document(await _permitted(request)))


async def _permitted(request: web.Request) -> Approval:
    """The proposal of the address, if the caller may decide its kind. Raises NotFound, NotPermitted."""
    found = await _found(request)
    request[CALLER].require(right_of(found.kind))
    return found


async def _found(request: web.Request) -> Approval:
    approval_id = read_id(request.match_info["id"], field="approval_id")
    return await find_proposal(app_state(request).context, request[CALLER].organization_id, approval_id)
