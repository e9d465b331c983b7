"""A captured request as a file: what an operator has from a log, a proxy or a bank's own support."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from billing.core.errors import InvalidValue
from billing.visits.formats.strict_json import read_object
from providers.contract import Callback

_KNOWN = frozenset(
    {"method", "path", "query", "headers", "body", "body_base64", "source_address", "received_at", "about"}
)


def read_captured(content: bytes, *, now: datetime) -> tuple[Callback, str]:
    """The callback of a captured request and its path; `now` is the time of receipt where the request has none.

    Raises InvalidValue.
    """
    request = read_object(content)
    unknown = sorted(set(request) - _KNOWN)
    if unknown:
        raise InvalidValue(f"a captured request has no {', '.join(unknown)}", field=unknown[0])
    path, _, query_of_path = _text(request, "path").partition("?")
    raw_query = _text(request, "query") or query_of_path
    received = _text(request, "received_at")
    try:
        received_at = datetime.fromisoformat(received) if received else now
        query = parse_qsl(raw_query, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise InvalidValue("received_at is a timestamp, query is percent-encoded UTF-8") from error
    if received_at.tzinfo is None:
        raise InvalidValue("received_at needs a zone", field="received_at")
    return (
        Callback(
            method=_text(request, "method") or "POST",
            path_suffix="/".join(path.strip("/").split("/")[3:]),
            raw_query=raw_query,
            query=query,
            headers=_headers(request.get("headers", {})),
            body=_body(request),
            source_address=_text(request, "source_address"),
            received_at=received_at,
        ),
        path,
    )


def _text(request: Mapping[str, object], name: str) -> str:
    value = request.get(name, "")
    if not isinstance(value, str):
        raise InvalidValue(f"{name} is a text", field=name)
    return value


def _headers(request: object) -> Sequence[tuple[str, str]]:
    pairs = list(request.items()) if isinstance(request, dict) else request
    if not isinstance(pairs, list):
        raise InvalidValue("headers are an object or a list of pairs", field="headers")
    found = []
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            raise InvalidValue("a header is a name and a text", field="headers")
        found.append((str(pair[0]).lower(), str(pair[1])))
    return found


def _body(request: Mapping[str, object]) -> bytes:
    if "body" in request and "body_base64" in request:
        raise InvalidValue("give body or body_base64, not both", field="body")
    try:
        return base64.b64decode(_text(request, "body_base64"), validate=True) or _text(request, "body").encode()
    except (binascii.Error, ValueError) as error:
        raise InvalidValue("body_base64 is not base64", field="body_base64") from error
