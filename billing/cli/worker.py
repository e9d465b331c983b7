"""`vienphi worker`: run the scheduled work until stopped."""

import asyncio
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

import click

from billing.app import Service
from billing.cli.startup import open_checked_service, sender_limits, start, stop_event
from billing.core.ids import OrganizationId
from billing.logs import lines_lost
from billing.notifications.service.webhooks import Dispatch
from billing.ops.integration_folder import IntegrationFolder
from billing.secrets import find_secret
from billing.settings import Settings
from billing.worker.http import WorkerAddress
from billing.worker.metrics import WorkerMetrics
from billing.worker.running import Intervals, Monitoring, run_worker
from billing.worker.sender import Sender


@click.command()
@click.pass_obj
def worker(config: Path | None) -> None:
    """Poll payments, read feeds, expire intents, deliver webhooks, seal rows, write balances and make partitions.

    Needs VIENPHI_DATABASE_URL. Any number of workers may run; they share the work. Rejects a role and a server that
    `serve` rejects. With the setting worker_http.port it answers /healthz, /readyz and /metrics there.
    """
    asyncio.run(_work(start(config)))


async def _work(settings: Settings) -> None:
    stop = stop_event()
    webhooks = settings.webhooks
    async with open_checked_service(settings, name="vienphi-worker") as service:
        await run_worker(
            service.context,
            dispatch=Dispatch(
                send=Sender(sender_limits(webhooks)).send,
                secret_of=find_secret,
                random=SystemRandom(),
                at_once=webhooks.at_once,
                lease=timedelta(seconds=2 * webhooks.timeout_s + 10),
            ),
            intervals=Intervals(**settings.worker.model_dump()),
            stop=stop,
            random=SystemRandom(),
            listen=service.listen,
            retention=settings.retention.terms,
            folders=[
                IntegrationFolder(
                    organization_id=OrganizationId(each.organization), facility_code=each.facility, path=each.path
                )
                for each in settings.folders
            ],
            monitoring=_monitoring(settings, service),
        )


def _monitoring(settings: Settings, service: Service) -> Monitoring | None:
    """The port and the metrics of the worker; None where the operator wants none."""
    http = settings.worker_http
    if http.port is None:
        return None
    return Monitoring(
        WorkerAddress(http.host, http.port),
        WorkerMetrics(service.context.clock, provider_calls=service.provider_calls, log_lines_lost=lines_lost),
    )
