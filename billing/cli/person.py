"""`vienphi person`: the staff that keys and sessions act for, each with a name of their own, and their accounts."""

from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_as_owner, run_on_owner_database
from billing.core.actor import Actor, Role
from billing.core.ids import OrganizationId, PersonId
from billing.db.context import Context, Ids, utc_now
from billing.db.database import Database
from billing.organizations.service.passwords import Passwords
from billing.organizations.service.setup import Setup
from billing.organizations.service.sign_in_accounts import NewAccount, SignInSetup, remove_pin, reset_password

_NUMBER = click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)


@click.group()
def person() -> None:
    """Add persons who sign in to the screens; list and rename persons; reset passwords. Needs VIENPHI_OWNER_URL."""


@person.command(name="list")
@_NUMBER
@click.pass_obj
def list_(config: Path | None, number: int) -> None:
    """List everybody; a row that has another's name counts as that person wherever two persons are needed."""
    persons = run_as_owner(config, lambda setup: setup.list_persons(OrganizationId(number)))
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "roles", "same name as"):
        table.add_column(heading)
    for one in persons:
        roles = ", ".join(sorted(role.value for role in one.roles))
        table.add_row(str(one.id), one.name, roles, str(one.duplicate_of or ""))
    Console(width=None if Console().is_terminal else 160).print(table)


@person.command()
@_NUMBER
@click.option("--name", required=True, help="Name of the person; a known person gets the roles in addition.")
@click.option("--login", "login_name", required=True, help="Login name: small letters, digits, points, hyphens.")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]))
@click.option("--facility", "facilities", multiple=True, help="MA_CSKCB of a facility; without it all facilities.")
@click.pass_obj
def add(
    config: Path | None,
    *,
    number: int,
    name: str,
    login_name: str,
    roles: tuple[str, ...],
    facilities: tuple[str, ...],
) -> None:
    """Add a person who signs in to the screens; prints a password that the person must change at the first sign-in."""
    new = NewAccount(
        person_name=name,
        roles=[Role(role) for role in roles],
        login_name=login_name,
        facility_codes=facilities or None,
    )

    async def carry_out(database: Database) -> str:
        return await SignInSetup(database, utc_now, Ids(utc_now)).add(OrganizationId(number), new)

    click.echo(run_on_owner_database(config, carry_out))


@person.command(name="set-password")
@_NUMBER
@click.argument("person_id", type=click.UUID)
@click.pass_obj
def set_password(config: Path | None, number: int, person_id: UUID) -> None:
    """Give a person a new password, which they must change; prints it. Their sessions end and a lock is removed."""

    async def carry_out(database: Database) -> str:
        context = Context(database=database, clock=utc_now, ids=Ids(utc_now))
        organization_id, whom = OrganizationId(number), PersonId(person_id)
        return await reset_password(context, organization_id, whom, actor=Actor.system(), passwords=Passwords())

    click.echo(run_on_owner_database(config, carry_out))


@person.command(name="remove-pin")
@_NUMBER
@click.argument("person_id", type=click.UUID)
@click.pass_obj
def remove_pin_(config: Path | None, number: int, person_id: UUID) -> None:
    """Remove the PIN of a person; they set a new one on the screen, with their password."""

    async def carry_out(database: Database) -> None:
        context = Context(database=database, clock=utc_now, ids=Ids(utc_now))
        await remove_pin(context, OrganizationId(number), PersonId(person_id), actor=Actor.system())

    run_on_owner_database(config, carry_out)
    click.echo(f"PIN of person {person_id} removed")


@person.command()
@_NUMBER
@click.argument("person_id", type=click.UUID)
@click.argument("name")
@click.pass_obj
def rename(config: Path | None, number: int, person_id: UUID, name: str) -> None:
    """Give a person a name that nobody else has: for two humans of one name, for instance with their staff number."""

    async def carry_out(setup: Setup) -> None:
        await setup.rename_person(OrganizationId(number), PersonId(person_id), name)

    run_as_owner(config, carry_out)
    click.echo(f"person {person_id} renamed")
