"""The Idempotency-Key of a creating request: reads the request with a hash of its body, marks a repeated response.

`db/idempotency.py` stores the request in the transaction of its use case and finds a repeat.
"""

import hashlib
import re

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.db.idempotency import IdempotentRequest
from billing.web.app_state import CALLER

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

_KEY = re.compile(r"[!-~]{1,255}")


class IdempotencyKeyMissing(InvalidValue):
    """A creating request without a key could create twice when it is sent again."""

    code = "idempotency_key_missing"


class IdempotencyKeyInvalid(InvalidValue):
    """A key is 1 to 255 visible ASCII characters, given once."""

    code = "idempotency_key_invalid"


def require_key(request: web.Request) -> str:
    """The key of a creating request. Raises IdempotencyKeyMissing, IdempotencyKeyInvalid."""
    given = request.headers.getall(HEADER, [])
    if not given or given == [""]:
        raise IdempotencyKeyMissing(f"send {HEADER}: a fresh random value for each new request, the same for a retry")
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise IdempotencyKeyInvalid(f"{HEADER} is 1 to 255 visible ASCII characters, given once")
    return given[0]


def read_idempotent_request(request: web.Request, key: str, content: bytes) -> IdempotentRequest:
    """The idempotent request: route, key, and a hash of media type, body, and what the path names."""
    resource = request.match_info.route.resource
    assert resource is not None, "a handler runs on a resource"
    sent = request.content_type.encode() + b"\n" + content
    if request.match_info:
        sent = request.path.encode() + b"\n" + sent
    return IdempotentRequest(
        caller=request[CALLER].name,
        route=f"{request.method} {resource.canonical}",
        key=key,
        request_hash=hashlib.sha256(sent).digest(),
    )


def repeat_headers(idempotent_request: IdempotentRequest) -> dict[str, str]:
    """The response header of a repeated request."""
    return {} if idempotent_request.earlier is None else {REPLAYED: "true"}
