"""`vienphi worker`: do what time brings until told to stop."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

import click

from billing.app import find_secret, open_service
from billing.cli.serve import NotMigrated
from billing.logs import configure_logs
from billing.services.dispatching import Dispatch
from billing.settings import LogFormat, Settings, load_settings
from billing.storage.database import DatabaseLimits
from billing.storage.horizon import check_horizon
from billing.storage.migrator import pending
from billing.storage.walls import check_role
from billing.worker.running import Pace, run_worker
from billing.worker.sender import Sender, SenderLimits


@click.command()
@click.pass_obj
def worker(config: Path | None) -> None:
    """Ask, expire, tell endpoints, seal, keep balances and partitions. Needs VIENPHI_DATABASE_URL.

    Any number of workers may run; they share the work. Refuses a role and a server that `serve` refuses.
    """
    settings = load_settings(config, needed=("database_url",))
    configure_logs(is_json=settings.log_format is LogFormat.JSON)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    assert settings.database_url is not None, "named as needed"
    url = settings.database_url.get_secret_value()
    missing = await pending(url)
    if missing:
        raise NotMigrated(f"run vienphi migrate first; missing: {', '.join(missing)}")
    pool, webhooks = settings.pool, settings.webhooks
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    limits = SenderLimits(
        timeout_s=webhooks.timeout_s, allow_private=webhooks.allow_private, allow_http=webhooks.allow_http
    )
    async with open_service(
        url,
        database_limits=DatabaseLimits(connections_min=pool.connections_min, connections_max=pool.connections_max),
    ) as service:
        await check_role(service.context.database)
        await check_horizon(service.context.database)
        await run_worker(
            service.context,
            dispatch=Dispatch(
                send=Sender(limits).send,
                secret_of=find_secret,
                random=SystemRandom(),
                at_once=webhooks.at_once,
                claim=timedelta(seconds=2 * webhooks.timeout_s + 10),
            ),
            pace=Pace(**settings.worker.model_dump()),
            stop=stop,
            random=SystemRandom(),
        )
