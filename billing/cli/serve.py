"""`vienphi serve`: answer HTTP until told to stop."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click
import structlog

from billing.app import open_service
from billing.domain.errors import Refused
from billing.logs import configure_logs
from billing.services.intake import IntakeLimits
from billing.services.upkeep import keep_up
from billing.settings import LogFormat, Settings, load_settings
from billing.storage.database import DatabaseLimits
from billing.storage.horizon import check_horizon
from billing.storage.migrator import pending
from billing.storage.walls import check_role
from billing.web.server import serving
from billing.web.surroundings import WebLimits

log = structlog.get_logger(__name__)


class NotMigrated(Refused):
    """The database lacks migrations of this version."""

    code = "not_migrated"


@click.command()
@click.pass_obj
def serve(config: Path | None) -> None:
    """Answer HTTP as the app role. Needs VIENPHI_DATABASE_URL and a migrated database.

    Refuses a role that owns tables or may change the journal, a server that may forget what it has committed, and a
    database restored into another cluster before `vienphi ledger rebase`.
    """
    settings = load_settings(config, needed=("database_url",))
    configure_logs(is_json=settings.log_format is LogFormat.JSON)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    assert settings.database_url is not None, "named as needed"
    url = settings.database_url.get_secret_value()
    missing = await pending(url)
    if missing:
        raise NotMigrated(f"run vienphi migrate first; missing: {', '.join(missing)}")
    lanes, pool = settings.lanes, settings.pool
    async with open_service(
        url,
        database_limits=DatabaseLimits(connections_min=pool.connections_min, connections_max=pool.connections_max),
        intake_limits=IntakeLimits(
            lanes=lanes.count, batch_max=lanes.batch_max, waiting_max=lanes.queue_max, wait_max_ms=lanes.wait_ms
        ),
        web_limits=WebLimits(
            visit_size_max=settings.visit_size_max,
            body_size_max=settings.body_size_max,
            callback_size_max=settings.callback_size_max,
        ),
        public_base_url=settings.public_base_url,
    ) as service:
        await check_role(service.context.database)
        await check_horizon(service.context.database)
        upkeep = asyncio.create_task(keep_up(service.context.database))
        try:
            async with serving(service.application, host=settings.host, port=settings.port) as bound:
                log.info("serving_started", at=bound)
                await _told_to_stop()
                log.info("serving_stopped")
        finally:
            upkeep.cancel()
            with suppress(asyncio.CancelledError):
                await upkeep


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    await stop.wait()
