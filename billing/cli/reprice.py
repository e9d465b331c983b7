"""`vienphi reprice`: recompute issued invoices with the running code, draft parameters or a draft price list."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from billing.cli.cells import app_cells, open_for_command, require_none_away
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.reprice_output import InvoiceRows, JsonLines, LineRows, Output, TextOutput
from billing.core.ids import OrganizationId
from billing.coverage.domain.parameters import read_parameters
from billing.db.cells import CellDatabase
from billing.db.database import HOME
from billing.invoices.domain.invoice_diff import Totals
from billing.invoices.service.reprice import (
    REPRICING_LIMITS,
    Period,
    WorkerProcesses,
    read_drafted_list,
    reprice_invoices,
)
from billing.invoices.service.reprice_batch import Draft
from billing.settings import Settings, load_settings
from billing.tariffs.domain.tariff import TariffId

_WORKERS_MAX = 64
_day = click.DateTime(["%Y-%m-%d"])
_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--parameters", type=_file, help="Draft parameters, a file in the form of parameters.toml.")
@click.option("--tariff", type=click.UUID, help="A price list, as a draft, by its id; needs --organization.")
@click.option("--from", "first", type=_day, help="First business date of issue. [default: from the beginning]")
@click.option("--to", "last", type=_day, help="Last business date of issue. [default: until now]")
@click.option("--organization", type=ORGANIZATION_NUMBER, help="Number of the unit. [default: all]")
@click.option("--workers", type=click.IntRange(1, _WORKERS_MAX), help="Processes that price. [default: one a core]")
@click.option("--lines-csv", type=_file, help="Write every changed line into this file.")
@click.option("--visits-csv", type=_file, help="Write every changed invoice into this file.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON lines: one for each changed invoice, the sums last.")
@click.pass_obj
def reprice(
    config: Path | None,
    *,
    parameters: Path | None,
    tariff: UUID | None,
    first: datetime | None,
    last: datetime | None,
    organization: int | None,
    workers: int | None,
    lines_csv: Path | None,
    visits_csv: Path | None,
    is_json: bool,
) -> None:
    """Reprice issued invoices from their price snapshots; nothing is written to the database.

    Without a draft every invoice must recompute to itself: exit status 1 if any does not. With --parameters or --tariff
    the output lists who would have paid more or less; a price list applies to the whole period, whatever its first day,
    but not to invoices that the hospital's system priced. Needs VIENPHI_DATABASE_URL; the auditor's role is enough with
    --organization and without the setting cells: it may not list the units. Exit status 1 without --organization where
    a cell does not answer; the invoices of the others are repriced.
    """
    period = Period(first=None if first is None else first.date(), last=None if last is None else last.date())
    if tariff is not None and organization is None:
        raise click.UsageError("--tariff needs --organization: a price list is of one unit")
    draft = None if parameters is None and tariff is None else Draft(parameters=_read_draft_parameters(parameters))
    settings = load_settings(config, needed=("database_url",))
    with ExitStack() as stack:
        outputs: list[Output] = [JsonLines() if is_json else TextOutput(is_draft=draft is not None)]
        if lines_csv is not None:
            outputs.append(stack.enter_context(_rows_in_file(LineRows, lines_csv)))
        if visits_csv is not None:
            outputs.append(stack.enter_context(_rows_in_file(InvoiceRows, visits_csv)))
        totals, away = asyncio.run(
            _reprice(
                settings,
                outputs,
                draft=draft,
                tariff_id=None if tariff is None else TariffId(tariff),
                period=period,
                organization_id=None if organization is None else OrganizationId(organization),
                workers=workers or min(os.cpu_count() or 1, _WORKERS_MAX),
            )
        )
        for output in outputs:
            output.end(totals)
    require_none_away(away)
    if draft is None and (totals.changed or totals.refused):
        raise SystemExit(1)


async def _reprice(
    settings: Settings,
    outputs: list[Output],
    *,
    draft: Draft | None,
    tariff_id: TariffId | None,
    period: Period,
    organization_id: OrganizationId | None,
    workers: int,
) -> tuple[Totals, Mapping[str, str]]:
    """The sums, and the cells whose invoices are not in them, each with the reason."""
    totals = Totals()
    addresses = app_cells(settings)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    async with open_for_command(addresses, limits=REPRICING_LIMITS, name="reprice") as database:
        away = dict(database.away) if isinstance(database, CellDatabase) else {}
        processes = WorkerProcesses(workers, addresses[HOME], settings.cell_urls, away) if workers > 1 else None
        if draft is not None and tariff_id is not None:
            assert organization_id is not None, "required with the price list"
            draft = replace(draft, tariff=await read_drafted_list(database, organization_id, tariff_id))
        with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("recomputing", total=None)
            async for recomputed in reprice_invoices(
                database, organization_id=organization_id, draft=draft, period=period, processes=processes
            ):
                progress.update(task, completed=recomputed.done, total=recomputed.total)
                totals.add(recomputed.outcome.totals)
                for change in recomputed.outcome.changes:
                    for output in outputs:
                        output.write(recomputed.organization_id, change)
    return totals, away if organization_id is None else {}


def _read_draft_parameters(path: Path | None) -> str | None:
    """Drafted parameters, read once here so that a fault is reported before anything is opened."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise click.ClickException(f"{path} cannot be read: {fault}") from fault
    read_parameters(text)
    return text


@contextmanager
def _rows_in_file(kind: type[LineRows] | type[InvoiceRows], path: Path) -> Iterator[Output]:
    """Rows for one file, opened for spreadsheets: UTF-8 with the mark by which they know it."""
    try:
        stream = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as fault:
        raise click.ClickException(f"{path} cannot be written: {fault.strerror}") from fault
    with stream:
        yield kind(stream)
