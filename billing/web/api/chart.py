"""The chart of accounts: numbers and names of ledger accounts from a day.

GET  /v1/ledger/chart
POST /v1/ledger/chart           {"role", "subject"?, "number", "name", "valid_from"}
"""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.ledger.domain.accounts import AccountKey, AccountRole
from billing.ops.approval_kinds import find_proposal
from billing.organizations.service.chart import ChartNumber, ProposedNumber, list_chart, propose_number
from billing.web.api.ledger import AccountDocument
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_day, read_model
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY


class NewNumber(Body):
    """The number and name of an account from a day that is not closed."""

    role: Annotated[AccountRole, Field(strict=False)]
    subject: str = Field(default="", max_length=200)
    number: str = Field(pattern=r"^[0-9]{3,9}$")
    name: str = Field(min_length=1, max_length=200)
    valid_from: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


@with_config(EXACTLY)
class NumberDocument(TypedDict):
    """The number and name of one account from a day, until the next number of the account."""

    account: AccountDocument
    number: str
    name: str
    valid_from: str


@with_config(EXACTLY)
class ChartDocument(TypedDict):
    """Every number of every account, by role, subject and day."""

    items: list[NumberDocument]


@operation(Operation(tag="ledger", responses={HTTPStatus.OK: ChartDocument}))
async def get_chart(request: web.Request) -> web.Response:
    """Read the chart of accounts with all its dated numbers."""
    rows = await list_chart(app_state(request).context, request[CALLER].organization_id)
    return json_response({"items": [_number(row) for row in rows]})


@operation(
    Operation(
        tag="ledger",
        request=NewNumber,
        responses={HTTPStatus.CREATED: ApprovalDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_chart_number(request: web.Request) -> web.Response:
    """Propose the number and name of a ledger account from a day. It takes effect after approval by another person."""
    app, caller = app_state(request), request[CALLER]
    body = await read_model(request, NewNumber)
    proposal_id = await propose_number(
        app.context,
        caller.organization_id,
        AccountKey(body.role, body.subject),
        ProposedNumber(number=body.number, name=body.name, valid_from=read_day(body.valid_from, field="valid_from")),
        actor=caller.actor,
    )
    found = await find_proposal(app.context, caller.organization_id, proposal_id)
    return json_response(approval_document(found), status=HTTPStatus.CREATED, location=f"/v1/approvals/{proposal_id}")


def _number(row: ChartNumber) -> NumberDocument:
    return NumberDocument(
        account=AccountDocument(role=row.account.role.value, subject=row.account.subject),
        number=row.number,
        name=row.name,
        valid_from=row.valid_from.isoformat(),
    )
