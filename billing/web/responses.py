"""JSON responses: UTF-8, no floats, times in ISO 8601 with zone."""

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from billing.web.request_bodies import JSON


def json_response(
    document: Mapping[str, object],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    location: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Build a response with a JSON object. `location` is the path of the created resource."""
    return web.Response(
        status=status,
        body=json.dumps(document, ensure_ascii=False, allow_nan=False).encode(),
        content_type=JSON,
        headers={**(headers or {}), **({} if location is None else {"Location": location})},
    )


def isoformat(timestamp: datetime | None) -> str | None:
    """A timestamp in ISO 8601; None stays None."""
    return None if timestamp is None else timestamp.isoformat()
