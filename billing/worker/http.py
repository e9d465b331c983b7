"""The port of the worker: health, readiness and metrics, for the operator's own network. It takes no request in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from billing.ops.readiness import FINE, ReadinessCheck
from billing.payments.service.context import PaymentContext
from billing.worker.metrics import WorkerMetrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """Where the worker listens; the system chooses the port where it is 0."""

    host: str
    port: int


@asynccontextmanager
async def serving_metrics(
    context: PaymentContext, metrics: WorkerMetrics, address: WorkerAddress
) -> AsyncIterator[str]:
    """Answer `/healthz`, `/readyz` and `/metrics` until left; gives the address with the bound port."""
    readiness = ReadinessCheck(context)

    async def get_health(_request: web.Request) -> web.Response:
        return web.json_response({"status": FINE})

    async def get_readiness(_request: web.Request) -> web.Response:
        found = await readiness.check()
        return web.json_response(
            {
                "status": "ready" if found.is_ready else "not_ready",
                "database": found.database,
                "schema": found.schema,
                "partitions": found.partitions,
                "tasks": found.tasks,
                "cells": dict(found.cells),
            },
            status=HTTPStatus.OK if found.is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    async def get_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.write(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application(client_max_size=1024)
    application.router.add_get("/healthz", get_health)
    application.router.add_get("/readyz", get_readiness)
    application.router.add_get("/metrics", get_metrics)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
        bound = runner.addresses[0][1]
        at = f"http://[{address.host}]:{bound}" if ":" in address.host else f"http://{address.host}:{bound}"
        log.info("worker_port_opened", at=at)
        yield at
    finally:
        await runner.cleanup()
