"""What must be done in time so that nothing stops: partitions are made months before rows need them."""

import asyncio
from datetime import timedelta

import structlog

from billing.domain.errors import BillingError
from billing.storage.database import Database
from billing.storage.organizations import make_partitions

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=12)


async def keep_up(database: Database) -> None:
    """Make partitions now and every twelve hours until cancelled; a failure is logged and tried again next time."""
    while True:
        try:
            async with database.installation(writing=True) as reader:
                await make_partitions(reader)
        except BillingError as error:
            log.warning("partitions_not_made", code=error.code)
        await asyncio.sleep(EVERY.total_seconds())
