"""Exceptions: disagreements that a person must decide, with reason, owner, age and due date.

GET  /v1/exceptions                 ?state (open, closed), ?reason, ?owner_id, ?from, ?to
GET  /v1/exceptions/{id}
POST /v1/exceptions/assign          {"exception_ids", "owner_id", "due_at"?}
POST /v1/exceptions/{id}/decide     {"version", "action", "reason", …}
POST /v1/exceptions/{id}/revert     {"version", "reason"}: reverts the latest decision
POST /v1/exceptions/{id}/comments   {"text"}
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from billing.core.ids import DepositRequestId, InvoiceId, PersonId, VisitId
from billing.core.money import dong
from billing.payments.domain.exception import DEFAULT_POLICIES, ExceptionFilter, ExceptionReason, ExceptionState
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.refund import BankDestination, RefundWay
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service.decide_exceptions import decide_exception, revert_decision
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.exceptions import (
    ExceptionDetails,
    assign_exceptions,
    comment_exception,
    find_exception,
    list_exceptions,
)
from billing.web.api.refunds import Destination
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, InvalidQuery, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_day, read_id, read_model, read_time
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text

REASONS = frozenset(reason.value for reason in DEFAULT_POLICIES)
"""Every reason that an exception may have."""

_TAG = "exceptions"
_ITEMS_MAX = 100
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class ExceptionDocument(Document):
    """A disagreement. `age_s` counts seconds since it was opened; `amount` is what it is about, in whole đồng.

    `sentence` is for the clerk, in Vietnamese; `proposed_action` is the one action that is proposed. `version` is sent
    with a decision.
    """

    id: Text
    reason: ExceptionReason
    sentence: str
    proposed_action: DecisionAction
    state: ExceptionState
    version: int
    amount: int
    account: str | None
    delivery_id: Text | None
    payment_id: Text | None
    intent_id: Text | None
    item_kind: str | None
    item_id: Text | None
    match_id: Text | None
    business_day: Text
    owner_id: Text | None
    owner: str | None
    opened_at: Text
    due_at: Text
    age_s: int
    is_overdue: bool


class DecisionEntryDocument(Document):
    """A journal entry of a decision, in whole đồng; `source` is what assigned money was before."""

    entry_id: Text
    amount: int
    allocation_id: Text | None
    source: AllocationTarget | None


class ExceptionDecisionDocument(Document):
    """A decision with its reason and person. `reverted_by_id` is the decision that reverts it.

    `accounting_date`: until the books of this day are closed the decision may be reverted.
    """

    id: Text
    action: DecisionAction
    reason: str
    is_closing: bool
    accounting_date: Text
    recorded_at: Text
    person_id: Text | None
    person: str | None
    visit_id: Text | None
    invoice_id: Text | None
    deposit_request_id: Text | None
    refund_id: Text | None
    approval_id: Text | None
    reverts_id: Text | None
    reverted_by_id: Text | None
    entries: list[DecisionEntryDocument]


class ExceptionCommentDocument(Document):
    """What a person wrote about an exception."""

    id: Text
    text: str
    person_id: Text
    person: str
    written_at: Text


class ExceptionAssignmentDocument(Document):
    """A change of owner and due time."""

    owner_id: Text | None
    owner: str | None
    due_at: Text
    person_id: Text
    person: str
    assigned_at: Text


class ExceptionDetailsDocument(ExceptionDocument):
    """An exception with its decisions, comments and assignments, the oldest first."""

    decisions: list[ExceptionDecisionDocument]
    comments: list[ExceptionCommentDocument]
    assignments: list[ExceptionAssignmentDocument]


class AssignBody(Body):
    """Who owns exceptions from now on, and until when they are due."""

    exception_ids: Annotated[list[str], Field(min_length=1, max_length=500)]
    owner_id: str
    due_at: str | None = None


class DecidedItemBody(Body):
    """An item of the line of an exception."""

    kind: Annotated[ItemKind, Field(strict=False)]
    id: str


class DecideBody(Body):
    """A decision. `assign` names a visit, and its invoice or deposit request; it repeats amount and bank reference.

    `assign_to_payer` names the payer, and may name its guarantees; it repeats amount and bank reference too.

    `refund` names a way; `destination` is the account of a transfer if the payer's is not known. `open_trace` may name
    the day on which the bank trace is due. `match` may name the items of the line, `book_return` the item that came
    back; without them it is the item that was found.
    """

    version: int
    action: Annotated[DecisionAction, Field(strict=False)]
    reason: str
    visit_id: str | None = None
    invoice_id: str | None = None
    deposit_request_id: str | None = None
    payer: str = ""
    guarantee_ids: list[str] = Field(default_factory=list)
    amount: int | None = None
    bank_reference: str = ""
    way: Annotated[RefundWay, Field(strict=False)] | None = None
    destination: Destination | None = None
    due_on: str | None = None
    items: list[DecidedItemBody] = Field(default=[], max_length=_ITEMS_MAX)


class RevertBody(Body):
    """Why the latest decision is reverted."""

    version: int
    reason: str


class CommentBody(Body):
    """A comment on an exception."""

    text: str


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[ExceptionDocument]},
        filters={
            "state": one_of("`open` is the default", ExceptionState),
            "reason": one_of("why it was opened", sorted(REASONS)),
            "owner_id": "is owned by this person",
            **DAY_FILTERS,
        },
    )
)
async def get_exceptions(request: web.Request) -> web.Response:
    """List exceptions, the newest first."""
    page = read_page(request, filters=("state", "reason", "owner_id", *DAY_FILTERS))
    reason = page.filters.get("reason")
    if reason is not None and reason not in REASONS:
        raise InvalidQuery(f"reason is one of {', '.join(sorted(REASONS))}", field="reason")
    wanted = ExceptionFilter(
        state=read_choice(page, "state", ExceptionState) or ExceptionState.OPEN,
        reason=reason,
        owner_id=read_filter_id(page, "owner_id", PersonId),
        first_day=page.first_day,
        last_day=page.last_day,
    )
    rows = await list_exceptions(
        app_state(request).context,
        request[CALLER].organization_id,
        wanted,
        after=page.after,
        limit=page.limit + 1,
    )
    return json_response(page_document(rows, page, ExceptionDocument.model_validate))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: ExceptionDetailsDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_exception(request: web.Request) -> web.Response:
    """Read one exception with its decisions, comments and assignments."""
    return await _details(request)


@operation(
    Operation(tag=_TAG, request=DecideBody, responses={HTTPStatus.OK: ExceptionDetailsDocument}, problems=_REFUSED)
)
async def post_exception_decision(request: web.Request) -> web.Response:
    """Decide an exception; of two persons who read one version, one decides."""
    context, caller = app_state(request).context, request[CALLER]
    exception_id = read_id(request.match_info["id"], field="exception_id")
    body = await read_model(request, DecideBody)
    await decide_exception(context, caller.organization_id, exception_id, _new_decision(body), actor=caller.actor)
    return await _details(request)


@operation(
    Operation(tag=_TAG, request=RevertBody, responses={HTTPStatus.OK: ExceptionDetailsDocument}, problems=_REFUSED)
)
async def post_exception_revert(request: web.Request) -> web.Response:
    """Revert the latest decision of an exception while its accounting day is open."""
    context, caller = app_state(request).context, request[CALLER]
    exception_id = read_id(request.match_info["id"], field="exception_id")
    body = await read_model(request, RevertBody)
    await revert_decision(
        context, caller.organization_id, exception_id, version=body.version, reason=body.reason, actor=caller.actor
    )
    return await _details(request)


@operation(
    Operation(
        tag=_TAG,
        request=CommentBody,
        responses={HTTPStatus.OK: ExceptionDetailsDocument},
        problems=(HTTPStatus.NOT_FOUND,),
    )
)
async def post_exception_comment(request: web.Request) -> web.Response:
    """Comment on an exception, open or closed."""
    context, caller = app_state(request).context, request[CALLER]
    exception_id = read_id(request.match_info["id"], field="exception_id")
    body = await read_model(request, CommentBody)
    await comment_exception(context, caller.organization_id, exception_id, text=body.text, actor=caller.actor)
    return await _details(request)


class AssignedDocument(Document):
    """The exceptions that have a new owner."""

    exception_ids: list[Text]


@operation(Operation(tag=_TAG, request=AssignBody, responses={HTTPStatus.OK: AssignedDocument}, problems=_REFUSED))
async def post_exception_assignment(request: web.Request) -> web.Response:
    """Give open exceptions an owner and a due time, all of them or none."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, AssignBody)
    ids = [read_id(text, field="exception_ids") for text in body.exception_ids]
    await assign_exceptions(
        context,
        caller.organization_id,
        ids,
        owner_id=PersonId(read_id(body.owner_id, field="owner_id")),
        due_at=None if body.due_at is None else read_time(body.due_at, field="due_at"),
        actor=caller.actor,
    )
    return json_response(AssignedDocument(exception_ids=[str(each) for each in ids]))


async def _details(request: web.Request) -> web.Response:
    context, caller = app_state(request).context, request[CALLER]
    exception_id = read_id(request.match_info["id"], field="exception_id")
    found = await find_exception(context, caller.organization_id, exception_id)
    return json_response(_details_document(found))


def _details_document(found: ExceptionDetails) -> ExceptionDetailsDocument:
    head = ExceptionDocument.model_validate(found.exception)
    return ExceptionDetailsDocument(
        **head.model_dump(),
        decisions=[ExceptionDecisionDocument.model_validate(each) for each in found.decisions],
        comments=[ExceptionCommentDocument.model_validate(each) for each in found.comments],
        assignments=[ExceptionAssignmentDocument.model_validate(each) for each in found.assignments],
    )


def _new_decision(body: DecideBody) -> NewDecision:
    return NewDecision(
        action=body.action,
        reason=body.reason,
        version=body.version,
        visit_id=None if body.visit_id is None else VisitId(read_id(body.visit_id, field="visit_id")),
        invoice_id=None if body.invoice_id is None else InvoiceId(read_id(body.invoice_id, field="invoice_id")),
        deposit_request_id=None
        if body.deposit_request_id is None
        else DepositRequestId(read_id(body.deposit_request_id, field="deposit_request_id")),
        payer=body.payer,
        guarantee_ids=[read_id(each, field="guarantee_ids") for each in body.guarantee_ids],
        amount=None if body.amount is None else dong(body.amount),
        bank_reference=body.bank_reference,
        way=body.way,
        due_on=None if body.due_on is None else read_day(body.due_on, field="due_on"),
        items=[(item.kind, read_id(item.id, field="items")) for item in body.items],
        destination=None
        if body.destination is None
        else BankDestination(
            bank_bin=body.destination.bank_bin,
            account_number=body.destination.account_number,
            holder=body.destination.holder,
        ),
    )
