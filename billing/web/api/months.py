"""Months: their closing and their certificate.

GET  /v1/months
POST /v1/months/{month}/close
GET  /v1/months/{month}/certificate
"""

from datetime import date
from http import HTTPStatus

from aiohttp import web

from billing.reconciliation.domain.month_closing import MonthClosing, read_month
from billing.reconciliation.service.close_month import close_month, find_month_certificate, list_months
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, Parameter, operation
from billing.web.responses import json_response
from billing.web.schemas import Document, Text

BYTES = "application/octet-stream"

_MONTH = {"month": Parameter("YYYY-MM")}


class MonthDocument(Document):
    """A closed month: its closed days, their entries and the sum of their postings in đồng.

    `closed_by` is null where a command of the server closed it.
    """

    month: str
    closed_at: Text
    closed_by: Text | None
    days: int
    entries: int
    amount: int


class MonthsDocument(Document):
    """The closed months, the newest first."""

    months: list[MonthDocument]


@operation(Operation(tag="ledger", responses={HTTPStatus.OK: MonthsDocument}))
async def get_months(request: web.Request) -> web.Response:
    """List the closed months, the newest first."""
    found = await list_months(app_state(request).context, request[CALLER].organization_id)
    return json_response(MonthsDocument(months=[_document(each) for each in found]))


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: MonthDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        path=_MONTH,
    )
)
async def post_month_closing(request: web.Request) -> web.Response:
    """Close a month whose days are closed and whose statements are complete, permanently."""
    context, caller = app_state(request).context, request[CALLER]
    closing = await close_month(context, caller.organization_id, _read_month(request), actor=caller.actor)
    return json_response(_document(closing))


@operation(
    Operation(
        tag="ledger",
        responses={HTTPStatus.OK: Content(media_type=BYTES, description="JSON, for docs/verify_month.py")},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        path=_MONTH,
    )
)
async def get_month_certificate(request: web.Request) -> web.Response:
    """Download the certificate of a closed month, which names the certificate of each of its days."""
    month = _read_month(request)
    content = await find_month_certificate(app_state(request).context, request[CALLER].organization_id, month)
    name = f'attachment; filename="month-{month:%Y-%m}.json"'
    return web.Response(body=content, headers={"Content-Type": BYTES, "Content-Disposition": name})


def _read_month(request: web.Request) -> date:
    return read_month(request.match_info["month"])


def _document(closing: MonthClosing) -> MonthDocument:
    values = {name: getattr(closing, name) for name in MonthDocument.model_fields}
    return MonthDocument.model_validate({**values, "month": f"{closing.month:%Y-%m}"})
