"""`vienphi integration`: files of charges that systems without HTTP drop in a folder."""

import asyncio
from pathlib import Path

import click

from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.startup import open_checked_service, start
from billing.core.ids import OrganizationId
from billing.ops.integration_folder import FolderReader, IntegrationFolder
from billing.settings import Settings


@click.group()
def integration() -> None:
    """Messages of other systems."""


@integration.command()
@click.option("--organization", type=ORGANIZATION_NUMBER, required=True, help="Number of the tenant.")
@click.option("--facility", required=True, help="MA_CSKCB of the facility.")
@click.option("--quiet", type=click.FloatRange(0, 3600), default=5.0, help="Seconds without growth of a whole file.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_obj
def folder(config: Path | None, organization: int, facility: str, quiet: float, path: Path) -> None:
    """Process the CSV files of PATH once: one charge a row, columns named as the fields of the API.

    A file goes to done/, or to failed/ with a file that names row and column of each error. Needs VIENPHI_DATABASE_URL.
    The worker does the same at intervals for the folders in the settings (`folders`).
    """
    known = IntegrationFolder(organization_id=OrganizationId(organization), facility_code=facility, path=path)
    processed = asyncio.run(_read(start(config), known, quiet_s=quiet))
    click.echo(f"{processed} files processed")


async def _read(settings: Settings, known: IntegrationFolder, *, quiet_s: float) -> int:
    async with open_checked_service(settings, name="vienphi-integration") as service:
        reader = FolderReader(service.context, [known], quiet_s=quiet_s)
        processed = await reader.run_once()
        await asyncio.sleep(quiet_s)
        return processed + await reader.run_once()
