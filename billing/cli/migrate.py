"""`vienphi migrate`: bring a database to the schema of this version."""

import asyncio

import click

from billing.cli.addresses import owner_url_option
from billing.storage.migrator import migrate as apply_migrations


@click.command()
@owner_url_option
def migrate(owner_url: str) -> None:
    """Apply the migrations that are missing, each once, also when several instances start at the same time."""
    applied = asyncio.run(apply_migrations(owner_url))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply")
