"""Health: whether the process lives, and whether it can do its work. Asked by machines, so without a key."""

from http import HTTPStatus

from aiohttp import web
from typing_extensions import TypedDict

from billing.web.answers import json_answer
from billing.web.operations import Description, described
from billing.web.surroundings import surroundings


class HealthDocument(TypedDict):
    """The process lives."""

    status: str


class ReadinessDocument(TypedDict):
    """Whether the process can do its work, and a word for each part.

    `tasks` is `down` while a queue writer or a loop of this process has ended and is not started again yet.
    `stopped_accounts` are the ids of provider accounts that are told to try later, since too many of their deliveries
    could not be written; `silent_accounts` those that are not called for a while, since they failed several times in
    a row; `unusable_accounts` those whose provider cannot be made, with what is wrong. The others go on, so the process
    is ready all the same.
    """

    status: str
    database: str
    schema: str
    tasks: str
    stopped_accounts: list[str]
    silent_accounts: list[str]
    unusable_accounts: dict[str, str]


@described(Description(tag="health", answers={HTTPStatus.OK: HealthDocument}))
async def get_health(_request: web.Request) -> web.Response:
    """The process answers; nothing else is asked."""
    return json_answer({"status": "ok"})


@described(
    Description(
        tag="health",
        answers={HTTPStatus.OK: ReadinessDocument, HTTPStatus.SERVICE_UNAVAILABLE: ReadinessDocument},
    )
)
async def get_readiness(request: web.Request) -> web.Response:
    """200 where the database answers and has our schema, else 503; a word for each part either way."""
    around = surroundings(request)
    readiness = await around.readiness.ask()
    return json_answer(
        {
            "status": "ready" if readiness.is_ready else "not_ready",
            "database": readiness.database,
            "schema": readiness.schema,
            "tasks": readiness.tasks,
            "stopped_accounts": sorted(map(str, around.intake.throttled_accounts())),
            "silent_accounts": sorted(str(key) for key, line in around.lines().items() if line.is_stopped),
            "unusable_accounts": dict(around.context.accounts.unusable()),
        },
        status=HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )
