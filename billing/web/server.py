"""The HTTP server: builds the application, opens and closes the socket."""

import gc
import logging
import operator
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from aiohttp import web, web_response

from billing.checkout.service.desk_phones import DeskPhones
from billing.ledger.service.xmin_monitor import XminMonitor
from billing.ops.process_metrics import ProviderCalls
from billing.ops.readiness import ReadinessCheck
from billing.organizations.service.api_keys import KeyRing
from billing.organizations.service.sessions import Hospitals
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake
from billing.visit_accounts.service.desk_screens import find_desk_versions
from billing.web.anonymous import AnonymousTraffic
from billing.web.app_state import APP_STATE, OPENAPI, RIGHTS, AppState, Networks, WebLimits
from billing.web.callbacks import CALLBACK_PATHS, add_callback_routes
from billing.web.document_workers import DocumentWorkers
from billing.web.live import DESKS, LiveHub, add_live_hub
from billing.web.metrics import METRICS, Metrics
from billing.web.middleware import add_security_headers, authenticate_caller, request_middleware
from billing.web.openapi import write_openapi
from billing.web.operation import PREFIX, Route
from billing.web.pages.pay.handlers import add_pay_routes
from billing.web.pages.static import STATIC_PATH, get_static
from billing.web.routes import API, OPEN
from billing.web.screens.guards import add_screens
from billing.web.screens.routes import SCREENS

_GC_THRESHOLD = 50_000
"""New objects that hold others, beyond those let go, before the youngest are looked through."""

# aiohttp sends its own and Python's version in every response, also for an unparsable request.
web_response.SERVER_SOFTWARE = "vienphi"  # type: ignore[attr-defined]  # not exported


def create_application(
    *,
    context: PaymentContext,
    intake: Intake,
    limits: WebLimits | None = None,
    live: LiveHub | None = None,
    trusted_proxies: Networks = (),
    documents: DocumentWorkers | None = None,
    is_document_worker: bool = False,
    provider_calls: ProviderCalls = dict,
    log_lines_lost: Callable[[], int] = int,
) -> web.Application:
    """Build the application. `intake` must be running while requests are served.

    `live` is the hub of open pages; the caller notifies it of changes. `trusted_proxies` may state the client address.
    `log_lines_lost` counts the log lines that the stream did not accept.
    """
    limits = limits or WebLimits()
    application = web.Application(middlewares=[request_middleware], client_max_size=limits.visit_size_max)
    app = AppState(
        context=context,
        intake=intake,
        keys=KeyRing(context),
        readiness=ReadinessCheck(context),
        desk_phones=DeskPhones(context),
        hospitals=Hospitals(context),
        limits=limits,
        trusted_proxies=trusted_proxies,
        provider_calls=provider_calls,
        anonymous=AnonymousTraffic(limits.anonymous),
        documents=documents,
        is_document_worker=is_document_worker,
    )
    application[APP_STATE] = app
    application.on_shutdown.append(_release_holds)
    application[METRICS] = metrics = Metrics(
        app.callbacks,
        provider_calls,
        restarts=context.background.restarts,
        log_lines_lost=log_lines_lost,
        unreachable=lambda: context.unreachable,
        dead_letters=lambda: intake.dead_letters,
    )
    intake.observe(metrics.record_batch)
    application.cleanup_ctx.append(_monitor_xmin)
    application.on_response_prepare.append(add_security_headers)
    application[RIGHTS] = {route.handler: route.right for route in API if route.right is not None}
    document: Callable[[], dict[str, Any]] = _openapi
    application[OPENAPI] = document
    for route in OPEN:
        _add(application, route)
    add_callback_routes(application)
    add_pay_routes(application)
    add_screens(application, SCREENS)
    application.router.add_get(STATIC_PATH, get_static)
    pages = live or LiveHub(context)
    desks = LiveHub(context, find=find_desk_versions, differs=operator.ne)
    pages.followers.append(desks)
    add_live_hub(application, pages)
    add_live_hub(application, desks, key=DESKS)
    application.add_subapp(PREFIX, _api())
    return application


@asynccontextmanager
async def serving(
    application: web.Application, *, host: str = "127.0.0.1", port: int = 0, is_shared: bool = False
) -> AsyncIterator[str]:
    """Serve until left; gives the address, with the port the system chose where `port` is 0.

    Leaving takes no further connection and lets requests under way finish, `shutdown_timeout_s` at most. Where the port
    `is_shared`, other processes of the same user listen on it too, and the system divides the connections.
    """
    application[OPENAPI]()  # before the first request: it takes a third of a second
    runner = _runner(application)
    await runner.setup()
    _tune_garbage_collector()
    try:
        await web.TCPSite(runner, host, port, reuse_port=is_shared or None).start()
        bound_port = runner.addresses[0][1]
        yield f"http://[{host}]:{bound_port}" if ":" in host else f"http://{host}:{bound_port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving_socket(application: web.Application, path: str) -> AsyncIterator[None]:
    """Serve on a unix socket until the context ends, for another process of the service."""
    runner = _runner(application)
    await runner.setup()
    try:
        await web.UnixSite(runner, path).start()
        yield
    finally:
        await runner.cleanup()


@cache
def _openapi() -> dict[str, Any]:
    """The document of all routes, built once in a process (0.4 s) before the first application serves.

    Commands that serve nothing never build it.
    """
    return write_openapi((*API, *OPEN), callbacks=CALLBACK_PATHS)


def _runner(application: web.Application) -> web.AppRunner:
    limits = application[APP_STATE].limits
    return web.AppRunner(
        application,
        access_log=None,
        logger=_connection_log(),
        handle_signals=False,
        auto_decompress=False,
        keepalive_timeout=limits.keepalive_timeout_s,
        lingering_time=limits.lingering_s,
        shutdown_timeout=limits.shutdown_timeout_s,
        max_line_size=limits.header_size_max,
        max_field_size=limits.header_size_max,
        max_headers=limits.headers_max,
    )


async def _release_holds(application: web.Application) -> None:
    application[APP_STATE].anonymous.close()


async def _monitor_xmin(application: web.Application) -> AsyncIterator[None]:
    context = application[APP_STATE].context
    monitor = XminMonitor(context.database)
    task = context.background.start("xmin", lambda: monitor.watch(application[METRICS].record_oldest_transaction_age))
    yield
    await task.stop()


def _tune_garbage_collector() -> None:
    """Leave what was imported out of every collection, and collect seldom: requests make few cycles, and a full
    collection in the middle of one is what its slowest callers wait for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 50)


def _api() -> web.Application:
    """The sub-application below `/v1`: every path, known or unknown, needs a key."""
    api = web.Application(middlewares=[authenticate_caller])
    for route in API:
        _add(api, replace(route, path=route.path.removeprefix(PREFIX)))
    return api


def _add(application: web.Application, route: Route) -> None:
    if route.method == "GET":
        application.router.add_get(route.path, route.handler)  # HEAD as well
    else:
        application.router.add_route(route.method, route.path, route.handler)


class _WithoutContent(logging.Filter):
    """Unparsable bytes may contain a key: log the error, never the bytes."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0] is not None:
            record.msg, record.args = "connection_failed: %s", (record.exc_info[0].__name__,)
            record.exc_info = None
        return True


def _connection_log() -> logging.Logger:
    connection_log = logging.getLogger("billing.web.connections")
    if not connection_log.filters:
        connection_log.addFilter(_WithoutContent())
    return connection_log
