"""Find money (tìm tiền về) by what a person knows of a transfer.

POST /v1/money-searches    {"first_day", "last_day", "amount"?, "paid_at"?, "code"?, "payer"?, "account"?}

The question is a body, so that no name or account stands in an address, which others log.
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.list_slice import day_begins, day_ends
from billing.core.money import dong
from billing.reconciliation.domain.money_search import MoneyKind, MoneyQuestion, Why
from billing.reconciliation.service.find_money import ShownMoney, find_money
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_day, read_model, read_time
from billing.web.responses import json_response
from billing.web.schemas import Document, Text


class MoneySearchBody(Body):
    """What is known: an amount, a piece of the code or text, the payer's name, the last digits of its account."""

    first_day: str
    last_day: str
    amount: int | None = None
    paid_at: str | None = None
    code: str = ""
    payer: str = ""
    account: str = ""


class FoundMoneyDocument(Document):
    """Money that agrees in `why`, in whole đồng. `payer` and `account_ending` are shortened.

    `is_time_known` is false where only the day of `occurred_at` is known.
    """

    kind: MoneyKind
    id: Text
    amount: int
    occurred_at: Text
    is_time_known: bool
    bank_reference: str
    reference_code: str
    unallocated: int
    exception_id: Text | None
    payer: str
    account_ending: str
    score: int
    why: list[Why]


class MoneySearchDocument(Document):
    """Results, the best first. `is_cut`: the period has more money than one search compares; narrow it."""

    found: list[FoundMoneyDocument]
    is_cut: bool


@operation(Operation(tag="exceptions", request=MoneySearchBody, responses={HTTPStatus.OK: MoneySearchDocument}))
async def post_money_search(request: web.Request) -> web.Response:
    """Find payments and open statement lines by what a person knows of a transfer."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, MoneySearchBody)
    question = MoneyQuestion(
        since=day_begins(read_day(body.first_day, field="first_day")),
        until=day_ends(read_day(body.last_day, field="last_day")),
        amount=None if body.amount is None else dong(body.amount),
        paid_at=None if body.paid_at is None else read_time(body.paid_at, field="paid_at"),
        fragment=body.code,
        payer=body.payer,
        account=body.account,
    )
    result = await find_money(context, caller.organization_id, question, actor=caller.actor)
    return json_response(MoneySearchDocument(found=[_document(each) for each in result.shown], is_cut=result.is_cut))


def _document(shown: ShownMoney) -> FoundMoneyDocument:
    money = shown.found.money
    return FoundMoneyDocument(
        kind=money.kind,
        id=str(money.id),
        amount=money.amount,
        occurred_at=money.occurred_at.isoformat(),
        is_time_known=money.is_time_known,
        bank_reference=money.bank_reference,
        reference_code=money.reference_code,
        unallocated=money.unallocated,
        exception_id=None if money.exception_id is None else str(money.exception_id),
        payer=shown.payer,
        account_ending=shown.account_ending,
        score=shown.found.score,
        why=list(shown.found.why),
    )
