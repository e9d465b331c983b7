"""`vienphi desk`: the desks of a facility, and how it takes cash."""

from pathlib import Path

import click

from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_on_owner_database
from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.context import Context
from billing.organizations.domain.cash_setting import ROUNDING_STEPS, CashSetting
from billing.organizations.service.desks import add_desk, list_desks, set_cash_settings

_NUMBER = click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
_FACILITY = click.option("--facility-code", required=True, help="MA_CSKCB of the site.")


@click.group()
def desk() -> None:
    """Set up the desks at which cashiers work. Needs VIENPHI_OWNER_URL."""


@desk.command()
@_NUMBER
@_FACILITY
@click.option("--name", required=True, help="The name by which cashiers know it.")
@click.pass_obj
def add(config: Path | None, *, number: int, facility_code: str, name: str) -> None:
    """Add a desk to a facility and print its id."""
    desk_id = run_on_owner_database(
        config,
        lambda database: add_desk(
            Context(database=database),
            OrganizationId(number),
            facility_code=facility_code,
            name=name,
            actor=Actor.system(),
        ),
    )
    click.echo(f"{desk_id}  {name}")


@desk.command("list")
@_NUMBER
@click.pass_obj
def list_all(config: Path | None, *, number: int) -> None:
    """List the desks with the cash settings of their facilities."""
    desks = run_on_owner_database(
        config, lambda database: list_desks(Context(database=database), OrganizationId(number))
    )
    for each in desks:
        rounding = "not rounded" if each.rounding_step == 1 else f"rounded to {each.rounding_step} đồng"
        count = "expected cash hidden" if each.hides_expected_cash else "expected cash shown"
        offline = ", manual confirmation without providers" if each.confirms_offline else ""
        click.echo(f"{each.id}  {each.facility_code}  {each.name}  {rounding}, {count}{offline}")


@desk.command("set-cash")
@_NUMBER
@_FACILITY
@click.option(
    "--rounding",
    type=click.Choice([str(step) for step in ROUNDING_STEPS]),
    default="1",
    show_default=True,
    help="Cash is rounded to a multiple of this, in đồng; 1 is no rounding.",
)
@click.option("--hide-expected/--show-expected", default=False, help="Hide what was taken until it is counted.")
@click.option(
    "--confirm-offline/--confirm-online",
    default=False,
    help="Let head cashiers confirm transfers manually while no provider is reached.",
)
@click.pass_obj
def set_cash(
    config: Path | None,
    *,
    number: int,
    facility_code: str,
    rounding: str,
    hide_expected: bool,
    confirm_offline: bool,
) -> None:
    """Set how a facility rounds cash and whether its cashiers count blindly."""
    run_on_owner_database(
        config,
        lambda database: set_cash_settings(
            Context(database=database),
            OrganizationId(number),
            facility_code=facility_code,
            setting=CashSetting(
                rounding_step=int(rounding), hides_expected_cash=hide_expected, confirms_offline=confirm_offline
            ),
            actor=Actor.system(),
        ),
    )
    click.echo(f"facility {facility_code}: cash settings are changed")
