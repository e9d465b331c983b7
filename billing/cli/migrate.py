"""`vienphi migrate`: bring a database to the schema of this version."""

import asyncio
from pathlib import Path

import click

from billing.db.migrator import migrate as apply_migrations
from billing.db.migrator import restore_grants
from billing.settings import load_settings


@click.command()
@click.pass_obj
def migrate(config: Path | None) -> None:
    """Apply the migrations that are missing, each once, also when several instances start at the same time.

    Grants that earlier migrations gave and that are missing, as after a restore without them, are given again. Needs
    VIENPHI_OWNER_URL.
    """
    settings = load_settings(config, needed=("owner_url",))
    assert settings.owner_url is not None, "named as needed"
    owner_url = settings.owner_url.get_secret_value()
    for grant in asyncio.run(restore_grants(owner_url)):
        click.echo(f"granted again {grant}")
    applied = asyncio.run(apply_migrations(owner_url))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply")
