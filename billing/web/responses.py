"""JSON responses: UTF-8, no floats, times in ISO 8601 with zone."""

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel

from billing.db.idempotency import IdempotentRequest
from billing.web.idempotency import repeat_headers
from billing.web.request_bodies import JSON


def json_response(
    document: Mapping[str, object] | BaseModel,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    location: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Build a response with a JSON object or a document. `location` is the path of the created resource."""
    return web.Response(
        status=status,
        body=_content(document).encode(),
        content_type=JSON,
        headers={**(headers or {}), **({} if location is None else {"Location": location})},
    )


def created_response(
    document: Mapping[str, object] | BaseModel, request: IdempotentRequest, *, location: str | None = None
) -> web.Response:
    """Answer a creating request: 201 with the created resource, the same document for a repeat, which is marked."""
    return json_response(document, status=HTTPStatus.CREATED, location=location, headers=repeat_headers(request))


def _content(document: Mapping[str, object] | BaseModel) -> str:
    if isinstance(document, BaseModel):
        return document.model_dump_json()
    return json.dumps(document, ensure_ascii=False, allow_nan=False, default=_fields)


def _fields(document: BaseModel) -> dict[str, object]:
    """The fields of a document, also of one inside another."""
    return document.model_dump()


def isoformat(timestamp: datetime | None) -> str | None:
    """A timestamp in ISO 8601; None stays None."""
    return None if timestamp is None else timestamp.isoformat()
