"""`vienphi ledger`: read balances, close a day, verify the books, and go on after a restore."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from billing.cli.cells import (
    app_cells,
    cell_option,
    choose_cells,
    heading,
    open_command_service,
    open_for_command,
    open_one_cell,
    owner_cells,
    require_all,
)
from billing.cli.months import close_month_command, month_certificate
from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.opening_balances import approve_opening_balances, opening_balances
from billing.cli.startup import seal_export_of
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.db.cells import CellDatabase
from billing.db.database import HOME, Database
from billing.db.transaction_ids import ClusterMismatch, check_transaction_ids
from billing.db.transaction_ids import rebase as rebase_numbers
from billing.ledger.domain.accounts import Side
from billing.ledger.domain.anchor import Anchor, read_anchor
from billing.ledger.domain.balances import AccountBalance
from billing.ledger.domain.seal import Seal
from billing.ledger.service.anchors import ANCHORS_HOLD, HEADS_HOLD, check_anchors, check_exported_heads
from billing.ledger.service.balances import read_balances
from billing.ledger.service.seal_rows import find_head_of_day, seal_once
from billing.ledger.service.verify import VERIFY_LIMITS, CheckResult, find_unsealed
from billing.ledger.service.verify import verify as verify_ledger
from billing.ledger.store.days import DayClosing
from billing.ledger.store.seal_export import SealExport
from billing.payments.service.context import PaymentContext
from billing.reconciliation.service.close_day import (
    DayResults,
    ShiftOfDay,
    find_certificate,
    find_closing,
    find_month,
    find_results,
    find_shifts,
)
from billing.reconciliation.service.close_day import close_day as close_day_with_results
from billing.settings import Settings, load_settings

UNSEALED_AFTER = timedelta(minutes=10)
"""Rows this old that no seal covers are listed: the sealer may have stopped."""

_MISMATCHES_SHOWN = 20

_Paper = tuple[DayClosing, Seal | None, DayResults, list[ShiftOfDay]]

_organization = click.option("--organization", type=ORGANIZATION_NUMBER, required=True, help="Number of the unit.")


@click.group()
def ledger() -> None:
    """Read balances, close a day, verify the books."""


ledger.add_command(opening_balances)
ledger.add_command(approve_opening_balances)
ledger.add_command(close_month_command)
ledger.add_command(month_certificate)


@ledger.command()
@click.option("--anchor", "anchors", multiple=True, metavar="DAY:HASH", help="A printed closing hash; may be repeated.")
@cell_option("Verify the organizations of one cell only.")
@click.pass_obj
def verify(config: Path | None, anchors: tuple[str, ...], cell: str | None) -> None:
    """Compare the records of each amount, recompute every seal, compare with closing papers and the file of heads.

    Exit status 1 on any mismatch, and where a cell does not answer; the others are verified. Needs
    VIENPHI_DATABASE_URL. Without an anchor or a file of heads
    (VIENPHI_SEAL_EXPORT_PATH, VIENPHI_SEAL_EXPORT_KEY) nobody notices a chain that was cut at its end, sealed again, or
    restored from an older dump.
    """
    settings = load_settings(config, needed=("database_url",))
    read = [read_anchor(text) for text in anchors]
    asyncio.run(_verify(settings, read, cell))


async def _verify(settings: Settings, anchors: Sequence[Anchor], cell: str | None) -> None:
    addresses, export = app_cells(settings), seal_export_of(settings)
    if cell is not None:
        url = choose_cells(addresses, {}, cell)[cell]
        opened = open_one_cell(url, settings, limits=VERIFY_LIMITS, name="ledger verify")
    else:
        opened = open_for_command(addresses, limits=VERIFY_LIMITS, name="ledger verify")
    async with opened as database:
        away = database.away if isinstance(database, CellDatabase) else {}
        is_part = bool(away) or (cell is not None and bool(settings.cells))
        verdict = await verify_database(database, anchors=anchors, export=export, is_part=is_part)
        names = (cell,) if cell is not None else tuple(database.cells_by_name)
        click.echo(f"{verdict}, cells {', '.join(names)}" if settings.cells else str(verdict))
        if not verdict.mismatches:
            require_all(database)
        elif away:
            click.echo(f"not verified: cells {', '.join(sorted(away))}")
        if verdict.mismatches:
            raise SystemExit(1)


@ledger.command()
@cell_option("The cell that was restored; required where there are several.")
@click.pass_obj
def rebase(config: Path | None, cell: str | None) -> None:
    """After a restore into another cluster: let transaction numbers go on beyond what is stored.

    Needs VIENPHI_OWNER_URL, and that nobody else is connected. Changes no row; does nothing where nothing is to do.
    """
    settings = load_settings(config, needed=("owner_url",))
    if cell is None and settings.cells:
        raise click.UsageError("there are several cells: name the one that was restored by --cell")
    name = cell or HOME
    url = choose_cells(*owner_cells(settings), name)[name]
    shift = asyncio.run(_rebase(url, settings))
    done = "nothing to do" if shift is None else f"rebased: transaction numbers go on {shift} further"
    click.echo(heading(settings, name) + done)


@ledger.command()
@_organization
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="Last accounting date that counts; without it, now.")
@click.pass_obj
def balances(config: Path | None, organization: int, on: datetime | None) -> None:
    """Print the trial balance of an organization, in đồng. Needs VIENPHI_DATABASE_URL."""
    until = None if on is None else on.date()
    rows = asyncio.run(_read_balances(_settings(config), OrganizationId(organization), until))
    for line in _balance_lines(rows):
        click.echo(line)


@ledger.command("close-day")
@_organization
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day to close, as 2026-07-31.")
@click.pass_obj
def close_day(config: Path | None, organization: int, day: datetime) -> None:
    """Close a day of the books permanently and print its totals and the hash for the closing paper.

    Needs VIENPHI_DATABASE_URL. Days close in order, and only days that are over.
    """
    settings = load_settings(config, needed=("database_url",))
    _print_closing(*asyncio.run(_close_day(settings, OrganizationId(organization), day.date())))


@ledger.command("print-day")
@_organization
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="A closed day, as 2026-07-31.")
@click.pass_obj
def print_day(config: Path | None, organization: int, day: datetime) -> None:
    """Print again what a closed day held, and its hash. Needs VIENPHI_DATABASE_URL. Changes nothing."""
    _print_closing(*asyncio.run(_read_closing(_settings(config), OrganizationId(organization), day.date())))


@ledger.command("day-certificate")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@_organization
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; without it, the output.")
@click.pass_obj
def day_certificate(config: Path | None, day: datetime, organization: int, output: Path | None) -> None:
    """Write the certificate of a closed day, which docs/verify_day.py checks. Needs VIENPHI_DATABASE_URL."""
    content = asyncio.run(_read_certificate(_settings(config), OrganizationId(organization), day.date()))
    if output is None:
        click.echo(content.decode(), nl=False)
    else:
        output.write_bytes(content)


@ledger.command("print-month")
@click.argument("month", type=click.DateTime(["%Y-%m"]))
@_organization
@click.pass_obj
def print_month(config: Path | None, month: datetime, organization: int) -> None:
    """Print the closed days of a month and its totals; every day of it is closed. Needs VIENPHI_DATABASE_URL."""
    closings = asyncio.run(_read_month(_settings(config), OrganizationId(organization), month.date()))
    for closing in closings:
        click.echo(f"closed {closing.day}: {closing.entries} entries moved {_dong(closing.amount)} đ")
    entries, amount = sum(each.entries for each in closings), sum(each.amount for each in closings)
    click.echo(f"month {month:%Y-%m}: {len(closings)} days, {entries} entries moved {_dong(amount)} đ")


async def _read_month(settings: Settings, organization_id: OrganizationId, first_day: date) -> list[DayClosing]:
    async with open_command_service(settings) as service:
        return await find_month(service.context, organization_id, first_day)


def _print_closing(closing: DayClosing, head: Seal | None, results: DayResults, shifts: Sequence[ShiftOfDay]) -> None:
    click.echo(f"closed {closing.day}: {closing.entries} entries moved {_dong(closing.amount)} đ")
    for shift in shifts:
        click.echo(
            f"shift {shift.desk} {business_date(shift.opened_at)}: counted {_dong(shift.counted_cash)} đ,"
            f" over or short {_dong(shift.difference)} đ"
        )
    for account in results.accounts:
        click.echo(
            f"{account.kind} {account.name}: {account.result}, ledger {_dong(account.ledger_balance)} đ,"
            f" {len(account.items)} items, residual {_dong(account.residual)} đ"
        )
    if head is None:
        click.echo("not sealed yet: an older transaction is still running; the worker will seal it")
    else:
        click.echo(f"seal {head.number}: {head.hash.hex()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the checks of all organizations came to."""

    mismatches: int
    checks: int
    seals: int
    organizations: int

    def __str__(self) -> str:
        verdict = f"{self.mismatches} MISMATCHES" if self.mismatches else "the books hold"
        return f"{verdict}: checks {self.checks}, seals {self.seals}, organizations {self.organizations}"


async def verify_books(
    database_url: str, *, anchors: Sequence[Anchor] = (), export: SealExport | None = None, is_part: bool = False
) -> Verdict:
    """As `verify_database`, with one database that is opened for it."""
    database = await Database.open(database_url, limits=VERIFY_LIMITS, application_name="vienphi ledger verify")
    try:
        return await verify_database(database, anchors=anchors, export=export, is_part=is_part)
    finally:
        await database.close()


async def verify_database(
    database: Database, *, anchors: Sequence[Anchor], export: SealExport | None, is_part: bool
) -> Verdict:
    """Run all checks, compare with what is kept outside the database, and print each that does not hold.

    `is_part`: other cells have further organizations, so an exported head of one that is not here is not compared.
    Raises OSError where the file of heads cannot be read.
    """
    console = Console(stderr=True)
    mismatches = 0
    checks: set[tuple[OrganizationId, str]] = set()
    seals = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    for cell in database.cells:
        mismatches += await _transaction_id_mismatch(cell)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("proving", total=None)
        async for result in verify_ledger(database):
            progress.update(task, completed=result.done, total=result.total, description=result.check.name)
            checks.add((result.organization_id, result.check.name))
            seals += result.is_seal
            mismatches += len(result.mismatches)
            _print_mismatches(result)
    mismatches += await _outside_mismatches(database, anchors, export, is_part=is_part)
    for organization_id, unsealed in await find_unsealed(database, recorded_before=datetime.now(UTC) - UNSEALED_AFTER):
        for row in unsealed:
            click.echo(
                f"not sealed yet: organization {organization_id}, {row.rows} rows of {row.kind},"
                f" the oldest of {row.oldest:%Y-%m-%d %H:%M:%S}Z"
            )
    organizations = len({organization_id for organization_id, _ in checks})
    return Verdict(mismatches=mismatches, checks=len(checks), seals=seals, organizations=organizations)


async def _rebase(owner_url: str, settings: Settings) -> int | None:
    """Shift transaction numbers beyond what is stored; returns the shift, None where none is needed."""
    # Looking for the largest number visits every organization, so it may take longer than a statement of the service.
    async with (
        open_one_cell(owner_url, settings, limits=VERIFY_LIMITS, name="ledger rebase") as database,
        database.system_transaction(writing=True) as reader,
    ):
        return await rebase_numbers(reader, at=datetime.now(UTC))


def _settings(config: Path | None) -> Settings:
    return load_settings(config, needed=("database_url",))


async def _transaction_id_mismatch(database: Database) -> int:
    try:
        await check_transaction_ids(database)
    except ClusterMismatch as mismatch:
        click.echo(f"MISMATCH {mismatch.detail}")
        return 1
    return 0


async def _outside_mismatches(
    database: Database, anchors: Sequence[Anchor], export: SealExport | None, *, is_part: bool
) -> int:
    mismatches = [(ANCHORS_HOLD, mismatch) for mismatch in await check_anchors(database, anchors)]
    if anchors:
        click.echo(f"anchors compared: {len(anchors)}")
    if export is not None:
        heads, differing = await check_exported_heads(database, export, is_part=is_part)
        mismatches += [(HEADS_HOLD, mismatch) for mismatch in differing]
        click.echo(f"exported heads compared: {heads}")
    for check, mismatch in mismatches:
        click.echo(
            f"MISMATCH {check.description}: {mismatch.subject}: {mismatch.expected} expected, {mismatch.found} found"
        )
    return len(mismatches)


def _print_mismatches(result: CheckResult) -> None:
    for mismatch in result.mismatches[:_MISMATCHES_SHOWN]:
        click.echo(
            f"MISMATCH organization {result.organization_id}, {result.check.description}: "
            f"{mismatch.subject}: {mismatch.expected} expected, {mismatch.found} found"
        )
    if len(result.mismatches) > _MISMATCHES_SHOWN:
        click.echo(f"      and {len(result.mismatches) - _MISMATCHES_SHOWN} more of this kind")


async def _read_balances(
    settings: Settings, organization_id: OrganizationId, on: date | None
) -> Sequence[AccountBalance]:
    async with open_command_service(settings) as service:
        return await read_balances(service.context, organization_id, on=on)


def _balance_lines(rows: Sequence[AccountBalance]) -> list[str]:
    """One line an account that moved, its balance on the side where it stands, and the sums."""
    lines = [f"{'':6} {'':34} {'debit':>20} {'credit':>20}"]
    sums = {Side.DEBIT: 0, Side.CREDIT: 0}
    for row in rows:
        if row.debit or row.credit:
            amount = row.debit - row.credit
            side = Side.DEBIT if amount >= 0 else Side.CREDIT
            sums[side] += abs(amount)
            cells = [_dong(abs(amount)) if side is each else "" for each in Side]
            lines.append(f"{row.number:6} {row.name:34} {cells[0]:>20} {cells[1]:>20}")
    return [*lines, f"{'':6} {'':34} {_dong(sums[Side.DEBIT]):>20} {_dong(sums[Side.CREDIT]):>20}"]


async def _read_closing(settings: Settings, organization_id: OrganizationId, day: date) -> _Paper:
    async with open_command_service(settings) as service:
        return await _read_paper(service.context, organization_id, day)


async def _read_paper(context: PaymentContext, organization_id: OrganizationId, day: date) -> _Paper:
    """What the closing paper of a day shows."""
    closing = await find_closing(context, organization_id, day)
    head = await find_head_of_day(context, organization_id, day)
    _, results = await find_results(context, organization_id, day)
    return closing, head, results, await find_shifts(context, organization_id, day)


async def _read_certificate(settings: Settings, organization_id: OrganizationId, day: date) -> bytes:
    async with open_command_service(settings) as service:
        return await find_certificate(service.context, organization_id, day)


async def _close_day(settings: Settings, organization_id: OrganizationId, day: date) -> _Paper:
    async with open_command_service(settings, seal_export=seal_export_of(settings)) as service:
        for cell in service.context.database.cells:
            await check_transaction_ids(cell)
        await close_day_with_results(service.context, organization_id, day, actor=Actor.system())
        await seal_once(service.context, organization_id)
        return await _read_paper(service.context, organization_id, day)


def _dong(amount: int) -> str:
    return f"{amount:,}".replace(",", ".")
