"""Changes of provider accounts: one person proposes, another approves.

POST /v1/account-changes                 {"account", "settings"?, "payee"?, "is_active"?}
GET  /v1/account-changes
GET  /v1/account-changes/{id}
"""

from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.organizations.service.account_changes import (
    AccountChange,
    ProposedChange,
    find_change,
    list_changes,
    propose_change,
)
from billing.organizations.service.approvals import ApprovalState
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import DecisionDocument, decision_document
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, read_choice, read_page, write_cursor
from billing.web.request_bodies import Body, read_id, read_model
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, PageDocument


class NewPayee(Body):
    """The bank account of the provider account."""

    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    holder: str = Field(min_length=1, max_length=70)


class NewAccountChange(Body):
    """A proposed change: changed settings (null removes a setting), bank account, activity."""

    account: str = Field(min_length=1, max_length=40)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=100)
    payee: NewPayee | None = None
    is_active: bool | None = None


@with_config(EXACTLY)
class SettingDocument(TypedDict):
    """A changed setting; null means not set."""

    name: str
    before: str | None
    after: str | None


@with_config(EXACTLY)
class PayeeDocument(TypedDict):
    """A bank account."""

    bank_bin: str
    account_number: str
    holder: str


@with_config(EXACTLY)
class AccountChangeDocument(TypedDict):
    """A change of a provider account. Its id is that of its approval."""

    id: str
    account: str
    settings: list[SettingDocument]
    payee: PayeeDocument | None
    is_active: bool
    approval: DecisionDocument


@operation(
    Operation(
        tag="accounts",
        request=NewAccountChange,
        responses={HTTPStatus.CREATED: AccountChangeDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_account_change(request: web.Request) -> web.Response:
    """Propose a change of a provider account. It takes effect after approval by another person."""
    app, caller = app_state(request), request[CALLER]
    body = await read_model(request, NewAccountChange)
    payee = body.payee
    change_id = await propose_change(
        app.context,
        caller.organization_id,
        body.account,
        ProposedChange(
            settings=body.settings,
            payee=None if payee is None else (payee.bank_bin, payee.account_number, payee.holder),
            is_active=body.is_active,
        ),
        actor=caller.actor,
    )
    found = await find_change(app.context, caller.organization_id, change_id)
    return json_response(_change(found), status=HTTPStatus.CREATED, location=f"/v1/account-changes/{change_id}")


@operation(
    Operation(
        tag="accounts",
        responses={HTTPStatus.OK: PageDocument[AccountChangeDocument]},
        filters={"state": one_of("the state of its approval", ApprovalState), **DAY_FILTERS},
    )
)
async def get_account_changes(request: web.Request) -> web.Response:
    """List changes of provider accounts, the newest first."""
    page = read_page(request, filters=("state", *DAY_FILTERS))
    rows = await list_changes(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        state=read_choice(page, "state", ApprovalState),
    )
    shown = rows[: page.limit]
    cursor = write_cursor(shown[-1].approval.id) if len(rows) > page.limit else None
    return json_response({"items": [_change(row) for row in shown], "next_cursor": cursor})


@operation(
    Operation(tag="accounts", responses={HTTPStatus.OK: AccountChangeDocument}, problems=(HTTPStatus.NOT_FOUND,))
)
async def get_account_change(request: web.Request) -> web.Response:
    """Read one change of a provider account."""
    change_id = read_id(request.match_info["id"], field="change_id")
    found = await find_change(app_state(request).context, request[CALLER].organization_id, change_id)
    return json_response(_change(found))


def _change(row: AccountChange) -> AccountChangeDocument:
    before, after = row.settings_before, row.settings
    differing = [name for name in sorted({**before, **after}) if before.get(name) != after.get(name)]
    return {
        "id": str(row.approval.id),
        "account": row.account_name,
        "settings": [
            {"name": name, "before": _text(before.get(name)), "after": _text(after.get(name))} for name in differing
        ],
        "payee": None
        if row.payee is None
        else {"bank_bin": row.payee[0], "account_number": row.payee[1], "holder": row.payee[2]},
        "is_active": row.is_active,
        "approval": decision_document(row.approval),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
