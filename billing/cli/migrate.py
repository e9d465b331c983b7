"""`vienphi migrate`: bring the database of every cell to the schema of this version."""

import asyncio
from pathlib import Path

import click

from billing.cli.cells import cell_option, choose_cells, heading, owner_cells, require_none_away
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.migrator import migrate as apply_migrations
from billing.db.migrator import restore_grants
from billing.settings import load_settings


@click.command()
@cell_option("Only this cell.")
@click.pass_obj
def migrate(config: Path | None, cell: str | None) -> None:
    """Apply the migrations that are missing, each once, also when several instances start at the same time.

    Grants that earlier migrations gave and that are missing, as after a restore without them, are given again. Needs
    VIENPHI_OWNER_URL, and the owner_url of each further cell. Exit status 1 where a cell does not answer; the others
    are migrated.
    """
    settings = load_settings(config, needed=("owner_url",))
    away: dict[str, str] = {}
    for name, owner_url in choose_cells(*owner_cells(settings), cell).items():
        try:
            asyncio.run(_migrate(owner_url, heading(settings, name)))
        except DatabaseUnavailable as refusal:
            if not settings.cells:
                raise
            away[name] = refusal.detail
    require_none_away(away)


async def _migrate(owner_url: str, begin: str) -> None:
    for grant in await restore_grants(owner_url):
        click.echo(f"{begin}granted again {grant}")
    applied = await apply_migrations(owner_url)
    for name in applied:
        click.echo(f"{begin}applied {name}")
    if not applied:
        click.echo(f"{begin}nothing to apply")
