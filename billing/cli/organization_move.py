"""`vienphi organization move`: move an organization to another cell while it is used."""

import asyncio
from pathlib import Path

import asyncpg
import click

from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.core.ids import OrganizationId
from billing.db.database import HOME
from billing.ops.move_sides import MoveIncomplete, MoveRefused, Side
from billing.ops.organization_move import STANDSTILL_MAX_S, MoveResult, cancel_move, find_source, move_organization
from billing.settings import Settings, load_settings


@click.command("move")
@click.argument("number", metavar="ORGANIZATION", type=ORGANIZATION_NUMBER)
@click.option("--to", "target", required=True, help="Name of the cell in the setting cells; home is the first.")
@click.option(
    "--standstill",
    type=click.FloatRange(0.1, 600),
    default=STANDSTILL_MAX_S,
    show_default=True,
    help="Seconds that the organization stands still at most; a longer comparison is given up.",
)
@click.option("--cancel", "is_cancelled", is_flag=True, help="Reverse an interrupted move that has not flipped yet.")
@click.pass_obj
def move(config: Path | None, *, number: int, target: str, standstill: float, is_cancelled: bool) -> None:
    """Move ORGANIZATION to another cell; it stands still for a short time at the end.

    Needs VIENPHI_ADMIN_URL and the admin_url of each cell (superusers), wal_level=logical in the old cell, and that
    every program knows the cells. Repeat the command after an interruption.
    Exit status 1 if it is refused or not complete.
    """
    organization_id = OrganizationId(number)
    sides = read_sides(load_settings(config, needed=("admin_url",)))
    if target not in sides:
        raise MoveRefused(f"there is no cell {target}; the setting cells has {', '.join(sides)}")
    try:
        result = asyncio.run(_move(organization_id, sides, sides[target], standstill, is_cancelled=is_cancelled))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MoveIncomplete(f"a connection was lost ({type(error).__name__}: {error}); repeat the command") from error
    if result is None:
        return
    click.echo(
        f"organization {number} is in {target}: {result.tables} tables, head of the seals {result.seal_number}"
        + ("" if result.standstill_s is None else f", {result.rows} rows, standstill {result.standstill_s:.3f} s")
    )


async def _move(
    organization_id: OrganizationId, sides: dict[str, Side], target: Side, standstill_s: float, *, is_cancelled: bool
) -> MoveResult | None:
    source = await find_source(organization_id, list(sides.values()), target)
    if is_cancelled:
        await cancel_move(organization_id, source, target, report=click.echo)
        return None
    return await move_organization(organization_id, source, target, report=click.echo, standstill_max_s=standstill_s)


def read_sides(settings: Settings) -> dict[str, Side]:
    """The superuser's address of every cell. Raises MoveRefused where one is missing."""
    assert settings.admin_url is not None, "named as needed"
    sides = {HOME: Side(HOME, settings.admin_url.get_secret_value())}
    for name, cell in settings.cells.items():
        if cell.admin_url is None:
            raise MoveRefused(f"admin_url of the cell {name} is missing")
        sides[name] = Side(name, cell.admin_url.get_secret_value())
    return sides
