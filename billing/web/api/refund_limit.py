"""The amount above which a second person approves a refund.

GET  /v1/refund-limit
POST /v1/refund-limit   {"amount"}
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.money import dong
from billing.ops.approval_kinds import find_proposal
from billing.payments.service.refund_limit import find_refund_limit, propose_refund_limit
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_model
from billing.web.responses import json_response
from billing.web.schemas import Document


class NewRefundLimit(Body):
    """Refunds above this amount, in whole đồng, are approved by a second person; 0: every refund."""

    amount: int


class RefundLimitDocument(Document):
    """Refunds above this amount, in whole đồng, are approved by a second person; 0: every refund."""

    amount: int


@operation(Operation(tag="refunds", responses={HTTPStatus.OK: RefundLimitDocument}))
async def get_refund_limit(request: web.Request) -> web.Response:
    """Read the amount above which a second person approves a refund."""
    amount = await find_refund_limit(app_state(request).context, request[CALLER].organization_id)
    return json_response(RefundLimitDocument(amount=amount))


@operation(
    Operation(
        tag="refunds",
        request=NewRefundLimit,
        responses={HTTPStatus.CREATED: ApprovalDocument},
        problems=(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_refund_limit(request: web.Request) -> web.Response:
    """Propose the amount above which a second person approves a refund. Another person approves it."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, NewRefundLimit)
    proposal_id = await propose_refund_limit(context, caller.organization_id, dong(body.amount), actor=caller.actor)
    found = await find_proposal(context, caller.organization_id, proposal_id)
    return json_response(approval_document(found), status=HTTPStatus.CREATED, location=f"/v1/approvals/{proposal_id}")
