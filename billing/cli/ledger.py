"""`vienphi ledger`: prove the books."""

import asyncio
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from billing.services.proving import prove
from billing.settings import load_settings
from billing.storage.database import Database

_DOUBTS_SHOWN = 20


@click.group()
def ledger() -> None:
    """Prove the books."""


@ledger.command()
@click.pass_obj
def verify(config: Path | None) -> None:
    """Compare every two tellings of the same money, for all organizations. Exit status 1 on any doubt.

    Needs VIENPHI_DATABASE_URL.
    """
    settings = load_settings(config, needed=("database_url",))
    assert settings.database_url is not None, "named as needed"
    if asyncio.run(verify_books(settings.database_url.get_secret_value())):
        raise SystemExit(1)


async def verify_books(database_url: str) -> int:
    """Run all proofs, print each that does not hold and a closing line; returns the number of doubts."""
    console = Console(stderr=True)
    database = await Database.open(database_url)
    doubts = proofs = 0
    organizations = set()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("proving", total=None)
            async for proved in prove(database):
                progress.update(task, completed=proved.done, total=proved.total, description=proved.proof.name)
                proofs += 1
                organizations.add(proved.organization_id)
                doubts += len(proved.doubts)
                for doubt in proved.doubts[:_DOUBTS_SHOWN]:
                    click.echo(
                        f"DOUBT organization {proved.organization_id}, {proved.proof.claim}: "
                        f"{doubt.subject}: {doubt.expected} expected, {doubt.found} found"
                    )
                if len(proved.doubts) > _DOUBTS_SHOWN:
                    click.echo(f"      and {len(proved.doubts) - _DOUBTS_SHOWN} more of this kind")
    finally:
        await database.close()
    verdict = "the books hold" if doubts == 0 else f"{doubts} DOUBTS"
    click.echo(f"{verdict}: {proofs} proofs over {len(organizations)} organizations")
    return doubts
