"""`vienphi serve`: answer HTTP until stopped."""

import asyncio
from pathlib import Path

import click
import structlog

from billing.cli.startup import open_checked_service, start, stop_event
from billing.ops.maintenance import maintain
from billing.settings import Settings
from billing.web.server import serving

log = structlog.get_logger(__name__)


@click.command()
@click.pass_obj
def serve(config: Path | None) -> None:
    """Answer HTTP as the app role. Needs VIENPHI_DATABASE_URL and a migrated database.

    Rejects a role that owns tables or may change the journal, a server whose settings may lose a committed
    transaction, and a database restored into another cluster before `vienphi ledger rebase`.
    """
    asyncio.run(_serve(start(config)))


async def _serve(settings: Settings) -> None:
    async with (
        open_checked_service(settings) as service,
        serving(service.application, host=settings.host, port=settings.port) as bound,
    ):
        # Only once the port is ours: a process that cannot serve keeps nothing up.
        maintenance = service.context.background.start("maintenance", lambda: maintain(service.context.database))
        try:
            log.info("serving_started", at=bound)
            await stop_event().wait()
            log.info("serving_stopped")
        finally:
            await maintenance.stop()
