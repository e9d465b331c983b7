"""Health and readiness of the process, without a key."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from typing_extensions import TypedDict

from billing.ops.readiness import FINE, find_account_ids
from billing.web.app_state import app_state
from billing.web.middleware import caller_of
from billing.web.operation import Operation, operation
from billing.web.responses import json_response
from billing.web.schemas import enum_schema


class HealthDocument(TypedDict):
    """The process is alive."""

    status: Annotated[str, enum_schema((FINE,))]


class ReadinessDetails(TypedDict):
    """Details of the failing parts, with a key: tasks of the process, partitions, accounts of the key's organization.

    `cells` has each of several cells, `ok` or the code of its fault; it is empty where there is one.

    Accounts are given by their ids. `throttled_accounts` are answered "try later", because too many of their
    deliveries could not be written. `circuit_open_accounts` are not called after several failures in a row.
    `unusable_accounts` have invalid settings, with the reason. The other accounts work, so the process is ready.
    `task_restarts` counts restarted tasks.
    """

    cells: dict[str, str]
    missing_partitions: list[str]
    tasks_down: list[str]
    task_restarts: dict[str, int]
    throttled_accounts: list[str]
    circuit_open_accounts: list[str]
    unusable_accounts: dict[str, str]


class ReadinessDocument(TypedDict):
    """The readiness of the process and of each part: `ok`, or the code of the fault.

    `schema` is `ok` also where the database has later migrations that are stated to be compatible with this version.
    `partitions` is `missing` where rows of now have none, `ending` where those of next week have none. `tasks` is
    `down` while a queue writer or a loop of this process has ended and is not started again yet. `accounts` is
    `degraded` where a provider account is throttled, has an open circuit or is unusable. `details` need a key; null
    without one.
    """

    status: Annotated[str, enum_schema(("ready", "not_ready"))]
    database: str
    schema: str
    partitions: Annotated[str, enum_schema((FINE, "ending", "missing", "unknown"))]
    tasks: Annotated[str, enum_schema((FINE, "down"))]
    accounts: Annotated[str, enum_schema((FINE, "degraded"))]
    details: ReadinessDetails | None


@operation(Operation(tag="health", responses={HTTPStatus.OK: HealthDocument}))
async def get_health(_request: web.Request) -> web.Response:
    """Return 200 while the process is alive."""
    return json_response({"status": "ok"})


@operation(
    Operation(
        tag="health",
        responses={HTTPStatus.OK: ReadinessDocument, HTTPStatus.SERVICE_UNAVAILABLE: ReadinessDocument},
        problems=(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),  # of a wrong key; without one there are no details
    )
)
async def get_readiness(request: web.Request) -> web.Response:
    """Return 200 where the process is ready, else 503, with a status for each part; details with a key."""
    app = app_state(request)
    readiness = await app.readiness.check()
    throttled = app.intake.throttled_accounts()
    circuit_open = {key for key, stats in app.provider_calls().items() if stats.is_circuit_open}
    unusable = dict(app.context.accounts.unusable())
    details: ReadinessDetails | None = None
    if readiness.database == FINE and "Authorization" in request.headers:
        organization_id = (await caller_of(request)).organization_id
        own = await find_account_ids(app.context, organization_id)
        details = {
            "cells": dict(readiness.cells),
            "missing_partitions": list(readiness.missing_partitions),
            "tasks_down": list(readiness.tasks_down),
            "task_restarts": dict(app.context.background.restarts()),
            "throttled_accounts": sorted(str(key) for key in throttled & own),
            "circuit_open_accounts": sorted(str(key) for key in circuit_open & own),
            "unusable_accounts": {
                name: reason for name, reason in unusable.items() if name.startswith(f"{organization_id}/")
            },
        }
    return json_response(
        {
            "status": "ready" if readiness.is_ready else "not_ready",
            "database": readiness.database,
            "schema": readiness.schema,
            "partitions": readiness.partitions,
            "tasks": readiness.tasks,
            "accounts": "degraded" if throttled or circuit_open or unusable else FINE,
            "details": details,
        },
        status=HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )
