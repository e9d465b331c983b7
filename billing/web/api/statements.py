"""Statements of ledger accounts: opening balance, movements and closing balance of a period.

GET  /v1/ledger/accounts/{role}/statement    ?subject ?first_day ?last_day ?cursor ?limit
"""

import base64
import binascii
import struct
from datetime import date
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import EntryId
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Side
from billing.ledger.domain.balances import StatementCursor, StatementLine
from billing.ledger.service.balances import read_statement_of_account
from billing.web.api.ledger import AccountDocument
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, Parameter, one_of, operation
from billing.web.pagination import InvalidQuery, read_day, read_limit, read_query
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, enum_schema

_PLACE = struct.Struct(">I16sI")  # the day as a count of days, the entry, the line


@with_config(EXACTLY)
class StatementLineDocument(TypedDict):
    """One movement, in đồng, on its side; `other` is the account on the other side."""

    accounting_date: str
    entry_id: str
    line: int
    kind: Annotated[str, enum_schema(EntryKind)]
    effective_at: str
    other: AccountDocument
    debit: int
    credit: int
    visit_id: str | None
    invoice_id: str | None
    payment_id: str | None


@with_config(EXACTLY)
class StatementDocument(TypedDict):
    """A page of a statement. `opening` and `closing` are the balances of the whole period, on the normal side."""

    account: AccountDocument
    number: str
    name: str
    normal_side: Annotated[str, enum_schema(Side)]
    first_day: str
    last_day: str
    opening: int
    closing: int
    lines: list[StatementLineDocument]
    next_cursor: str | None


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: StatementDocument},
        filters={
            "subject": "the account of the role, as in the balances; none for most roles",
            "first_day": Parameter(
                "first accounting date; without it, the first of the last day's month", format="date"
            ),
            "last_day": Parameter("last accounting date; without it, today", format="date"),
        },
        path={"role": one_of("what the account is for", AccountRole)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def get_statement(request: web.Request) -> web.Response:
    """Read the statement of an account over accounting dates, both ends included, in order."""
    context = app_state(request).context
    query = read_query(request, ("subject", "first_day", "last_day", "cursor", "limit"))
    last_day = read_day(query, "last_day") or business_date(context.clock())
    cursor = query.get("cursor")
    statement = await read_statement_of_account(
        context,
        request[CALLER].organization_id,
        AccountKey(_read_role(request.match_info["role"]), query.get("subject", "")),
        first_day=read_day(query, "first_day") or last_day.replace(day=1),
        last_day=last_day,
        after=None if cursor is None else _read_place(cursor),
        limit=read_limit(query),
    )
    account = statement.account
    document: StatementDocument = {
        "account": {"role": account.role, "subject": account.subject},
        "number": account.number,
        "name": account.name,
        "normal_side": account.normal_side.value,
        "first_day": statement.first_day.isoformat(),
        "last_day": statement.last_day.isoformat(),
        "opening": statement.opening,
        "closing": statement.closing,
        "lines": [_line(line) for line in statement.lines],
        "next_cursor": None if statement.next is None else _write_place(statement.next),
    }
    return json_response(document)


def _read_role(text: str) -> AccountRole:
    try:
        return AccountRole(text)
    except ValueError as cause:
        raise NotFound(f"there is no account of this role; roles are {', '.join(AccountRole)}", field="role") from cause


def _line(line: StatementLine) -> StatementLineDocument:
    return {
        "accounting_date": line.place.accounting_date.isoformat(),
        "entry_id": str(line.place.entry_id),
        "line": line.place.line,
        "kind": line.kind,
        "effective_at": line.effective_at.isoformat(),
        "other": {"role": line.other.role.value, "subject": line.other.subject},
        "debit": line.debit,
        "credit": line.credit,
        "visit_id": _text(line.visit_id),
        "invoice_id": _text(line.invoice_id),
        "payment_id": _text(line.payment_id),
    }


def _write_place(place: StatementCursor) -> str:
    content = _PLACE.pack(place.accounting_date.toordinal(), place.entry_id.bytes, place.line)
    return base64.urlsafe_b64encode(content).decode()


def _read_place(text: str) -> StatementCursor:
    try:
        day, entry_id, line = _PLACE.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
        place = StatementCursor(date.fromordinal(day), EntryId(UUID(bytes=entry_id)), line)
    except (binascii.Error, ValueError, OverflowError, struct.error) as cause:
        raise InvalidQuery("use a cursor exactly as returned", field="cursor") from cause
    if _write_place(place) != text or line > 2**31 - 1:
        raise InvalidQuery("use a cursor exactly as returned", field="cursor")
    return place


def _text(value: object) -> str | None:
    return None if value is None else str(value)
