"""Payers pay what they owe for guarantees: receivables with their age, money on receipts, credit, write-offs.

GET  /v1/guarantee-receivables
POST /v1/guarantee-payments               {"payer", "guarantee_ids"?, "amount"?, "parts": [as for a collection]}
GET  /v1/guarantee-payments
POST /v1/guarantee-payments/apply-credit  {"payer", "guarantee_ids"?}
POST /v1/guarantees/{id}/write-off        {"reason"}
"""

from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from uuid import UUID

from aiohttp import web
from pydantic import Field

from billing.core.money import dong
from billing.ops.approval_kinds import find_proposal
from billing.visit_accounts.domain.collection import Collection
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.guarantee_payments import (
    ReceivableFilter,
    list_guarantee_receivables,
    list_payments_of_payers,
    pay_with_payer_credit,
    propose_guarantee_write_off,
)
from billing.visit_accounts.service.receipts import find_receipt
from billing.web.api.collections import Part, read_parts
from billing.web.api.debts import WriteOff
from billing.web.api.receipts import ReceiptDocument, receipt_document
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import InvalidQuery, page_document, read_choice, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text

_TAG = "final-bills"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_DAYS_LENGTH_MAX = 5


class ListedState(StrEnum):
    """Which receivables a list has."""

    OWED = "owed"
    ALL = "all"


class NewGuaranteePayment(Body):
    """Money of a payer. Without `guarantee_ids` it pays all that the payer owes, first what was billed first.

    What no guarantee needs is credit of the payer. `amount`, where it is given, is the sum of the parts.
    """

    payer: str
    parts: list[Part]
    guarantee_ids: list[str] = Field(default_factory=list)
    amount: int | None = None


class CreditUse(Body):
    """The payer whose credit pays what it owes; without `guarantee_ids` for all guarantees."""

    payer: str
    guarantee_ids: list[str] = Field(default_factory=list)


class ReceivableDocument(Document):
    """What a payer owes for a guarantee, in đồng: billed − paid − written off. `id` is that of the guarantee.

    `age_days` counts from `billed_on`, the day of the first final bill that counted the guarantee.
    """

    id: Text
    visit_id: Text
    ma_lk: str
    payer: str
    reference: str
    billed_on: Text
    age_days: int
    billed: int
    paid: int
    written_off: int
    owed: int


class GuaranteePaymentDocument(Document):
    """Money of a payer, in đồng. `credit` is what no guarantee needs; `refunded` includes what is reserved."""

    id: Text
    payer: str
    method: str
    amount: int
    on_guarantees: int
    credit: int
    refunded: int
    receipt_id: Text | None
    recorded_at: Text


class PaidGuaranteesDocument(Document):
    """The ids of the guarantees that the credit has paid, whole or in part."""

    guarantee_ids: list[Text]


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[ReceivableDocument]},
        filters={
            "payer": "the payer, as its guarantees name it",
            "state": one_of("those that are owed, or all", ListedState),
            "age_days_min": "billed so many days ago or earlier",
        },
    )
)
async def get_guarantee_receivables(request: web.Request) -> web.Response:
    """List what payers owe for guarantees, the guarantee requested last first."""
    page = read_page(request, filters=("payer", "state", "age_days_min"))
    days = page.filters.get("age_days_min", "0")
    if not (days.isascii() and days.isdecimal() and len(days) <= _DAYS_LENGTH_MAX):
        raise InvalidQuery("age_days_min is a number of days", field="age_days_min")
    chosen = ReceivableFilter(
        payer=page.filters.get("payer"),
        is_owed=read_choice(page, "state", ListedState) is ListedState.OWED,
        age_days_min=int(days),
    )
    rows = await list_guarantee_receivables(
        app_state(request).context, request[CALLER].organization_id, page.slice, chosen
    )
    return json_response(page_document(rows, page, ReceivableDocument.model_validate))


@operation(
    Operation(
        tag=_TAG,
        request=NewGuaranteePayment,
        responses={HTTPStatus.CREATED: ReceiptDocument},
        problems=_REFUSED,
        is_creating=True,
    )
)
async def post_guarantee_payment(request: web.Request) -> web.Response:
    """Take money of a payer in your open shift, pay what it owes for guarantees, and issue the receipt."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewGuaranteePayment)
    collection = Collection(
        payer=" ".join(body.payer.split()),
        guarantee_ids=_guarantee_ids(body.guarantee_ids),
        parts=read_parts(body.parts, caller),
        amount=None if body.amount is None else dong(body.amount),
    )
    receipt_id = await collect_at_desk(
        context, caller.organization_id, collection, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        receipt_document(await find_receipt(context, caller.organization_id, receipt_id)),
        idempotent_request,
        location=f"/v1/receipts/{receipt_id}",
    )


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[GuaranteePaymentDocument]},
        filters={"payer": "the payer, as its guarantees name it"},
    )
)
async def get_guarantee_payments(request: web.Request) -> web.Response:
    """List money that payers paid for guarantees, with the credit that is left of it, the newest first."""
    page = read_page(request, filters=("payer",))
    rows = await list_payments_of_payers(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        payer=page.filters.get("payer"),
    )
    return json_response(page_document(rows, page, GuaranteePaymentDocument.model_validate))


@operation(Operation(tag=_TAG, request=CreditUse, responses={HTTPStatus.OK: PaidGuaranteesDocument}, problems=_REFUSED))
async def post_payer_credit(request: web.Request) -> web.Response:
    """Pay what a payer owes for guarantees with its credit, the oldest money first."""
    body, caller = await read_model(request, CreditUse), request[CALLER]
    paid = await pay_with_payer_credit(
        app_state(request).context,
        caller.organization_id,
        " ".join(body.payer.split()),
        _guarantee_ids(body.guarantee_ids),
        actor=caller.actor,
    )
    return json_response(PaidGuaranteesDocument.model_validate({"guarantee_ids": paid}))


@operation(Operation(tag=_TAG, request=WriteOff, responses={HTTPStatus.OK: ApprovalDocument}, problems=_REFUSED))
async def post_guarantee_write_off(request: web.Request) -> web.Response:
    """Propose to write off what a payer owes for a guarantee; it is written off when another person approves it."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, WriteOff)
    approval_id = await propose_guarantee_write_off(
        context,
        caller.organization_id,
        read_id(request.match_info["id"], field="guarantee_id"),
        reason=body.reason,
        actor=caller.actor,
    )
    return json_response(approval_document(await find_proposal(context, caller.organization_id, approval_id)))


def _guarantee_ids(texts: Sequence[str]) -> list[UUID]:
    return [read_id(text, field="guarantee_ids") for text in texts]
