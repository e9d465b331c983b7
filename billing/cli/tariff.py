"""`vienphi tariff`: price lists in, compared with what is in force, and made effective by two persons."""

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from billing.cli.caller import run_as_caller
from billing.cli.memory import memory_limited
from billing.ops.approval_kinds import approve_proposal
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext
from billing.spreadsheets.amounts import DecimalMark
from billing.spreadsheets.cells import SIZE_MAX
from billing.tariffs.domain.tariff import ChangeKind, PriceChange, TariffId
from billing.tariffs.formats.price_list import ReadPriceList, read_price_list, sheet_format
from billing.tariffs.service.price_lists import (
    PriceListTerms,
    activate_tariff,
    discard_tariff,
    find_tariff_approval,
    import_tariff,
    list_changes,
    list_tariffs,
    preview_tariff,
)

_WORDS = {"insured": "giá BHYT", "fee": "giá viện phí", "on_demand": "giá yêu cầu"}
_LISTED_MAX = 1_000
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def tariff() -> None:
    """Price lists (bảng giá). Needs VIENPHI_DATABASE_URL, and VIENPHI_KEY of a person with the role finance."""


@tariff.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--from", "valid_from", type=_DAY, required=True, help="First day of the list, as 2026-07-01.")
@click.option("--until", type=_DAY, help="Its last day. [default: the day before the next list begins]")
@click.option("--facility", help="MA_CSKCB of the site. [default: every site without a list of its own]")
@click.option("--name", help="Name of the list. [default: that of the file]")
@click.option("--sheet", help="Name of the sheet, where a workbook has several.")
@click.option(
    "--decimal-mark",
    type=click.Choice([mark.value for mark in DecimalMark]),
    help="How numbers in texts are written: comma reads 1.234,5, point reads 1,234.5. [default: what is not plain"
    " is refused]",
)
@click.option("--dry-run", is_flag=True, help="Print the changes and write nothing.")
@click.pass_obj
def import_(
    config: Path | None,
    *,
    file: Path,
    valid_from: datetime,
    until: datetime | None,
    facility: str | None,
    name: str | None,
    sheet: str | None,
    decimal_mark: str | None,
    dry_run: bool,
) -> None:
    """Import FILE (CSV or XLSX) as a draft and print its changes.

    Any row that cannot be read is listed by its number, and then nothing is imported. An import that was cut off goes
    on where it stopped when it is repeated.
    """
    terms = PriceListTerms(
        name=name or file.name[:200],
        facility_code=facility,
        valid_from=valid_from.date(),
        valid_until=None if until is None else until.date(),
    )
    read = _read(file, terms.valid_from, sheet, None if decimal_mark is None else DecimalMark(decimal_mark))

    async def work(context: PaymentContext, caller: Caller) -> TariffId | None:
        organization_id = caller.organization_id
        _print_changes(await preview_tariff(context, organization_id, terms, read.prices))
        if dry_run:
            return None
        columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        with bar:
            task = bar.add_task("importing", total=len(read.prices))
            return await import_tariff(
                context,
                organization_id,
                terms,
                read.prices,
                actor=caller.actor,
                on_progress=lambda done: bar.update(task, completed=done),
            )

    tariff_id = run_as_caller(config, Right.SET_PRICES, work)
    if tariff_id is None:
        click.echo("dry run: nothing was written")
    else:
        click.echo(f"draft {tariff_id}: {len(read.prices)} prices from {terms.valid_from.isoformat()}")
        click.echo(f"next, by a second person: vienphi tariff approve {tariff_id}")


@tariff.command("list")
@click.pass_obj
def list_(config: Path | None) -> None:
    """List price lists, the newest first."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        rows = await list_tariffs(context, caller.organization_id, limit=_LISTED_MAX)
        for row in rows:
            state = row.state if row.completed_at else f"{row.state}, incomplete"
            until = "" if row.valid_until is None else f" until {row.valid_until}"
            decider = None if row.approval is None else row.approval.decider
            persons = "/".join((row.drafted_by, decider or "–", row.activated_by or "–"))
            click.echo(
                f"{row.id} {row.facility_code or 'all':5} from {row.valid_from}{until} {state:10}"
                f" {row.items:>7} prices  {row.name}  ({persons})"
            )

    run_as_caller(config, Right.READ_PRICES, work)


@tariff.command()
@click.argument("tariff_id", type=click.UUID)
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
@click.pass_obj
def changes(config: Path | None, tariff_id: UUID, *, as_csv: bool) -> None:
    """Print what a list changes against the one it takes the place of."""

    async def work(context: PaymentContext, caller: Caller) -> list[PriceChange]:
        return await list_changes(context, caller.organization_id, TariffId(tariff_id))

    found = run_as_caller(config, Right.READ_PRICES, work)
    if not as_csv:
        _print_changes(found)
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("change", "code", "name", "price", "old", "new"))
    for each in found:
        writer.writerow((each.kind.value, each.code, each.name, each.price, _plain(each.old), _plain(each.new)))


@tariff.command()
@click.argument("tariff_id", type=click.UUID)
@click.pass_obj
def approve(config: Path | None, tariff_id: UUID) -> None:
    """Approve a draft that another person imported."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        proposal = await find_tariff_approval(context, caller.organization_id, TariffId(tariff_id))
        await approve_proposal(context, caller.organization_id, proposal.id, actor=caller.actor)

    run_as_caller(config, Right.APPROVE_TARIFF, work)
    click.echo(f"approved; next: vienphi tariff activate {tariff_id}")


@tariff.command()
@click.argument("tariff_id", type=click.UUID)
@click.option("--replaces", type=click.UUID, help="The effective list of the same day whose place it takes.")
@click.pass_obj
def activate(config: Path | None, tariff_id: UUID, *, replaces: UUID | None) -> None:
    """Let an approved list count from its first day on."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        other = None if replaces is None else TariffId(replaces)
        await activate_tariff(context, caller.organization_id, TariffId(tariff_id), actor=caller.actor, replaces=other)

    run_as_caller(config, Right.SET_PRICES, work)
    click.echo("effective")


@tariff.command()
@click.argument("tariff_id", type=click.UUID)
@click.pass_obj
def discard(config: Path | None, tariff_id: UUID) -> None:
    """Give up a list that is not effective."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        await discard_tariff(context, caller.organization_id, TariffId(tariff_id), actor=caller.actor)

    run_as_caller(config, Right.SET_PRICES, work)
    click.echo("discarded")


def _read(file: Path, valid_from: date, sheet: str | None, mark: DecimalMark | None) -> ReadPriceList:
    """Read a file whole; ends the command with every fault where there is one."""
    with file.open("rb") as stream:
        content = stream.read(SIZE_MAX + 1)
    with memory_limited():
        read = read_price_list(content, format=sheet_format(content), valid_from=valid_from, mark=mark, sheet=sheet)
    if read.columns_not_read:
        click.echo(f"columns not read: {', '.join(read.columns_not_read)}", err=True)
    if read.errors:
        for fault in read.errors:
            click.echo(str(fault))
        rows = len({fault.row for fault in read.errors})
        raise click.ClickException(f"{rows} rows cannot be read; nothing was imported [price_list_faulty]")
    return read


def _print_changes(found: Iterable[PriceChange]) -> None:
    codes: dict[ChangeKind, set[str]] = {kind: set() for kind in ChangeKind}
    for each in found:
        codes[each.kind].add(each.code)
        click.echo(
            f"{each.kind.value:8} {each.code:16} {_WORDS[each.price]:13} {_price(each.old)} → {_price(each.new)}"
            f"  {each.name}"
        )
    counts = Counter({kind: len(each) for kind, each in codes.items()})
    click.echo(", ".join(f"{counts[kind]} {kind.value}" for kind in ChangeKind))


def _price(price: Decimal | None) -> str:
    """A price for people: `50.600`, `0,125`; a dash where there is none."""
    return "–" if price is None else f"{price:,f}".translate(str.maketrans(",.", ".,"))


def _plain(price: Decimal | None) -> str:
    return "" if price is None else format(price, "f")
