"""`vienphi key`: keys for programs, each acting for a person, with roles and a term."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from billing.cli.numbers import ORGANIZATION_NUMBER
from billing.cli.owner import run_as_owner
from billing.core.actor import Role
from billing.core.ids import ApiKeyId, OrganizationId
from billing.db.context import utc_now
from billing.organizations.service.setup import Setup

_NUMBER = click.option("--organization", "number", type=ORGANIZATION_NUMBER, required=True)
_DAYS_MAX = 731


@click.group()
def key() -> None:
    """Give keys to programs and take them back. Needs VIENPHI_OWNER_URL."""


@key.command()
@_NUMBER
@click.option("--name", required=True, help="The program's name: small letters, digits, hyphens.")
@click.option("--person", required=True, help="Name of the person it acts for; added if not known yet.")
@click.option("--role", "roles", type=click.Choice([role.value for role in Role]), multiple=True, required=True)
@click.option("--facility", "facilities", multiple=True, help="Code of a facility. [default: all of them]")
@click.option("--days", type=click.IntRange(1, _DAYS_MAX), default=365, show_default=True, help="How long it lives.")
@click.pass_obj
def add(
    config: Path | None,
    *,
    number: int,
    name: str,
    person: str,
    roles: tuple[str, ...],
    facilities: tuple[str, ...],
    days: int,
) -> None:
    """Add a key and print it: it is shown once and kept nowhere.

    A second key of a name is valid together with the first, so that a program changes over without a pause; then
    revoke the first.
    """
    expires_at = utc_now() + timedelta(days=days)
    written = run_as_owner(
        config,
        lambda setup: setup.add_key(
            OrganizationId(number),
            person_name=person,
            name=name,
            roles=[Role(role) for role in roles],
            expires_at=expires_at,
            facility_codes=facilities,
        ),
    )
    click.echo(f"key {name} for {person}, alive until {expires_at:%Y-%m-%d %H:%M} UTC; it is shown only now:", err=True)
    click.echo(written)


@key.command(name="list")
@_NUMBER
@click.pass_obj
def list_(config: Path | None, number: int) -> None:
    """List every key ever given out; none can be read again."""
    keys = run_as_owner(config, lambda setup: setup.list_keys(OrganizationId(number)))
    now = utc_now()
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "person", "roles", "state", "until (UTC)"):
        table.add_column(heading)
    for one in keys:
        expired = one.expires_at is not None and one.expires_at <= now
        state = "revoked" if one.revoked_at else "expired" if expired else "alive"
        until = "" if one.expires_at is None else f"{one.expires_at:%Y-%m-%d %H:%M}"
        roles = ", ".join(sorted(role.value for role in one.roles))
        table.add_row(str(one.id), one.name, one.person_name, roles, state, until)
    Console(width=None if Console().is_terminal else 160).print(table)


@key.command()
@_NUMBER
@click.argument("key_id", type=click.UUID)
@click.pass_obj
def revoke(config: Path | None, number: int, key_id: UUID) -> None:
    """End a key now; where it was just used it goes on for a few seconds."""

    async def end(setup: Setup) -> None:
        await setup.revoke_key(OrganizationId(number), ApiKeyId(key_id))

    run_as_owner(config, end)
    click.echo(f"key {key_id} revoked")
