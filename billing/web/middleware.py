"""Middleware: request id, log line and problem documents for every request; authentication below `/v1`."""

import time
from io import BytesIO

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bind_contextvars

from billing.organizations.domain.api_key import hash_secret
from billing.organizations.service.api_keys import Caller, NotAuthenticated
from billing.tracing import NO_SPAN, NoSpan, SpanFields, SpanKind, begin_trace, continue_trace, is_on
from billing.web.app_state import APP_STATE, CALLER, LOG_FIELDS, REQUEST_ID, RIGHTS, SCREEN_PATHS, STATE, app_state
from billing.web.big_documents import big_body, is_long_file
from billing.web.client_address import source_address
from billing.web.facility_limits import limit_answer, limit_request
from billing.web.metrics import KNOWN_METHODS, METRICS
from billing.web.operation import operation_of
from billing.web.pagination import read_query
from billing.web.problems import problem_of, write_problem
from billing.web.received_files import receive_file
from billing.web.screens.refusals import refusal

log = structlog.get_logger(__name__)

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@web.middleware
async def request_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost middleware: every request gets a response with an id, and one log line.

    The log line contains the route, never the path: paths and queries of callbacks may contain signatures.
    """
    started = time.perf_counter()
    request[STATE] = request.config_dict[APP_STATE]
    request_id = _request_id(request)
    request[REQUEST_ID] = request_id
    request[LOG_FIELDS] = {}
    # Requests of one connection follow each other in one context: the next one's id takes this one's place.
    bind_contextvars(request_id=request_id)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else None
    with _trace(request, route, request_id) as span:
        response = await _respond(request, handler, request_id)
        elapsed_s = time.perf_counter() - started
        _record(request, response, route, elapsed_s, span)
    return response


def _trace(request: web.Request, route: str | None, request_id: str) -> NoSpan:
    """The trace of a request. No client's `traceparent` is taken; a document worker takes that of its own parent."""
    if not is_on():
        return NO_SPAN
    method = request.method if request.method in KNOWN_METHODS else "other"
    name = f"{method} {route}" if route is not None else method
    fields = SpanFields(method=method, route=route or "none", request_id=request_id)
    if app_state(request).is_document_worker:
        return continue_trace(request.headers.get("traceparent"), name, SpanKind.SERVER, **fields)
    return begin_trace(name, SpanKind.SERVER, **fields)


async def _respond(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    """The response of the handler, or that of the error it raised."""
    try:
        if request.match_info.http_exception is not None or not request.path.startswith(_OWN_LIMITS):
            await _admit(request)
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - the last place that can answer; what is unforeseen is logged there
        is_page = _wants_page(request)
        response = refusal(request, error) if is_page else write_problem(problem_of(error), request_id=request_id)
    response.headers["X-Request-Id"] = request_id
    return response


def _record(
    request: web.Request, response: web.StreamResponse, route: str | None, elapsed_s: float, span: NoSpan
) -> None:
    """Record a response in metrics, trace and log."""
    metrics = request.config_dict[METRICS]
    metrics.record_request(method=request.method, route=route, status=response.status, seconds=elapsed_s)
    log_fields = request[LOG_FIELDS]
    span.set(status=response.status)
    organization_id = log_fields.get("organization")
    if isinstance(organization_id, int):
        span.set(organization_id=organization_id)
    if response.status >= 500:
        span.set(error=str(response.status))
    log.info(
        "request_answered",
        method=request.method,
        route=route,
        status=response.status,
        duration_ms=round(elapsed_s * 1000, 1),
        **log_fields,
    )


def _wants_page(request: web.Request) -> bool:
    """Whether a browser opens an address outside the interfaces of programs."""
    is_program = request.path.startswith(("/v1/", "/callbacks/"))
    return not is_program and "text/html" in request.headers.get("Accept", "")


def _request_id(request: web.Request) -> str:
    """A new id; in a document worker, the id of the forwarded request."""
    app = app_state(request)
    forwarded = request.headers.get("X-Request-Id") if app.is_document_worker else None
    return forwarded or str(app.context.ids.new())


_OWN_LIMITS = ("/v1/", "/callbacks/", "/pay/")
"""Handlers below these paths apply the anonymous limits themselves, after authentication or lookup."""

_CHEAP = frozenset({"/healthz", "/static/{name}"})
_DEAR_COST = 8


async def _admit(request: web.Request) -> None:
    """Limit public resources and unknown paths. Raises TooManyRequests."""
    anonymous = app_state(request).anonymous
    if request.match_info.http_exception is not None and not request.path.startswith("/v1/"):
        await anonymous.admit_miss(source_address(request))
    elif not request.path.startswith(_OWN_LIMITS):
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in request.config_dict[SCREEN_PATHS]:
            return  # The guard of the screens limits clients without a session.
        is_cheap = resource is not None and resource.canonical in _CHEAP
        await anonymous.admit_read(source_address(request), cost=1 if is_cheap else _DEAR_COST)


@web.middleware
async def authenticate_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Authenticate the key, check the right of the route, and store the caller in the request.

    Raises NotAuthenticated and NotPermitted.
    """
    caller = await caller_of(request)
    request[CALLER] = caller
    request[LOG_FIELDS]["organization"] = caller.organization_id
    right = request.config_dict[RIGHTS].get(request.match_info.handler)
    if right is not None:  # an unknown path is 404 for a valid key
        caller.require(right)
        if "facility_code" in request.match_info:
            caller.require_facility(request.match_info["facility_code"])
        _refuse_unknown_query(request)
        scope = await limit_request(request, caller)
        if scope is not None:
            return await limit_answer(request, caller, scope, await _answer(request, handler, is_known=True))
    return await _answer(request, handler, is_known=right is not None)


async def _answer(request: web.Request, handler: Handler, *, is_known: bool) -> web.StreamResponse:
    """The answer of the handler, or of a document worker for a big document."""
    app = app_state(request)
    if app.documents is not None and is_known:
        if is_long_file(request):
            with app.documents.receiving():
                async with receive_file(request, size_max=app.limits.statement_size_max) as file:
                    return await app.documents.forward(request, file)
        body = await big_body(request, app)
        if body is not None:
            return await app.documents.forward(request, BytesIO(body))
    return await handler(request)


def _refuse_unknown_query(request: web.Request) -> None:
    """Refuse query parameters where the operation has none; the others read theirs by name. Raises InvalidQuery."""
    described = operation_of(request.match_info.handler)
    if described.filters is None and described.query is None:
        read_query(request, ())


async def caller_of(request: web.Request) -> Caller:
    """The holder of the key that a request carries. Raises NotAuthenticated."""
    given = request.headers.getall("Authorization", [])
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        await app_state(request).anonymous.admit_miss(source_address(request))
        raise NotAuthenticated("send `Authorization: Bearer vp_…` with your key")
    return await _caller(request, key.strip())


async def _caller(request: web.Request, key: str) -> Caller:
    app = app_state(request)
    if app.keys.knows(key):
        return await app.keys.authenticate(key)
    return await app.anonymous.look_up(
        source_address(request),
        hash_secret(key),
        lambda: app.keys.authenticate(key),
        missing=NotAuthenticated("this key is not valid"),
    )


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Set the default security headers on every response; responses are not cacheable."""
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
