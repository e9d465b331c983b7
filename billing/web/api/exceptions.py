"""Exceptions: disagreements that a person must decide, with reason, owner, age and due date.

GET  /v1/exceptions       ?state (open, closed), ?reason, ?from, ?to
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.payments.domain.exception import DEFAULT_POLICIES, ExceptionReason, ExceptionState
from billing.payments.service.lists import list_exceptions
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import DAY_FILTERS, InvalidQuery, page_document, read_choice, read_page
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY, PageDocument

REASONS = frozenset(reason.value for reason in DEFAULT_POLICIES)
"""Every reason that an exception may have."""


@with_config(EXACTLY)
class ExceptionDocument(TypedDict):
    """A disagreement. `age_s` counts seconds since it was opened; `amount` is what it is about, in whole đồng."""

    id: str
    reason: ExceptionReason
    state: ExceptionState
    amount: int
    account: str | None
    delivery_id: str | None
    payment_id: str | None
    intent_id: str | None
    owner_id: str | None
    opened_at: str
    due_at: str
    age_s: int
    is_overdue: bool


@operation(
    Operation(
        tag="exceptions",
        responses={HTTPStatus.OK: PageDocument[ExceptionDocument]},
        filters={
            "state": one_of("`open` is the default", ExceptionState),
            "reason": one_of("why it was opened", sorted(REASONS)),
            **DAY_FILTERS,
        },
    )
)
async def get_exceptions(request: web.Request) -> web.Response:
    """List exceptions, the newest first."""
    page = read_page(request, filters=("state", "reason", *DAY_FILTERS))
    reason = page.filters.get("reason")
    if reason is not None and reason not in REASONS:
        raise InvalidQuery(f"reason is one of {', '.join(sorted(REASONS))}", field="reason")
    context = app_state(request).context
    now = context.clock()
    rows = await list_exceptions(
        context,
        request[CALLER].organization_id,
        after=page.after,
        limit=page.limit + 1,
        state=read_choice(page, "state", ExceptionState) or ExceptionState.OPEN,
        reason=reason,
        opened_on=(page.first_day, page.last_day),
    )
    return json_response(page_document(rows, page, lambda row: _exception(row, now)))


def _exception(row: Mapping[str, Any], now: datetime) -> ExceptionDocument:
    return {
        "id": str(row["id"]),
        "reason": row["reason"],
        "state": row["state"],
        "amount": row["amount"],
        "account": row["account"],
        "delivery_id": _text(row["delivery_id"]),
        "payment_id": _text(row["payment_id"]),
        "intent_id": _text(row["intent_id"]),
        "owner_id": _text(row["owner_id"]),
        "opened_at": row["opened_at"].isoformat(),
        "due_at": row["due_at"].isoformat(),
        "age_s": max(0, int((now - row["opened_at"]).total_seconds())),
        "is_overdue": row["state"] == "open" and row["due_at"] < now,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
