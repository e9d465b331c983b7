"""Find the requests with a big document: by the size of the body or of the stored document."""

from uuid import UUID

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.core.ids import InvoiceId, VisitId
from billing.ops.document_sizes import is_big_invoice, is_big_visit
from billing.visits.formats.strict_json import read_object
from billing.web.app_state import CALLER, AppState
from billing.web.request_bodies import BODY, read_body, read_id

BIG_BODY = 96 * 1024
"""A claim file or visit of this many bytes is big: some 100 lines, a tenth of a second of computing."""

_BY_BODY = frozenset({"/v1/visits", "/v1/quotes", "/v1/quotes/what-if", "/v1/claims/check"})
_ALWAYS = frozenset(
    {
        ("POST", "/v1/tariffs"),
        ("GET", "/v1/tariffs/{id}/changes"),
        ("POST", "/v1/match-runs"),
    }
)
"""A small workbook may contain a huge sheet; runs match all lines of files; the changes of a list compare two lists."""

_LONG_FILES = frozenset({"/v1/bank-statements", "/v1/settlements"})
_OF_VISIT = frozenset({"/v1/visits/{id}", "/v1/visits/{id}/claim-check"})
_OF_INVOICE = frozenset({"/v1/invoices/{id}", "/v1/invoices/{id}/claim.xml"})


def is_long_file(request: web.Request) -> bool:
    """Whether the body of a request is received into a file and handled by a document worker."""
    resource = request.match_info.route.resource
    return request.method == "POST" and resource is not None and resource.canonical in _LONG_FILES


async def big_body(request: web.Request, app: AppState) -> bytes | None:
    """Return the body of a request for a document worker (empty without a body), or None for other requests.

    A body that was read here is passed to the handler. Raises what `read_body` raises.
    """
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else ""
    method = "GET" if request.method == "HEAD" else request.method
    if (method, path) in _ALWAYS or (method == "POST" and path in _BY_BODY and _is_big(request)):
        return await read_body(request, size_max=app.limits.visit_size_max) if method == "POST" else b""
    if method == "GET" and (path in _OF_VISIT or path in _OF_INVOICE):
        return b"" if await _is_big_stored(request, app, path) else None
    if method == "POST" and path == "/v1/invoices":
        content = await read_body(request, size_max=app.limits.body_size_max)
        request[BODY] = content
        return content if await _is_of_big_visit(request, app, content) else None
    return None


def _is_big(request: web.Request) -> bool:
    return request.content_length is None or request.content_length >= BIG_BODY


async def _is_big_stored(request: web.Request, app: AppState, path: str) -> bool:
    organization_id = request[CALLER].organization_id
    try:
        named = read_id(request.match_info["id"], field="id")
    except BillingError:
        return False  # the handler reports it
    if path in _OF_VISIT:
        return await is_big_visit(app.context, organization_id, VisitId(named))
    return await is_big_invoice(app.context, organization_id, InvoiceId(named))


async def _is_of_big_visit(request: web.Request, app: AppState, content: bytes) -> bool:
    try:
        named = VisitId(UUID(str(read_object(content).get("visit_id"))))
    except (InvalidValue, ValueError):
        return False  # the handler reports the error
    return await is_big_visit(app.context, request[CALLER].organization_id, named)
