"""`vienphi person`: the staff that keys act for, each with a name of their own."""

from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_as_owner
from billing.core.ids import OrganizationId, PersonId
from billing.organizations.service.setup import Setup

_NUMBER = click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)


@click.group()
def person() -> None:
    """List and rename persons; `vienphi key add` adds them. Needs VIENPHI_OWNER_URL."""


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
@click.argument("person_id", type=click.UUID)
@click.argument("name")
@click.pass_obj
def rename(config: Path | None, number: int, person_id: UUID, name: str) -> None:
    """Give a person a name that nobody else has: for two humans of one name, for instance with their staff number."""

    async def carry_out(setup: Setup) -> None:
        await setup.rename_person(OrganizationId(number), PersonId(person_id), name)

    run_as_owner(config, carry_out)
    click.echo(f"person {person_id} renamed")
