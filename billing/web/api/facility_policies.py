"""How a facility reads what the law leaves open, set by two persons.

GET  /v1/readings                          what can be chosen, and the doubt behind it
POST /v1/facility-readings                 {"facility", "valid_from", "readings"}
GET  /v1/facility-readings                 ?facility
GET  /v1/facility-readings/{id}
POST /v1/facility-readings/{id}/approve
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.coverage.domain.policy import Policy
from billing.coverage.domain.policy_options import Reading, all_readings
from billing.coverage.formats.policy_json import write_readings
from billing.coverage.service.facility_policies import (
    approve_proposed_readings,
    find_readings,
    list_all_readings,
    propose_readings,
)
from billing.web.app_state import CALLER, app_state
from billing.web.idempotency import repeat_headers
from billing.web.operation import Operation, operation
from billing.web.pagination import page_document, read_page
from billing.web.price_documents import by_language
from billing.web.request_bodies import Body, read_day, read_id, read_idempotent
from billing.web.responses import isoformat, json_response
from billing.web.schemas import EXACTLY, PageDocument


class NewReadings(Body):
    """The whole set for visits admitted from a day on: texts by name; a reading that is not named is the default."""

    facility: str = Field(min_length=1, max_length=20)
    valid_from: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    readings: dict[str, str]


@with_config(EXACTLY)
class ReadingsDocument(TypedDict):
    """A set of readings; it holds once `approved_by` is another person than `proposed_by`."""

    id: str
    facility: str
    valid_from: str
    readings: dict[str, str]
    proposed_by: str
    proposed_at: str
    approved_by: str | None
    approved_at: str | None


@with_config(EXACTLY)
class ReadingDocument(TypedDict):
    """One reading: its rule, the doubt, its values with what each means, or how a value is written."""

    name: str
    rule: str
    title: dict[str, str]
    doubt: dict[str, str]
    default: str
    choices: dict[str, dict[str, str]]
    form: dict[str, str] | None


@with_config(EXACTLY)
class CatalogueDocument(TypedDict):
    """Every reading a facility can choose."""

    items: list[ReadingDocument]


@operation(Operation(tag="readings", responses={HTTPStatus.OK: CatalogueDocument}))
async def get_catalogue(_request: web.Request) -> web.Response:
    """List what a facility can choose where the law leaves a reading open."""
    defaults = write_readings(Policy())
    return json_response({"items": [_reading(each, defaults[each.name]) for each in all_readings().values()]})


@operation(
    Operation(
        tag="readings",
        request=NewReadings,
        responses={HTTPStatus.CREATED: ReadingsDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        is_creating=True,
    )
)
async def post_readings(request: web.Request) -> web.Response:
    """Propose how a facility reads what the law leaves open; another person must approve it."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewReadings)
    readings_id = await propose_readings(
        app.context,
        caller.organization_id,
        facility_code=body.facility,
        valid_from=read_day(body.valid_from, field="valid_from"),
        readings=body.readings,
        actor=caller.actor,
        request=idempotent_request,
    )
    row = await find_readings(app.context, caller.organization_id, readings_id)
    return json_response(
        _readings(row),
        status=HTTPStatus.CREATED,
        location=f"/v1/facility-readings/{readings_id}",
        headers=repeat_headers(idempotent_request),
    )


@operation(
    Operation(
        tag="readings",
        responses={HTTPStatus.OK: PageDocument[ReadingsDocument]},
        filters={"facility": "the facility's MA_CSKCB"},
    )
)
async def get_all_readings(request: web.Request) -> web.Response:
    """List sets of readings and proposals, the newest first."""
    page = read_page(request, filters=("facility",))
    rows = await list_all_readings(
        app_state(request).context,
        request[CALLER].organization_id,
        after=page.after,
        limit=page.limit + 1,
        facility_code=page.filters.get("facility"),
    )
    return json_response(page_document(rows, page, _readings))


@operation(Operation(tag="readings", responses={HTTPStatus.OK: ReadingsDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_readings(request: web.Request) -> web.Response:
    """One set of readings as it stands now."""
    return await _answer(request, _id(request))


@operation(
    Operation(
        tag="readings",
        responses={HTTPStatus.OK: ReadingsDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_readings_approval(request: web.Request) -> web.Response:
    """Agree with a set of readings as another person than the one who proposed it."""
    caller, readings_id = request[CALLER], _id(request)
    context = app_state(request).context
    await approve_proposed_readings(context, caller.organization_id, readings_id, actor=caller.actor)
    return await _answer(request, readings_id)


def _id(request: web.Request) -> UUID:
    return read_id(request.match_info["id"], field="readings_id")


async def _answer(request: web.Request, readings_id: UUID) -> web.Response:
    row = await find_readings(app_state(request).context, request[CALLER].organization_id, readings_id)
    return json_response(_readings(row))


def _readings(row: Mapping[str, Any]) -> ReadingsDocument:
    return {
        "id": str(row["id"]),
        "facility": row["facility_code"],
        "valid_from": row["valid_from"].isoformat(),
        "readings": dict(row["readings"]),
        "proposed_by": row["proposed_by"],
        "proposed_at": row["proposed_at"].isoformat(),
        "approved_by": row["approved_by"],
        "approved_at": isoformat(row["approved_at"]),
    }


def _reading(reading: Reading, default: str) -> ReadingDocument:
    return {
        "name": reading.name,
        "rule": reading.rule,
        "title": by_language(reading.title),
        "doubt": by_language(reading.doubt),
        "default": default,
        "choices": {value: by_language(words) for value, words in reading.choices.items()},
        "form": None if reading.form is None else by_language(reading.form),
    }
