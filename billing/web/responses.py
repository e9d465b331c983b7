"""Answers out: JSON in UTF-8, in which no number is a float, and moments in ISO 8601 with their zone."""

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
    """Answer with a JSON object; `location` is the address of what was made."""
    return web.Response(
        status=status,
        body=json.dumps(document, ensure_ascii=False, allow_nan=False).encode(),
        content_type=JSON,
        headers={**(headers or {}), **({} if location is None else {"Location": location})},
    )


def isoformat(moment: datetime | None) -> str | None:
    """A moment of an answer; None stays None."""
    return None if moment is None else moment.isoformat()
