"""`vienphi statement`: files of the bank, as they are read and imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click

from billing.cli.caller import run_as_caller
from billing.cli.import_output import import_line, progress_bar
from billing.cli.memory import memory_limited
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.file_import import (
    BankAccountAmbiguous,
    BankAccountUnknown,
    ImportKind,
    LinesNotDistinct,
    StatementRestated,
)
from billing.reconciliation.domain.statement import Statement, StatementHead, StatementLine, StatementUnreadable
from billing.reconciliation.domain.statement_chain import BreakKind, ChainBreak, check_chain, days_between
from billing.reconciliation.formats.profile import find_profile, shipped_profiles
from billing.reconciliation.formats.read_statements import read_statements
from billing.reconciliation.service.import_statement import (
    ImportResult,
    StatementFile,
    import_statement,
    preview_import,
)
from billing.reconciliation.service.list_imports import list_breaks, list_imports

_TEXT_LENGTH = 60
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def statement() -> None:
    """Bank statements (sao kê)."""


@statement.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--profile", help="Name of a layout, or path of a TOML file. [default: recognised by its headings]")
@click.option("--account", help="Number of the bank account, where a file does not state it.")
@click.option(
    "--opening", type=int, help="Opening balance in đồng, where a file states neither it nor enough balances."
)
@click.option(
    "--lines", "shown_max", type=click.IntRange(0, 1000), default=10, show_default=True, help="Lines printed."
)
def preview(
    *, files: tuple[Path, ...], profile: str | None, account: str | None, opening: int | None, shown_max: int
) -> None:
    """Read bank statements and print what they hold; nothing is written.

    For each statement: account, layout, the use of each column, period, opening and closing balance, number of lines,
    and the first lines. Then each gap and overlap between the statements. A file that cannot be read whole is refused
    with the sheet, the row and the column. Layouts: those of `billing/reconciliation/formats/statement_profiles`.
    """
    layout = None if profile is None else find_profile(profile)
    complete: list[Statement] = []
    for file in files:
        click.echo(f"{click.format_filename(file)}:")
        with _opened(file) as stream, memory_limited():
            printed = _Printed(shown_max)
            for item in read_statements(stream, profile=layout, account=account, opening=opening):
                printed.add(item)
        complete += printed.complete
    breaks = check_chain(complete)
    for each in breaks:
        click.echo(_sentence(each))
    if not breaks:
        click.echo(f"chain: {len(complete)} statements, no gap and no overlap")


@statement.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--profile", help="Name of a layout, or path of a TOML file. [default: recognised by its headings]")
@click.option("--account", help="Number of the bank account, where a file does not state it.")
@click.option("--account-of", help="Provider account whose bank account it is, where two banks have one number.")
@click.option(
    "--opening", type=int, help="Opening balance in đồng, where a file states neither it nor enough balances."
)
@click.option("--intraday", is_flag=True, help="The day is not over: the lines are tentative.")
@click.option("--dry-run", is_flag=True, help="Print what would be imported and write nothing.")
@click.pass_obj
def import_(
    config: Path | None,
    *,
    files: tuple[Path, ...],
    profile: str | None,
    account: str | None,
    account_of: str | None,
    opening: int | None,
    intraday: bool,
    dry_run: bool,
) -> None:
    """Import bank statements. Needs VIENPHI_DATABASE_URL, and VIENPHI_KEY of a person with the role finance.

    Each file is imported whole or refused whole; a refused file is recorded, and the files after it are not read. A
    file or a line that was imported before is recognised. Then each gap and overlap between the statements of the
    period is printed. An import that was cut off is repeated.
    """
    layout = None if profile is None else find_profile(profile)

    async def work(context: PaymentContext, caller: Caller) -> None:
        for path in files:
            with _opened(path) as stream, progress_bar() as on_progress:
                file = StatementFile(
                    stream=stream,
                    file_name=path.name[:255],
                    profile=layout,
                    account=account,
                    account_of=account_of,
                    opening=opening,
                    is_intraday=intraday,
                )
                organization_id = caller.organization_id
                if dry_run:
                    result = await preview_import(context, organization_id, file, on_progress=on_progress)
                else:
                    result = await import_statement(
                        context, organization_id, file, actor=caller.actor, on_progress=on_progress
                    )
            _print_result(path, result)

    with memory_limited():
        run_as_caller(config, Right.RECONCILE, work)


@statement.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Files printed.")
@click.pass_obj
def list_(config: Path | None, *, limit: int) -> None:
    """List imported and refused statements, the newest first."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        part = ListSlice(limit=limit)
        for each in await list_imports(context, caller.organization_id, part, kind=ImportKind.STATEMENT):
            click.echo(import_line(each))

    run_as_caller(config, Right.READ_BOOKS, work)


@statement.command()
@click.option("--from", "from_day", type=_DAY, help="First day of the period, as 2026-11-01.")
@click.option("--to", "to_day", type=_DAY, help="Last day of the period.")
@click.pass_obj
def breaks(config: Path | None, *, from_day: datetime | None, to_day: datetime | None) -> None:
    """List gaps and overlaps between the imported statements of each bank account; exit status 1 if there are any."""

    async def work(context: PaymentContext, caller: Caller) -> list[ChainBreak]:
        return await list_breaks(
            context,
            caller.organization_id,
            from_day=None if from_day is None else from_day.date(),
            to_day=None if to_day is None else to_day.date(),
        )

    found = run_as_caller(config, Right.READ_BOOKS, work)
    for each in found:
        click.echo(_sentence(each))
    if found:
        raise SystemExit(1)
    click.echo("no gap and no overlap")


@statement.command()
def profiles() -> None:
    """List the known layouts of banks."""
    for each in shipped_profiles().values():
        state = "" if each.verified else "  unverified with the bank"
        click.echo(f"{each.name:20} {each.bank}{state}")


def _print_result(path: Path, result: ImportResult) -> None:
    name = click.format_filename(path)
    if result.is_repeat:
        click.echo(f"{name}: imported before as {result.import_id}; nothing was written")
        return
    for each in result.statements:
        click.echo(
            f"{name}: account {each.bank_account_number}, {each.from_day:%d/%m/%Y} to {each.to_day:%d/%m/%Y},"
            f" {each.line_count} lines, opening {_dotted(each.opening)}, closing {_dotted(each.closing)}"
        )
    known = result.lines - result.new_lines
    confirmed = f", {result.confirmed} confirmed" if result.confirmed else ""
    click.echo(f"{name}: {result.lines} lines, {result.new_lines} new, {known} known before{confirmed}")
    for found in result.breaks:
        click.echo(_sentence(found))
    click.echo("dry run: nothing was written" if result.import_id is None else f"import {result.import_id}")


class _Printed:
    """Prints the statements of a file while they are read; a fault at the end of the file still refuses all of it."""

    def __init__(self, shown_max: int) -> None:
        self._shown_max = shown_max
        self._shown = 0
        self.complete: list[Statement] = []

    def add(self, item: StatementHead | StatementLine | Statement) -> None:
        if isinstance(item, StatementLine):
            if self._shown < self._shown_max:
                self._shown += 1
                click.echo(_line(item))
            return
        if isinstance(item, Statement):
            self.complete.append(item)
            click.echo(
                f"    {item.from_day:%d/%m/%Y} to {item.to_day:%d/%m/%Y}, {item.line_count} lines,"
                f" opening {_dotted(item.opening)}, closing {_dotted(item.closing)}"
            )
            return
        self._shown = 0
        sheet = f", sheet “{item.sheet}”" if item.sheet else ""
        number = f", number {item.sequence}" if item.sequence else ""
        click.echo(
            f"  {item.position}. account {item.bank_account_number} {item.currency}, {item.profile}{sheet}{number}"
        )
        for column in item.columns:
            click.echo(f"    column {column}")


def _line(line: StatementLine) -> str:
    text = line.text if len(line.text) <= _TEXT_LENGTH else f"{line.text[: _TEXT_LENGTH - 1]}…"
    balance = "" if line.balance is None else _dotted(line.balance)
    return (
        f"    row {line.row:>5}  {line.booked_on:%d/%m/%Y}  {_dotted(line.amount):>15}  {balance:>15}"
        f"  {line.kind.value:8}  {line.bank_reference or '–':16}  {text}"
    )


def _sentence(found: ChainBreak) -> str:
    before, after = found.before, found.after
    between = f"{before.to_day:%d/%m/%Y} and {after.from_day:%d/%m/%Y}"
    if found.kind is BreakKind.OVERLAP:
        return (
            f"overlap: account {after.bank_account_number}, {between}: the later statement repeats days of the earlier"
            f" one, and its opening balance differs from the closing balance by {_dotted(found.difference)}"
        )
    days = days_between(found)
    return (
        f"gap: account {after.bank_account_number}, between {between} ({days} days without a statement): the opening"
        f" balance differs from the closing balance by {_dotted(found.difference)}"
    )


def _dotted(amount: int) -> str:
    return f"{amount:,}".replace(",", ".")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file opened for reading; a refusal of its content names it."""
    try:
        with file.open("rb") as stream:
            yield stream
    except (
        *(StatementUnreadable, BankAccountUnknown, BankAccountAmbiguous),
        *(LinesNotDistinct, StatementRestated),
    ) as refusal:
        raise click.ClickException(f"{click.format_filename(file)}: {refusal.detail} [{refusal.code}]") from None
