"""`vienphi recover`: after a restore to an earlier point in time."""

import asyncio
from datetime import datetime
from pathlib import Path

import click

from billing.cli.cells import open_command_service
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.core.clock import VIETNAM
from billing.core.ids import OrganizationId
from billing.db.transaction_ids import check_transaction_ids
from billing.ops.recovery import Recovery, describe_steps
from billing.ops.recovery import recover as recover_organization
from billing.settings import Settings, load_settings


@click.command()
@click.option("--organization", type=ORGANIZATION_NUMBER, required=True, help="Number of the unit.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    required=True,
    help="The point in time of the restored state, in Vietnam, as 2026-07-31T14:00.",
)
@click.pass_obj
def recover(config: Path | None, organization: int, since: datetime) -> None:
    """After a restore: poll providers and feeds about what happened since, and print the next steps.

    Needs VIENPHI_DATABASE_URL and the secrets of the providers. May be repeated: nothing is booked twice.
    """
    settings = load_settings(config, needed=("database_url",))
    restored_at = since.replace(tzinfo=VIETNAM)
    found = asyncio.run(_recover(settings, OrganizationId(organization), restored_at))
    for line in describe_steps(found, restored_at):
        click.echo(line)


async def _recover(settings: Settings, organization_id: OrganizationId, since: datetime) -> Recovery:
    async with open_command_service(settings, outgoing=settings.providers.rules) as service:
        for cell in service.context.database.cells:
            await check_transaction_ids(cell)
        return await recover_organization(service.context, organization_id, since=since)
