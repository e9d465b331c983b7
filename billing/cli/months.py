"""Commands of `vienphi ledger` for months: closing and certificate."""

import asyncio
from datetime import datetime
from pathlib import Path

import click

from billing.cli.cells import open_command_service
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.startup import seal_export_of
from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.transaction_ids import check_transaction_ids
from billing.ledger.service.seal_rows import seal_once
from billing.reconciliation.domain.month_closing import MonthClosing
from billing.reconciliation.service.close_month import close_month, find_month_certificate
from billing.settings import Settings, load_settings

_organization = click.option("--organization", type=ORGANIZATION_NUMBER, required=True, help="Number of the unit.")
_MONTH = click.DateTime(["%Y-%m"])


@click.command("close-month")
@click.argument("month", type=_MONTH)
@_organization
@click.pass_obj
def close_month_command(config: Path | None, month: datetime, organization: int) -> None:
    """Close a month permanently, as 2026-07, and print its totals. Needs VIENPHI_DATABASE_URL.

    Months close in order, once all of their days are closed and the statements of each bank account are complete.
    """
    closing = asyncio.run(_close(_settings(config), OrganizationId(organization), month))
    amount = f"{closing.amount:,}".replace(",", ".")
    click.echo(f"closed {closing.month:%Y-%m}: {closing.days} days, {closing.entries} entries moved {amount} đ")


@click.command("month-certificate")
@click.argument("month", type=_MONTH)
@_organization
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; without it, the output.")
@click.pass_obj
def month_certificate(config: Path | None, month: datetime, organization: int, output: Path | None) -> None:
    """Write the certificate of a closed month, which docs/verify_month.py checks. Needs VIENPHI_DATABASE_URL."""
    content = asyncio.run(_read(_settings(config), OrganizationId(organization), month))
    if output is None:
        click.echo(content.decode(), nl=False)
    else:
        output.write_bytes(content)


def _settings(config: Path | None) -> Settings:
    return load_settings(config, needed=("database_url",))


async def _close(settings: Settings, organization_id: OrganizationId, month: datetime) -> MonthClosing:
    async with open_command_service(settings, seal_export=seal_export_of(settings)) as service:
        for cell in service.context.database.cells:
            await check_transaction_ids(cell)
        closing = await close_month(service.context, organization_id, month.date(), actor=Actor.system())
        await seal_once(service.context, organization_id)
    return closing


async def _read(settings: Settings, organization_id: OrganizationId, month: datetime) -> bytes:
    async with open_command_service(settings) as service:
        return await find_month_certificate(service.context, organization_id, month.date())
