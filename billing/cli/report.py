"""`vienphi report`: listings of the books, as files for a spreadsheet."""

import sys
from datetime import datetime
from pathlib import Path

import click

from billing.cli.caller import run_as_caller
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.listing import Period
from billing.reconciliation.service.listings import LISTINGS, FileFormat, ListingFile, export_listing

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def report() -> None:
    """Reports of the books: listings that equal the ledger."""


@report.command("list")
def list_reports() -> None:
    """List the reports with their columns."""
    for listing in LISTINGS.values():
        click.echo(f"{listing.name}  {listing.title}")
        click.echo(f"    {', '.join(each.name for each in listing.columns)}")


@report.command()
@click.argument("name", type=click.Choice(list(LISTINGS)), metavar="NAME")
@click.option("--from", "first_day", type=_DAY, required=True, help="First accounting date, as 2026-07-01.")
@click.option("--to", "last_day", type=_DAY, required=True, help="Last accounting date, as 2026-07-31.")
@click.option(
    "--format", "file_format", type=click.Choice([each.value for each in FileFormat]), default="csv", show_default=True
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; without it, the output.")
@click.pass_obj
def export(
    config: Path | None, *, name: str, first_day: datetime, last_day: datetime, file_format: str, output: Path | None
) -> None:
    """Export the report NAME of a period. Needs VIENPHI_DATABASE_URL and VIENPHI_KEY.

    `vienphi report list` prints the names.
    """
    if output is None and file_format == FileFormat.XLSX and sys.stdout.isatty():
        raise click.UsageError("an XLSX file needs --output")
    period = Period(first_day.date(), last_day.date())

    async def work(context: PaymentContext, caller: Caller) -> ListingFile:
        return await export_listing(context, caller.organization_id, name, period, FileFormat(file_format))

    file = run_as_caller(config, Right.READ_BOOKS, work)
    if output is None:
        click.echo(file.content, nl=False)
    else:
        output.write_bytes(file.content)
