"""Hand-overs of cash to the treasurer, and cash paid into a bank account.

POST /v1/hand-overs              {"shift_id", "amount", "notes"?}
GET  /v1/hand-overs              ?shift_id, ?state, ?from, ?to
POST /v1/hand-overs/{id}/accept
POST /v1/hand-overs/{id}/reject  {"reason"}
POST /v1/bank-deposits           {"amount", "bank_account_id", "slip"}
"""

from dataclasses import asdict
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

from billing.core.ids import ShiftId
from billing.core.money import dong
from billing.visit_accounts.domain.hand_over import HandOverState, NewBankDeposit
from billing.visit_accounts.service.hand_overs import (
    accept_hand_over,
    deposit_at_bank,
    find_hand_over,
    hand_over_cash,
    list_all_hand_overs,
    reject_hand_over,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_id, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, PageDocument, Text


class NewHandOver(Body):
    """Cash of your shift, in đồng, for the treasurer."""

    shift_id: str
    amount: int
    notes: str = ""


class HandOverRejection(Body):
    """Why the cash goes back."""

    reason: str


class BankDeposit(Body):
    """Cash of the safe, in đồng, that was paid into a bank account, with the number of the bank's slip."""

    amount: int
    bank_account_id: str
    slip: str


class HandOverDocument(Document):
    """Cash on its way to the treasurer; rejected cash is in the drawer of its desk again."""

    id: Text
    shift_id: Text
    amount: int
    state: HandOverState
    notes: str
    requested_by: Text
    requested_at: Text
    decision_reason: str
    decided_by: Text | None
    decided_at: Text | None


class BankDepositDocument(Document):
    """A recorded deposit of cash at a bank."""

    id: Text
    amount: int
    bank_account_id: Text
    slip: str


@operation(
    Operation(
        tag="cash-desk",
        request=NewHandOver,
        responses={HTTPStatus.CREATED: HandOverDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_hand_over(request: web.Request) -> web.Response:
    """Hand cash of your shift over to the treasurer."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewHandOver)
    sent_id = await hand_over_cash(
        context,
        caller.organization_id,
        ShiftId(read_id(body.shift_id, field="shift_id")),
        dong(body.amount),
        notes=body.notes,
        actor=caller.actor,
        request=idempotent_request,
    )
    return created_response(
        HandOverDocument.model_validate(await find_hand_over(context, caller.organization_id, sent_id)),
        idempotent_request,
        location="/v1/hand-overs",
    )


@operation(
    Operation(
        tag="cash-desk",
        responses={HTTPStatus.OK: PageDocument[HandOverDocument]},
        filters={"shift_id": "is of this shift", "state": one_of("its state", HandOverState), **DAY_FILTERS},
    )
)
async def get_hand_overs(request: web.Request) -> web.Response:
    """List hand-overs, the newest first."""
    page = read_page(request, filters=("shift_id", "state", *DAY_FILTERS))
    rows = await list_all_hand_overs(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        shift_id=read_filter_id(page, "shift_id", ShiftId),
        state=read_choice(page, "state", HandOverState),
    )
    return json_response(page_document(rows, page, HandOverDocument.model_validate))


_DECISION = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: HandOverDocument}, problems=_DECISION))
async def post_acceptance(request: web.Request) -> web.Response:
    """Accept cash that another person handed over; it is in the safe then."""
    context, caller, sent_id = app_state(request).context, request[CALLER], _hand_over_id(request)
    await accept_hand_over(context, caller.organization_id, sent_id, actor=caller.actor)
    return await _answer(request, sent_id)


@operation(
    Operation(
        tag="cash-desk",
        request=HandOverRejection,
        responses={HTTPStatus.OK: HandOverDocument},
        problems=(*_DECISION, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_hand_over_rejection(request: web.Request) -> web.Response:
    """Reject cash that another person handed over; it returns to the drawer of its desk."""
    context, caller, sent_id = app_state(request).context, request[CALLER], _hand_over_id(request)
    body = await read_model(request, HandOverRejection)
    await reject_hand_over(context, caller.organization_id, sent_id, reason=body.reason, actor=caller.actor)
    return await _answer(request, sent_id)


@operation(
    Operation(
        tag="cash-desk",
        request=BankDeposit,
        responses={HTTPStatus.CREATED: BankDepositDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_bank_deposit(request: web.Request) -> web.Response:
    """Record cash of the safe that was paid into a bank account."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, BankDeposit)
    new = NewBankDeposit(
        amount=dong(body.amount),
        bank_account_id=read_id(body.bank_account_id, field="bank_account_id"),
        slip=body.slip,
    )
    deposit_id = await deposit_at_bank(
        context, caller.organization_id, new, actor=caller.actor, request=idempotent_request
    )
    return created_response(
        BankDepositDocument.model_validate({"id": deposit_id, **asdict(new)}),
        idempotent_request,
        location="/v1/ledger/accounts/bank/statement",
    )


def _hand_over_id(request: web.Request) -> UUID:
    return read_id(request.match_info["id"], field="hand_over_id")


async def _answer(request: web.Request, sent_id: UUID) -> web.Response:
    found = await find_hand_over(app_state(request).context, request[CALLER].organization_id, sent_id)
    return json_response(HandOverDocument.model_validate(found))
