"""`vienphi settlement`: reports of providers about the payments that they pay out."""

from pathlib import Path

import click

from billing.cli.caller import run_as_caller
from billing.cli.import_output import import_line, progress_bar
from billing.cli.memory import memory_limited
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.file_import import ImportKind, SettlementRefused
from billing.reconciliation.service.import_settlement import (
    SettlementResult,
    import_settlement,
    preview_settlement,
)
from billing.reconciliation.service.import_statement import ImportProgress
from billing.reconciliation.service.list_imports import list_imports


@click.group()
def settlement() -> None:
    """Settlement files of providers. Needs VIENPHI_DATABASE_URL, and VIENPHI_KEY of a person with the role finance."""


@settlement.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--account", required=True, help="Name of the provider account that the file reports about.")
@click.option("--dry-run", is_flag=True, help="Print what the file holds and write nothing.")
@click.pass_obj
def import_(config: Path | None, *, file: Path, account: str, dry_run: bool) -> None:
    """Import FILE, the settlement file of a provider account.

    The file is imported whole or refused whole; a refused file is recorded. A file or a line that was imported before
    is recognised. An import that was cut off is repeated.
    """
    name = click.format_filename(file)

    async def work(context: PaymentContext, caller: Caller) -> SettlementResult:
        if dry_run:
            return await preview_settlement(context, caller.organization_id, stream, account_name=account)
        with progress_bar() as show:
            return await import_settlement(
                context,
                caller.organization_id,
                stream,
                account_name=account,
                file_name=file.name[:255],
                actor=caller.actor,
                on_progress=lambda stored, lines: show(ImportProgress(lines, stored, lines)),
            )

    try:
        with memory_limited(), file.open("rb") as stream:
            result = run_as_caller(config, Right.RECONCILE, work)
    except SettlementRefused as refusal:
        raise click.ClickException(f"{name}: {refusal.detail} [{refusal.code}]") from None
    if result.is_repeat:
        click.echo(f"{name}: imported before as {result.import_id}; nothing was written")
        return
    amount, fee = (f"{each:,}".replace(",", ".") for each in (result.amount, result.fee))
    click.echo(f"{name}: {result.lines} lines, sum {amount} đồng, fees {fee} đồng")
    if result.import_id is None:
        click.echo("dry run: nothing was written")
        return
    click.echo(f"{result.new_lines} new, {result.payouts} payouts became known; import {result.import_id}")


@settlement.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Files printed.")
@click.pass_obj
def list_(config: Path | None, *, limit: int) -> None:
    """List imported and refused settlement files, the newest first."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        part = ListSlice(limit=limit)
        for each in await list_imports(context, caller.organization_id, part, kind=ImportKind.SETTLEMENT):
            click.echo(import_line(each))

    run_as_caller(config, Right.READ_BOOKS, work)
