"""Callbacks as they were answered: read one, list those that could not be written, replay one of these.

GET  /v1/callbacks              those that wait, the oldest first
GET  /v1/callbacks/{id}
POST /v1/callbacks/{id}/retry
"""

from http import HTTPStatus

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.domain.ids import DeliveryId
from billing.services.replaying import DeliveryAnswered, PoisonRow, find_delivery, list_poison, replay
from billing.web.answers import json_answer, moment_text
from billing.web.bodies import read_id
from billing.web.documents import EXACTLY, PageDocument
from billing.web.operations import Description, described
from billing.web.pagination import read_page, write_cursor
from billing.web.surroundings import CALLER, surroundings

_WAITING, _REPLAYED, _ANSWERED = "waiting", "replayed", "answered"


@with_config(EXACTLY)
class CallbackDocument(TypedDict):
    """A verified delivery. `state` is `answered`, `waiting` (it could not be written) or `replayed`.

    `verdict` and `receipt_id` are what the provider was told once it was written; `fault` is what kept it from that.
    """

    id: str
    account: str
    received_at: str
    state: str
    verdict: str | None
    receipt_id: str | None
    notices: int | None
    fault: str | None
    replayed_at: str | None
    replayed_as: str | None


@with_config(EXACTLY)
class RetryDocument(TypedDict):
    """What became of a delivery that was replayed."""

    verdict: str
    receipt_id: str


@described(Description(tag="callbacks", answers={HTTPStatus.OK: PageDocument[CallbackDocument]}, filters={}))
async def get_callbacks(request: web.Request) -> web.Response:
    """List callbacks that could not be written and wait to be replayed, the oldest first."""
    page = read_page(request)
    after = None if page.after is None else DeliveryId(page.after)
    context, organization_id = surroundings(request).context, request[CALLER].organization_id
    rows = await list_poison(context, organization_id, after=after, limit=page.limit)
    # The longest page may be the last: an empty one follows then.
    return json_answer(
        {
            "items": [_waiting(row) for row in rows],
            "next_cursor": write_cursor(rows[-1].id) if len(rows) == page.limit else None,
        }
    )


@described(Description(tag="callbacks", answers={HTTPStatus.OK: CallbackDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_callback(request: web.Request) -> web.Response:
    """Read one callback as it was answered, or as it waits."""
    delivery_id = DeliveryId(read_id(request.match_info["id"], field="delivery_id"))
    found = await find_delivery(surroundings(request).context, request[CALLER].organization_id, delivery_id)
    return json_answer(_waiting(found) if isinstance(found, PoisonRow) else _answered(found))


@described(
    Description(
        tag="callbacks",
        answers={HTTPStatus.OK: RetryDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
)
async def post_retry(request: web.Request) -> web.Response:
    """Apply a callback that could not be written, now that what was wrong is mended."""
    caller = request[CALLER]
    delivery_id = DeliveryId(read_id(request.match_info["id"], field="delivery_id"))
    answer = await replay(surroundings(request).context, caller.organization_id, delivery_id, actor=caller.actor)
    return json_answer({"verdict": answer.verdict.value, "receipt_id": str(answer.receipt_id)})


def _answered(row: DeliveryAnswered) -> CallbackDocument:
    return {
        "id": str(row.id),
        "account": row.account_name,
        "received_at": row.received_at.isoformat(),
        "state": _ANSWERED,
        "verdict": row.verdict,
        "receipt_id": str(row.receipt_id),
        "notices": row.notices,
        "fault": None,
        "replayed_at": None,
        "replayed_as": None,
    }


def _waiting(row: PoisonRow) -> CallbackDocument:
    return {
        "id": str(row.id),
        "account": row.account_name,
        "received_at": row.received_at.isoformat(),
        "state": _WAITING if row.replayed_at is None else _REPLAYED,
        "verdict": None,
        "receipt_id": None,
        "notices": None,
        "fault": row.fault,
        "replayed_at": moment_text(row.replayed_at),
        "replayed_as": None if row.replayed_as is None else str(row.replayed_as),
    }
