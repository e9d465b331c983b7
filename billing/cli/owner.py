"""What the commands that set up share: they run as the owner, one short connection for each cell."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from billing.claims.service.setup import ClaimSetup
from billing.cli.cells import open_for_command, owner_cells
from billing.db.context import Ids, utc_now
from billing.db.database import Database, DatabaseLimits
from billing.organizations.service.setup import Setup
from billing.settings import Settings, load_settings

T = TypeVar("T")

OWNER_LIMITS = DatabaseLimits(connections_max=1)


def run_as_owner(config: Path | None, work: Callable[[Setup], Awaitable[T]]) -> T:
    """Set up an organization in its cell, with the owner's role. Needs VIENPHI_OWNER_URL."""
    settings = load_settings(config, needed=("owner_url",))
    return asyncio.run(_with_database(settings, lambda database: work(setup_of(database, settings))))


def run_claim_setup(config: Path | None, work: Callable[[ClaimSetup], Awaitable[T]]) -> T:
    """Set up what claims are checked with, with the owner's role. Needs VIENPHI_OWNER_URL."""
    return run_on_owner_database(config, lambda database: work(ClaimSetup(database, utc_now, Ids(utc_now))))


def run_on_owner_database(config: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    """Use the database of the cell of an organization with the owner's role. Needs VIENPHI_OWNER_URL."""
    return asyncio.run(_with_database(load_settings(config, needed=("owner_url",)), work))


def setup_of(database: Database, settings: Settings) -> Setup:
    """The set-up of organizations in a database."""
    return Setup(database, utc_now, Ids(utc_now), settings.providers.rules)


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    async with open_for_command(*owner_cells(settings), limits=OWNER_LIMITS, name="set-up") as database:
        return await work(database)
