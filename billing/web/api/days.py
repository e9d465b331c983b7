"""Business days: their results by account, their closing and their certificate; the opening balances of the ledger.

GET  /v1/ledger/days/{day}
POST /v1/ledger/days/{day}/close
GET  /v1/ledger/days/{day}/certificate
POST /v1/ledger/opening-balances
"""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.core.ids import OrganizationId
from billing.core.money import DONG_MAX, Dong
from billing.ledger.domain.accounts import AccountRole, DayState
from billing.ops.approval_kinds import find_proposal
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.day_result import AccountDay, AccountKind, BridgeItem, DayResult, ItemKind
from billing.reconciliation.domain.opening_balance import BALANCES_MAX, OpeningRow
from billing.reconciliation.service.close_day import close_day, find_certificate, find_results
from billing.reconciliation.service.opening_balances import propose_opening_balances
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Content, Operation, Parameter, operation
from billing.web.request_bodies import Body, read_day, read_model
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, enum_schema

BYTES = "application/octet-stream"

ITEMS_MAX = 1_000
"""Items of one account in an answer; the certificate has all of them."""

_DAY = {"day": Parameter("the business day", format="date")}


@with_config(EXACTLY)
class DayItemDocument(TypedDict):
    """Why two balances differ, in đồng. `item_id` is the statement line, settlement line, payment or entry."""

    kind: Annotated[str, enum_schema(ItemKind)]
    item_id: str | None
    amount: int


@with_config(EXACTLY)
class AccountDayDocument(TypedDict):
    """The result of one account, in đồng. `items` are the first of `item_count`; `reasons` keep it incomplete."""

    account_kind: Annotated[str, enum_schema(AccountKind)]
    account_id: str
    name: str
    result: Annotated[str, enum_schema(DayResult)]
    statement_closing: int | None
    ledger_balance: int
    residual: int
    open_exceptions: int
    item_count: int
    items: list[DayItemDocument]
    reasons: list[str]


@with_config(EXACTLY)
class DayDocument(TypedDict):
    """A business day with the results of its accounts. `reasons` keep the whole day incomplete."""

    day: str
    state: Annotated[str, enum_schema(DayState)]
    result: Annotated[str, enum_schema(DayResult)]
    reasons: list[str]
    accounts: list[AccountDayDocument]


class NewOpeningBalance(Body):
    """The opening balance of one account, by role and subject or by its number; negative for a credit balance."""

    role: Annotated[AccountRole, Field(strict=False)] | None = None
    subject: str = Field(default="", max_length=200)
    number: str = Field(default="", max_length=9)
    amount: int = Field(ge=-DONG_MAX, le=DONG_MAX)


class NewOpeningBalances(Body):
    """The opening balances of the ledger before the first business day; they sum to zero."""

    first_day: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    balances: list[NewOpeningBalance] = Field(min_length=2, max_length=BALANCES_MAX)


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: DayDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        path=_DAY,
    )
)
async def get_day(request: web.Request) -> web.Response:
    """Read the results of a business day: as they are now, or as it was closed."""
    return json_response(await _day(app_state(request).context, request[CALLER].organization_id, _read_day(request)))


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: DayDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
        path=_DAY,
    )
)
async def post_day_closing(request: web.Request) -> web.Response:
    """Close a business day that is over, permanently; an earlier day is closed first."""
    context, caller, day = app_state(request).context, request[CALLER], _read_day(request)
    await close_day(context, caller.organization_id, day, actor=caller.actor)
    return json_response(await _day(context, caller.organization_id, day))


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: Content(media_type=BYTES, description="JSON, for docs/verify_day.py")},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
        path=_DAY,
    )
)
async def get_day_certificate(request: web.Request) -> web.Response:
    """Download the certificate of a closed day, which a third party checks without this service."""
    day = _read_day(request)
    content = await find_certificate(app_state(request).context, request[CALLER].organization_id, day)
    name = f'attachment; filename="day-{day.isoformat()}.json"'
    return web.Response(body=content, headers={"Content-Type": BYTES, "Content-Disposition": name})


@operation(
    Operation(
        tag="ledger",
        request=NewOpeningBalances,
        responses={HTTPStatus.CREATED: ApprovalDocument},
        problems=(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_opening_balances(request: web.Request) -> web.Response:
    """Propose the opening balances of the ledger. They are posted when another person approves them."""
    app, caller = app_state(request), request[CALLER]
    body = await read_model(request, NewOpeningBalances)
    rows = [
        OpeningRow(row=row, role=each.role or "", subject=each.subject, number=each.number, amount=Dong(each.amount))
        for row, each in enumerate(body.balances, start=1)
    ]
    first_day = read_day(body.first_day, field="first_day")
    proposal_id = await propose_opening_balances(
        app.context, caller.organization_id, rows, first_day=first_day, actor=caller.actor
    )
    found = await find_proposal(app.context, caller.organization_id, proposal_id)
    return json_response(approval_document(found), status=HTTPStatus.CREATED, location=f"/v1/approvals/{proposal_id}")


def _read_day(request: web.Request) -> date:
    return read_day(request.match_info["day"], field="day")


async def _day(context: PaymentContext, organization_id: OrganizationId, day: date) -> DayDocument:
    state, results = await find_results(context, organization_id, day)
    return DayDocument(
        day=day.isoformat(),
        state=state.value,
        result=results.result.value,
        reasons=[str(each) for each in results.blockers],
        accounts=[_account(each) for each in results.accounts],
    )


def _account(account: AccountDay) -> AccountDayDocument:
    return AccountDayDocument(
        account_kind=account.kind.value,
        account_id=str(account.account_id),
        name=account.name,
        result=account.result.value,
        statement_closing=account.statement_closing,
        ledger_balance=account.ledger_balance,
        residual=account.residual,
        open_exceptions=account.open_exceptions,
        item_count=len(account.items),
        items=[_item(each) for each in account.items[:ITEMS_MAX]],
        reasons=[str(each) for each in account.blockers],
    )


def _item(item: BridgeItem) -> DayItemDocument:
    return DayItemDocument(
        kind=item.kind.value, item_id=None if item.item_id is None else str(item.item_id), amount=item.amount
    )
