"""What the commands that set up share: they run as the owner, one short connection each."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from billing.claims.service.setup import ClaimSetup
from billing.cli.startup import require_migrated
from billing.db.context import Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.setup import Setup
from billing.settings import load_settings
from providers.addresses import AddressRules

T = TypeVar("T")


def run_as_owner(config: Path | None, work: Callable[[Setup], Awaitable[T]]) -> T:
    """Do something with the owner's role. Needs VIENPHI_OWNER_URL."""
    settings = load_settings(config, needed=("owner_url",))
    assert settings.owner_url is not None, "named as needed"
    outgoing = settings.providers.rules
    return asyncio.run(_run(settings.owner_url.get_secret_value(), work, outgoing))


def run_claim_setup(config: Path | None, work: Callable[[ClaimSetup], Awaitable[T]]) -> T:
    """Set up what claims are checked with, with the owner's role. Needs VIENPHI_OWNER_URL."""
    settings = load_settings(config, needed=("owner_url",))
    assert settings.owner_url is not None, "named as needed"
    url = settings.owner_url.get_secret_value()
    return asyncio.run(_with_database(url, lambda database: work(ClaimSetup(database, utc_now, Ids(utc_now)))))


def run_on_owner_database(config: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    """Use the database with the owner's role. Needs VIENPHI_OWNER_URL."""
    settings = load_settings(config, needed=("owner_url",))
    assert settings.owner_url is not None, "named as needed"
    return asyncio.run(_with_database(settings.owner_url.get_secret_value(), work))


async def _run(url: str, work: Callable[[Setup], Awaitable[T]], outgoing: AddressRules) -> T:
    return await _with_database(url, lambda database: work(Setup(database, utc_now, Ids(utc_now), outgoing)))


async def _with_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    await require_migrated(url)
    database = await Database.open(url, limits=DatabaseLimits(connections_max=1))
    try:
        return await work(database)
    finally:
        await database.close()
