"""Maintenance: partitions are made months before rows need them."""

import asyncio
from datetime import timedelta

import structlog

from billing.db.database import Database
from billing.db.partitions import make_partitions

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=12)
AFTER_FAILURE = timedelta(minutes=1)


async def maintain(database: Database) -> None:
    """Make partitions now and every twelve hours until cancelled; after a failure a minute later."""
    while True:
        try:
            await make_partitions_once(database)
            pause = EVERY
        except Exception as error:
            log.warning("partitions_not_made", error=type(error).__name__, exc_info=error)
            pause = AFTER_FAILURE
        await asyncio.sleep(pause.total_seconds())


async def make_partitions_once(database: Database) -> None:
    """Make the partitions that are missing, up to three months ahead, in every cell.

    A cell that does not answer stops no other; the error of the first one is raised afterwards.
    """
    results = await asyncio.gather(*(_make_partitions(cell) for cell in database.cells), return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


async def _make_partitions(cell: Database) -> None:
    async with cell.system_transaction(writing=True) as reader:
        await make_partitions(reader)
