"""`vienphi readings`: what a facility can choose where the law leaves a reading open, and what it chose."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from billing.cli.acting import as_caller
from billing.cli.reading_option import parse_policy_options
from billing.core.actor import Role
from billing.coverage.domain.explain import Language
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.policy_options import Reading, all_readings
from billing.coverage.formats.policy_json import write_readings
from billing.coverage.service.facility_policies import approve_proposed_readings, list_all_readings, propose_readings
from billing.organizations.service.api_keys import Caller
from billing.payments.service.context import PaymentContext

_KEEPERS = frozenset({Role.FINANCE})
_PAGE = 1_000
_DEFAULT = {Language.VIETNAMESE: "mặc định", Language.ENGLISH: "default"}


@click.group()
def readings() -> None:
    """How a facility reads what the law leaves open. `set`, `approve` and `show` need VIENPHI_DATABASE_URL and
    VIENPHI_KEY of a person of finance."""


@readings.command("list")
@click.option(
    "--lang",
    type=click.Choice([language.value for language in Language]),
    default=Language.VIETNAMESE.value,
    show_default=True,
    help="Language of the words.",
)
def list_(lang: str) -> None:
    """List what can be chosen, with the rule, the values and the doubt; needs no database."""
    language, defaults = Language(lang), write_readings(Policy())
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for reading in all_readings().values():
        grid.add_row(reading.name, _words(reading, language, defaults[reading.name]))
    Console(highlight=False, markup=False, emoji=False).print(grid)


@readings.command("set")
@click.option("--facility", required=True, help="MA_CSKCB of the site.")
@click.option("--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day of admission.")
@click.argument("pairs", metavar="[NAME=VALUE]...", nargs=-1)
@click.pass_obj
def set_(config: Path | None, *, facility: str, valid_from: datetime, pairs: tuple[str, ...]) -> None:
    """Propose the whole set of a facility's readings; what is not named is the default."""
    told = parse_policy_options(pairs)

    async def work(context: PaymentContext, caller: Caller) -> UUID:
        return await propose_readings(
            context,
            caller.organization_id,
            facility_code=facility,
            valid_from=valid_from.date(),
            readings=told,
            actor=caller.actor,
        )

    readings_id = as_caller(config, _KEEPERS, work)
    click.echo(f"proposed {readings_id}")
    click.echo(f"next, by a second person: vienphi readings approve {readings_id}")


@readings.command()
@click.argument("readings_id", type=click.UUID)
@click.pass_obj
def approve(config: Path | None, readings_id: UUID) -> None:
    """Agree with a set that another person proposed."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        await approve_proposed_readings(context, caller.organization_id, readings_id, actor=caller.actor)

    as_caller(config, _KEEPERS, work)
    click.echo("approved")


@readings.command()
@click.option("--facility", help="Only of this MA_CSKCB.")
@click.pass_obj
def show(config: Path | None, *, facility: str | None) -> None:
    """List sets and proposals, the newest first."""

    async def work(context: PaymentContext, caller: Caller) -> None:
        for row in await list_all_readings(context, caller.organization_id, limit=_PAGE, facility_code=facility):
            state = "proposed" if row["approved_by"] is None else "approved"
            told = " ".join(f"{name}={value}" for name, value in sorted(row["readings"].items())) or "(defaults)"
            click.echo(
                f"{row['id']} {row['facility_code']} from {row['valid_from']} {state:8}"
                f" ({row['proposed_by']}/{row['approved_by'] or '–'})  {told}"
            )

    as_caller(config, _KEEPERS, work)


def _words(reading: Reading, language: Language, default: str) -> str:
    lines = [f"{reading.title[language]} [{reading.rule}]"]
    lines += [
        f"  {value}: {words[language]}" + (f" ({_DEFAULT[language]})" if value == default else "")
        for value, words in reading.choices.items()
    ]
    if reading.form is not None:
        lines.append(f"  {reading.form[language]} ({_DEFAULT[language]}: {default or '–'})")
    return "\n".join([*lines, reading.doubt[language]])
