"""Guarantees of payers and exemptions of a visit: both lower what the patient pays.

POST /v1/visits/{id}/guarantees       {"payer", "reference", "limit", "valid_until"?}
GET  /v1/visits/{id}/guarantees
POST /v1/guarantees/{id}/confirm      {"amount"}
POST /v1/guarantees/{id}/reject       {"reason"}
POST /v1/guarantees/{id}/withdraw     {"reason"}
POST /v1/visits/{id}/exemptions       {"fund", "amount", "reason"}: another person decides, /v1/approvals
GET  /v1/visits/{id}/exemptions
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.ids import VisitId
from billing.core.money import dong
from billing.visit_accounts.domain.guarantee import ExemptionState, GuaranteeState
from billing.visit_accounts.service.exemptions import (
    ProposedExemption,
    list_exemptions,
    propose_exemption,
    read_exemption,
)
from billing.visit_accounts.service.guarantees import (
    NewGuarantee,
    confirm_guarantee,
    end_guarantee,
    list_guarantees,
    read_guarantee,
    request_guarantee,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_day, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, Text

_TAG = "final-bills"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class NewGuaranteeBody(Body):
    """The amount that a payer is requested to guarantee, in whole đồng, until a day."""

    payer: str
    reference: str
    limit: int
    valid_until: str | None = None


class Confirmation(Body):
    """The amount that the payer confirms, in whole đồng: at most the limit."""

    amount: int


class Reason(Body):
    """Why."""

    reason: str


class NewExemption(Body):
    """An amount, in whole đồng, that a fund (a code of a-z, 0-9 and _) bears instead of the patient."""

    fund: str
    amount: int
    reason: str


class GuaranteeDocument(Document):
    """A guarantee of a payer, in whole đồng; payers pay in the order of `position`."""

    id: Text
    visit_id: Text
    payer: str
    reference: str
    limit_amount: int
    valid_until: Text | None
    position: int
    state: GuaranteeState
    version: int
    confirmed_amount: int
    reason: str
    created_at: Text
    changed_at: Text


class GuaranteesDocument(Document):
    """The guarantees of a visit, in the order in which the payers pay."""

    items: list[GuaranteeDocument]


class ExemptionDocument(Document):
    """An exemption, in whole đồng; it counts when another person has approved it."""

    id: Text
    visit_id: Text
    fund: str
    amount: int
    reason: str
    state: ExemptionState
    created_at: Text


class ExemptionsDocument(Document):
    """The exemptions of a visit, the oldest first."""

    items: list[ExemptionDocument]


@operation(
    Operation(
        tag=_TAG,
        request=NewGuaranteeBody,
        responses={HTTPStatus.CREATED: GuaranteeDocument},
        problems=_REFUSED,
        is_creating=True,
    )
)
async def post_guarantee(request: web.Request) -> web.Response:
    """Record that a guarantee is requested of a payer. The patient's amount falls when it is confirmed."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewGuaranteeBody)
    new = NewGuarantee(
        payer=body.payer,
        reference=body.reference,
        limit=dong(body.limit, field="limit"),
        valid_until=None if body.valid_until is None else read_day(body.valid_until, field="valid_until"),
    )
    guarantee_id = await request_guarantee(
        context, caller.organization_id, _visit_id(request), new, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        GuaranteeDocument.model_validate(await read_guarantee(context, caller.organization_id, guarantee_id)),
        idempotent_request,
    )


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: GuaranteesDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_guarantees(request: web.Request) -> web.Response:
    """List the guarantees of a visit."""
    rows = await list_guarantees(app_state(request).context, request[CALLER].organization_id, _visit_id(request))
    return json_response(GuaranteesDocument.model_validate({"items": rows}))


@operation(Operation(tag=_TAG, request=Confirmation, responses={HTTPStatus.OK: GuaranteeDocument}, problems=_REFUSED))
async def post_guarantee_confirmation(request: web.Request) -> web.Response:
    """Record the amount that the payer confirmed; less than the limit is normal."""
    body, caller = await read_model(request, Confirmation), request[CALLER]
    await confirm_guarantee(
        app_state(request).context,
        caller.organization_id,
        read_id(request.match_info["id"], field="guarantee_id"),
        dong(body.amount),
        actor=caller.actor,
    )
    return await _guarantee(request)


@operation(Operation(tag=_TAG, request=Reason, responses={HTTPStatus.OK: GuaranteeDocument}, problems=_REFUSED))
async def post_guarantee_rejection(request: web.Request) -> web.Response:
    """Record that the payer rejects a requested guarantee."""
    return await _end(request, GuaranteeState.REJECTED)


@operation(Operation(tag=_TAG, request=Reason, responses={HTTPStatus.OK: GuaranteeDocument}, problems=_REFUSED))
async def post_guarantee_withdrawal(request: web.Request) -> web.Response:
    """Record that a guarantee is withdrawn; after a reopening the next final bill takes its amount back."""
    return await _end(request, GuaranteeState.WITHDRAWN)


@operation(
    Operation(
        tag=_TAG,
        request=NewExemption,
        responses={HTTPStatus.CREATED: ExemptionDocument},
        problems=_REFUSED,
        is_creating=True,
    )
)
async def post_exemption(request: web.Request) -> web.Response:
    """Propose an exemption; it counts when another person approves it."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewExemption)
    exemption_id = await propose_exemption(
        context,
        caller.organization_id,
        _visit_id(request),
        ProposedExemption(fund=body.fund, amount=dong(body.amount), reason=body.reason),
        actor=caller.actor,
        request=idempotent_request,
    )
    return created_response(
        ExemptionDocument.model_validate(await read_exemption(context, caller.organization_id, exemption_id)),
        idempotent_request,
    )


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: ExemptionsDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_exemptions(request: web.Request) -> web.Response:
    """List the exemptions of a visit."""
    rows = await list_exemptions(app_state(request).context, request[CALLER].organization_id, _visit_id(request))
    return json_response(ExemptionsDocument.model_validate({"items": rows}))


async def _end(request: web.Request, state: GuaranteeState) -> web.Response:
    body, caller = await read_model(request, Reason), request[CALLER]
    guarantee_id = read_id(request.match_info["id"], field="guarantee_id")
    await end_guarantee(
        app_state(request).context, caller.organization_id, guarantee_id, state, reason=body.reason, actor=caller.actor
    )
    return await _guarantee(request)


async def _guarantee(request: web.Request) -> web.Response:
    guarantee_id = read_id(request.match_info["id"], field="guarantee_id")
    row = await read_guarantee(app_state(request).context, request[CALLER].organization_id, guarantee_id)
    return json_response(GuaranteeDocument.model_validate(row))


def _visit_id(request: web.Request) -> VisitId:
    return VisitId(read_id(request.match_info["id"], field="visit_id"))
