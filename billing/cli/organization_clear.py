"""`vienphi organization clear`: delete the rows that an organization has left in a cell."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import click

from billing.cli.cells import app_cells, open_for_command
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.organization_move import read_sides
from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.context import Ids, utc_now
from billing.db.database import DatabaseLimits
from billing.ledger.store.journal import write_audit
from billing.ops.move_sides import MoveIncomplete
from billing.ops.organization_clear import ClearRefused, clear_organization, find_serving
from billing.settings import Settings, load_settings

_LIMITS = DatabaseLimits(connections_max=1)


@click.command("clear")
@click.argument("number", metavar="ORGANIZATION", type=ORGANIZATION_NUMBER)
@click.option("--cell", required=True, help="Name of the cell that the organization has left.")
@click.option("--confirm", type=ORGANIZATION_NUMBER, help="The number again, in the place of the prompt.")
@click.pass_obj
def clear(config: Path | None, *, number: int, cell: str, confirm: int | None) -> None:
    """Delete the rows that ORGANIZATION has left in a cell, so that it may move back there.

    Compares them first with the cell that serves the organization, row by row. Needs VIENPHI_DATABASE_URL,
    VIENPHI_ADMIN_URL and the admin_url of each cell (superusers). The audit of the organization records it. Repeat the
    command after an interruption. Exit status 1 if it is refused or not complete.
    """
    settings = load_settings(config, needed=("database_url", "admin_url"))

    def confirms(rows: int) -> bool:
        typed = confirm
        if typed is None:
            typed = click.prompt(
                f"The {rows} rows in {cell} are deleted for good. Type the number of the organization", type=int
            )
        return typed == number

    try:
        deleted = asyncio.run(_clear(settings, OrganizationId(number), cell, confirms))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MoveIncomplete(f"a connection was lost ({type(error).__name__}: {error}); repeat the command") from error
    click.echo(f"organization {number}: {deleted} rows deleted in {cell}")


async def _clear(
    settings: Settings, organization_id: OrganizationId, cell: str, confirms: Callable[[int], bool]
) -> int:
    sides = read_sides(settings)
    if cell not in sides:
        raise ClearRefused(f"there is no cell {cell}; the setting cells has {', '.join(sides)}")
    serving = await find_serving(organization_id, sides[cell], sides)
    ids = Ids(utc_now)
    async with open_for_command(app_cells(settings), limits=_LIMITS, name="organization clear") as database:

        async def note(action: str) -> None:
            async with database.transaction(organization_id) as tx:
                subject = ("cell", ids.new())
                await write_audit(
                    tx, ids.new(), recorded_at=utc_now(), actor=Actor.system(), action=action, subject=subject
                )

        return await clear_organization(
            organization_id, sides[cell], serving, report=click.echo, confirm=confirms, note=note
        )
