"""`vienphi claim export`: the claim file of an issued invoice."""

import asyncio
import os
from pathlib import Path
from uuid import UUID

import click

from billing.claims.service.export import ExportedClaim, export_claim
from billing.cli.cells import open_command_service
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.core.actor import Actor
from billing.core.ids import InvoiceId, OrganizationId
from billing.settings import Settings, load_settings

_PERSONAL_FILE_MODE = 0o600


@click.command()
@click.option("--organization", type=ORGANIZATION_NUMBER, required=True, help="Number of the unit.")
@click.argument("invoice_id", type=click.UUID)
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A new file; only its owner may read it.",
)
@click.pass_obj
def export(config: Path | None, *, organization: int, invoice_id: UUID, file: Path) -> None:
    """Write XML1, XML2 and XML3 of an issued invoice to FILE, unsigned. Needs VIENPHI_DATABASE_URL.

    The file holds personal data: the export stands in the audit.
    """
    settings = load_settings(config, needed=("database_url",))
    if file.exists():
        raise click.ClickException(f"{file} is there already; take another name or move it away")
    exported = asyncio.run(_export(settings, OrganizationId(organization), InvoiceId(invoice_id)))
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PERSONAL_FILE_MODE)
        with os.fdopen(descriptor, "wb") as target:
            target.write(exported.content)
    except OSError as cause:
        raise click.ClickException(f"{file} cannot be written: {cause.strerror}") from cause
    click.echo(f"{file}: {len(exported.content)} bytes, not signed")


async def _export(settings: Settings, organization_id: OrganizationId, invoice_id: InvoiceId) -> ExportedClaim:
    async with open_command_service(settings) as service:
        return await export_claim(service.context, organization_id, invoice_id, actor=Actor.system())
