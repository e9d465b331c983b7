"""Order clearance for laboratory, imaging and pharmacy systems, and the policies that decide it.

GET  /v1/facilities/{facility_code}/orders/{order_number}/clearance
POST /v1/facilities/{facility_code}/clearance-policies   {"department", "valid_from", "term", "deposit_exhausted"}
GET  /v1/facilities/{facility_code}/clearance-policies
"""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field

from billing.visit_accounts.domain.charge import ChargeState
from billing.visit_accounts.domain.clearance import ClearanceReason, DepositExhausted, PaymentTerm
from billing.visit_accounts.service.clearance_policies import (
    NewClearancePolicy,
    find_clearance_policy,
    list_clearance_policies,
    set_clearance_policy,
)
from billing.visit_accounts.service.order_clearance import find_order_clearance
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, Parameter, operation
from billing.web.pagination import page_document, read_page
from billing.web.request_bodies import Body, read_day, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text

_FACILITY = {"facility_code": Parameter("MA_CSKCB of the facility")}
_ORDER = {**_FACILITY, "order_number": Parameter("the order number of the sending system")}


def _day_text(day: object) -> object:
    return day.isoformat() if isinstance(day, date) else day


class PolicyBody(Body):
    """When orders placed from `valid_from` on are paid. No `department`: those without a policy of their own."""

    department: str = Field(default="", max_length=100)
    valid_from: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    term: Annotated[PaymentTerm, Field(strict=False)]
    deposit_exhausted: Annotated[DepositExhausted, Field(strict=False)] = DepositExhausted.WARN


class ClearancePolicyDocument(Document):
    """A policy as it was set; it is never changed, a later one replaces it."""

    id: Text
    facility_code: str
    department: str
    valid_from: Annotated[str, BeforeValidator(_day_text)]
    term: PaymentTerm
    deposit_exhausted: DepositExhausted
    set_by: Text
    set_at: Text


class DecidingPolicyDocument(Document):
    """The policy that decided; `valid_from` is null where the facility has set none."""

    department: str
    valid_from: Annotated[str | None, BeforeValidator(_day_text)]
    term: PaymentTerm
    deposit_exhausted: DepositExhausted


class LineClearanceDocument(Document):
    """One line of the order. `amount_due` is the part of the patient's share that is not paid yet, in đồng."""

    line: str
    visit_id: Text
    department: str
    state: ChargeState
    is_cleared: bool
    reason: ClearanceReason
    amount_due: int


class OrderClearanceDocument(Document):
    """Whether the order may be performed: when all its lines may be that are not cancelled; `reason` decided."""

    order_number: str
    is_cleared: bool
    reason: ClearanceReason
    lines: list[LineClearanceDocument]
    policy: DecidingPolicyDocument


@operation(
    Operation(
        tag="clearance",
        responses={HTTPStatus.OK: OrderClearanceDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        path=_ORDER,
    )
)
async def get_order_clearance(request: web.Request) -> web.Response:
    """Read whether an order may be performed, and why or why not. Read it again before the order is started."""
    found = await find_order_clearance(
        app_state(request).context,
        request[CALLER].organization_id,
        facility_code=request.match_info["facility_code"],
        order_number=request.match_info["order_number"],
    )
    return json_response(OrderClearanceDocument.model_validate(found))


@operation(
    Operation(
        tag="clearance",
        request=PolicyBody,
        responses={HTTPStatus.CREATED: ClearancePolicyDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        path=_FACILITY,
        is_creating=True,
    )
)
async def post_clearance_policy(request: web.Request) -> web.Response:
    """Set when the orders of a facility or of one of its departments are paid, from today or a later day on."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, PolicyBody)
    facility_code = request.match_info["facility_code"]
    new = NewClearancePolicy(
        facility_code=facility_code,
        department=body.department,
        valid_from=read_day(body.valid_from, field="valid_from"),
        term=body.term,
        deposit_exhausted=body.deposit_exhausted,
    )
    policy_id = await set_clearance_policy(
        app.context, caller.organization_id, new, actor=caller.actor, request=idempotent_request
    )
    policy = await find_clearance_policy(
        app.context, caller.organization_id, facility_code=facility_code, policy_id=policy_id
    )
    return created_response(
        ClearancePolicyDocument.model_validate(policy),
        idempotent_request,
        location=f"/v1/facilities/{facility_code}/clearance-policies",
    )


@operation(
    Operation(
        tag="clearance",
        responses={HTTPStatus.OK: PageDocument[ClearancePolicyDocument]},
        problems=(HTTPStatus.NOT_FOUND,),
        path=_FACILITY,
        filters={},
    )
)
async def get_clearance_policies(request: web.Request) -> web.Response:
    """List the clearance policies of a facility, the newest first."""
    page = read_page(request)
    rows = await list_clearance_policies(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        facility_code=request.match_info["facility_code"],
    )
    return json_response(page_document(rows, page, ClearancePolicyDocument.model_validate))
