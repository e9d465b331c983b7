"""Card terminals and their daily batches.

POST /v1/card-terminals     {"facility_code", "name", "terminal_number", "bank_account_id"}
GET  /v1/card-terminals
POST /v1/card-batches       {"terminal_id", "day", "batch_number", "slips": [{"approval_code", "amount"}] or "count",
                             "gross", "fee", "net"}
GET  /v1/card-batches/{id}
"""

from collections import Counter
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator

from billing.core.errors import InvalidValue
from billing.core.money import Dong, dong
from billing.visit_accounts.domain.card_batch import SlipDifference
from billing.visit_accounts.service.card_batches import (
    NewBatch,
    NewTerminal,
    add_card_terminal,
    find_batch,
    list_card_terminals,
    record_batch,
)
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_day, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, Text


class NewCardTerminal(Body):
    """A terminal with the number that the acquirer knows it by, and the bank account that its batches come to."""

    facility_code: str
    name: str
    terminal_number: str
    bank_account_id: str


class Slip(Body):
    """One card payment of a batch, in đồng."""

    approval_code: str
    amount: int


class NewCardBatch(Body):
    """A daily batch as the acquirer states it, in đồng: with its slips, or with their count."""

    terminal_id: str
    day: str
    batch_number: str
    gross: int
    fee: int
    net: int
    slips: list[Slip] | None = None
    count: int | None = None


class CardTerminalDocument(Document):
    """A card terminal of a facility."""

    id: Text
    facility_id: Text
    name: str
    terminal_number: str
    bank_account_id: Text | None


class CardTerminalListDocument(Document):
    """Every card terminal of the organization."""

    items: list[CardTerminalDocument]


class SlipDifferenceDocument(Document):
    """A difference between our slips and the batch, in đồng; `other_total` concerns all slips of the day."""

    kind: SlipDifference
    approval_code: str
    ours: int
    theirs: int


class CardBatchDocument(Document):
    """A batch; `slips` is their number. Slips that agree are in the batch."""

    id: Text
    terminal_id: Text
    day: Annotated[str, BeforeValidator(str)]
    batch_number: str
    slips: int
    gross: int
    fee: int
    net: int
    recorded_by: Text
    recorded_at: Text
    differences: list[SlipDifferenceDocument]


@operation(
    Operation(
        tag="cash-desk",
        request=NewCardTerminal,
        responses={HTTPStatus.CREATED: CardTerminalDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_card_terminal(request: web.Request) -> web.Response:
    """Add a card terminal; its payments are on an account of their own until the bank credits them."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewCardTerminal)
    new = NewTerminal(
        facility_code=body.facility_code,
        name=body.name,
        terminal_number=body.terminal_number,
        bank_account_id=read_id(body.bank_account_id, field="bank_account_id"),
    )
    terminal_id = await add_card_terminal(
        context, caller.organization_id, new, actor=caller.actor, request=idempotent_request
    )
    [terminal] = await list_card_terminals(context, caller.organization_id, terminal_id)
    return created_response(
        CardTerminalDocument.model_validate(terminal), idempotent_request, location="/v1/card-terminals"
    )


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: CardTerminalListDocument}))
async def get_card_terminals(request: web.Request) -> web.Response:
    """List the card terminals."""
    found = await list_card_terminals(app_state(request).context, request[CALLER].organization_id)
    return json_response(CardTerminalListDocument(items=[CardTerminalDocument.model_validate(each) for each in found]))


@operation(
    Operation(
        tag="cash-desk",
        request=NewCardBatch,
        responses={HTTPStatus.CREATED: CardBatchDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_card_batch(request: web.Request) -> web.Response:
    """Record the daily batch of a terminal and compare it with our slips."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewCardBatch)
    batch_id = await record_batch(
        context, caller.organization_id, _read_batch(body), actor=caller.actor, request=idempotent_request
    )
    return created_response(
        CardBatchDocument.model_validate(await find_batch(context, caller.organization_id, batch_id)),
        idempotent_request,
        location=f"/v1/card-batches/{batch_id}",
    )


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: CardBatchDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_card_batch(request: web.Request) -> web.Response:
    """Read a batch with its differences."""
    batch_id = read_id(request.match_info["id"], field="batch_id")
    batch = await find_batch(app_state(request).context, request[CALLER].organization_id, batch_id)
    return json_response(CardBatchDocument.model_validate(batch))


def _read_batch(body: NewCardBatch) -> NewBatch:
    gross, fee = dong(body.gross, field="gross"), dong(body.fee, field="fee")
    if body.net != gross - fee:
        raise InvalidValue("net is gross less fee", field="net")
    if (body.slips is None) == (body.count is None):
        raise InvalidValue("send the slips of the batch, or their count", field="slips")
    return NewBatch(
        terminal_id=read_id(body.terminal_id, field="terminal_id"),
        day=read_day(body.day, field="day"),
        batch_number=body.batch_number,
        count=len(body.slips) if body.slips is not None else body.count or 0,
        gross=gross,
        fee=fee,
        slips=None if body.slips is None else _read_slips(body.slips),
    )


def _read_slips(slips: list[Slip]) -> dict[str, Dong]:
    twice = [code for code, times in Counter(slip.approval_code for slip in slips).items() if times > 1]
    if twice:
        raise InvalidValue(f"approval code {twice[0][:40]} stands twice in the batch", field="slips")
    return {slip.approval_code: dong(slip.amount, field="slips") for slip in slips}
