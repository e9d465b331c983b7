"""`vienphi organization roll-up`: what all organizations of all cells have reported, summed by day."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import click

from billing.cli.cells import app_cells, open_for_command, require_all
from billing.core.errors import InvalidValue
from billing.core.ids import OrganizationId
from billing.db.database import DatabaseLimits
from billing.ops.roll_up import Cursor, OrganizationSums, roll_up
from billing.ops.roll_up_rows import OutboxPosition
from billing.settings import Settings, load_settings


@click.command("roll-up")
@click.option(
    "--cursor",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File with the position for each organization; it is written after the sums are printed.",
)
@click.pass_obj
def roll_up_command(config: Path | None, file: Path) -> None:
    """Print the messages of every cell since the last time, one JSON object for each organization, day and topic.

    Needs VIENPHI_DATABASE_URL and the setting cells. Amounts are in đồng. Without the file, everything is printed.
    """
    settings = load_settings(config, needed=("database_url",))
    found, following = asyncio.run(_roll_up(settings, _read_cursor(file)))
    for each in found:
        for summed in each.sums:
            click.echo(
                json.dumps(
                    {
                        "organization_id": each.organization_id,
                        "day": summed.day.isoformat(),
                        "topic": summed.topic,
                        "messages": summed.messages,
                        "amount": summed.amount,
                    }
                )
            )
    _write_cursor(file, following)


async def _roll_up(settings: Settings, cursor: Cursor) -> tuple[Sequence[OrganizationSums], Cursor]:
    limits = DatabaseLimits(connections_max=1, statement_timeout_ms=600_000)
    async with open_for_command(app_cells(settings), limits=limits, name="roll-up") as database:
        require_all(database)
        return await roll_up(database, cursor)


def _read_cursor(file: Path) -> Cursor:
    """The positions of the file; none where there is no file. Raises InvalidValue."""
    if not file.exists():
        return {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return {
            OrganizationId(int(organization)): OutboxPosition(str(int(transaction)), UUID(message))
            for organization, (transaction, message) in stored.items()
        }
    except (ValueError, TypeError, AttributeError):
        raise InvalidValue(f"{file} is no cursor of a roll-up; move it away to begin again", field="cursor") from None


def _write_cursor(file: Path, cursor: Cursor) -> None:
    """Replace the file as a whole."""
    content = {str(each): [position.transaction_id, str(position.message_id)] for each, position in cursor.items()}
    written = file.with_name(f"{file.name}.new")
    written.write_text(json.dumps(content), encoding="utf-8")
    written.replace(file)
