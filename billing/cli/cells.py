"""Which cells a command uses, and which of them answer.

A command that names an organization needs the cell of that organization only; a command about all of them does what it
can and then ends with `CellsAway`. With one cell nothing here adds a connection. Source: docs/decisions/0025-cells.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click
from pydantic import SecretStr

from billing.app import Service, open_service
from billing.cli.startup import NotMigrated, require_migrated
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.db.cells import CELLS, CellDatabase, CellsAway, cells_away, open_database
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.database import HOME, Database, DatabaseLimits
from billing.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_NO_OWNER_URL = "cells.{}.owner_url is not set"

Addresses = Mapping[str, str]
"""The address of the database of each cell, for one role; the first one is that of home."""


def cell_option(description: str) -> Callable[[F], F]:
    """The option that names one cell."""
    return click.option("--cell", metavar="NAME", help=f"{description} home is the first one.")


def app_cells(settings: Settings) -> Addresses:
    """The addresses for the app role."""
    return {HOME: _text(settings.database_url), **settings.cell_urls}


def owner_cells(settings: Settings) -> tuple[Addresses, Mapping[str, str]]:
    """The addresses for the owner's role, and the cells that have none, each with the reason."""
    addresses = {HOME: _text(settings.owner_url)}
    missing = {}
    for name, cell in settings.cells.items():
        if cell.owner_url is None:
            missing[name] = _NO_OWNER_URL.format(name)
        else:
            addresses[name] = cell.owner_url.get_secret_value()
    return addresses, missing


def choose_cells(addresses: Addresses, missing: Mapping[str, str], name: str | None) -> Addresses:
    """All cells, or the one that the option names. Raises InvalidValue for one without an address."""
    for each in (name,) if name is not None else (*addresses, *missing):
        if each in missing:
            raise InvalidValue(f"{missing[each]}; set it, or name another cell by --cell", field="cell")
        if each not in addresses:
            raise InvalidValue(f"there is no cell {each}; the setting cells has {', '.join(addresses)}", field="cell")
    return addresses if name is None else {name: addresses[name]}


def heading(settings: Settings, name: str) -> str:
    """The beginning of a line about one cell; nothing where there is one cell only."""
    return f"cell {name}: " if settings.cells else ""


async def find_away(addresses: Addresses, missing: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The cells that do not answer, each with the reason, besides those that are missing.

    Raises NotMigrated for a cell that lacks migrations, and DatabaseUnavailable where there is one cell, or no cell
    answers.
    """
    if len(addresses) == 1 and not missing:
        await require_migrated(next(iter(addresses.values())))
        return {}
    results = await asyncio.gather(*(require_migrated(each) for each in addresses.values()), return_exceptions=True)
    away = dict(missing or {})
    for name, result in zip(addresses, results, strict=True):
        if isinstance(result, DatabaseUnavailable):
            away[name] = result.detail
        elif isinstance(result, NotMigrated):
            raise NotMigrated(f"cell {name}: {result.detail}")
        elif result is not None:
            raise result
    if away.keys() >= addresses.keys():
        raise cells_away(away)
    return away


@asynccontextmanager
async def open_for_command(
    addresses: Addresses, missing: Mapping[str, str] | None = None, *, limits: DatabaseLimits, name: str
) -> AsyncIterator[Database]:
    """The database for a command, of every cell that answers. `name` is that of the command."""
    away = await find_away(addresses, missing)
    url, further = addresses[HOME], {each: address for each, address in addresses.items() if each != HOME}
    further |= dict.fromkeys(missing or (), "")  # they are away
    database = await open_database(url, further, away=away, limits=limits, application_name=f"vienphi {name}")
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_one_cell(url: str, settings: Settings, *, limits: DatabaseLimits, name: str) -> AsyncIterator[Database]:
    """The database of one cell alone; of several cells it checks that the organization of a transaction is there."""
    await require_migrated(url)
    is_cell = bool(settings.cells)
    database = await Database.open(
        url,
        limits=limits,
        application_name=f"vienphi {name} {CELLS}" if is_cell else f"vienphi {name}",
        is_cell=is_cell,
    )
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_command_service(settings: Settings, **options: Any) -> AsyncIterator[Service]:
    """The service for a command about one organization, whose cell has to answer. `options` are its own."""
    addresses = app_cells(settings)
    away = await find_away(addresses)
    async with open_service(addresses[HOME], cells=settings.cell_urls, cells_away=away, **options) as service:
        yield service


async def cell_of(database: Database, organization_id: OrganizationId) -> str:
    """The name of the cell that serves an organization."""
    return await database.name_of(organization_id) if isinstance(database, CellDatabase) else HOME


def require_all(database: Database) -> None:
    """End a command about all organizations that could not reach all of them. Raises CellsAway."""
    if isinstance(database, CellDatabase):
        require_none_away(database.away)


def require_none_away(away: Mapping[str, str]) -> None:
    """End a command about all cells that could not reach all of them. Raises CellsAway."""
    if away:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(away.items()))
        raise CellsAway(f"these cells were left out; repeat the command when they answer ({reasons})")


def _text(address: SecretStr | None) -> str:
    assert address is not None, "named as needed"
    return address.get_secret_value()
