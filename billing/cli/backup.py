"""`vienphi backup`: check that the base backup and the WAL archive would restore the books."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import click

from billing.cli.cells import app_cells, cell_option, choose_cells, heading
from billing.cli.ledger import verify_books
from billing.cli.startup import require_migrated, seal_export_of
from billing.core.errors import BillingError
from billing.db.cells import CELLS
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.database import Database
from billing.ledger.domain.anchor import Anchor, read_anchor
from billing.ops.backup_check import BackupFindings, Primary, check_backups, read_primary, record_check
from billing.ops.barman import Barman
from billing.ops.restore_drill import restored_cluster
from billing.settings import Settings, load_settings


@click.group()
def backup() -> None:
    """Backups of the database by barman."""


@backup.command()
@click.option("--drill", is_flag=True, help="Also restore into a scratch cluster and verify the books there.")
@click.option("--anchor", "anchors", multiple=True, metavar="DAY:HASH", help="A printed closing hash; may be repeated.")
@cell_option("Only this cell; without it, all of them.")
@click.pass_obj
def check(config: Path | None, drill: bool, anchors: tuple[str, ...], cell: str | None) -> None:
    """Check the age of the base backup, the WAL since it without a gap up to now, and what barman finds.

    With --drill the backup and all WAL that was received are restored into a scratch cluster, and the books there are
    verified, also against the last closing paper of each organization. Exit status 1 on any problem. Needs
    VIENPHI_DATABASE_URL, and runs as the user of barman on its machine; --drill also needs the programs of the same
    major version of PostgreSQL. The result is recorded for the metrics of the worker. Each cell has a server of its own
    in barman (backup_server); an anchor is compared in the cell of --cell, which it needs where there are several.
    """
    settings = load_settings(config, needed=("database_url",))
    given = [read_anchor(text) for text in anchors]
    if given and settings.cells and cell is None:
        raise click.UsageError("a closing hash is of one cell: name it by --cell")
    problems = 0
    for name, url in choose_cells(app_cells(settings), {}, cell).items():
        begin = heading(settings, name)
        found = asyncio.run(_find_problems(settings, name, url, is_drill=drill, given=given))
        for problem in found:
            click.echo(f"{begin}PROBLEM {problem}")
        click.echo(begin + (f"{len(found)} PROBLEMS" if found else "the backup is usable"))
        problems += len(found)
    if problems:
        raise SystemExit(1)


async def _find_problems(
    settings: Settings, name: str, url: str, *, is_drill: bool, given: Sequence[Anchor]
) -> Sequence[str]:
    """The problems of one cell; of several, one that cannot be checked does not stop the others."""
    try:
        return (await _check(settings, name, url, is_drill=is_drill, given=given)).problems
    except BillingError as error:
        if not settings.cells:
            raise
        return [str(error.detail)]


async def _check(settings: Settings, name: str, url: str, *, is_drill: bool, given: Sequence[Anchor]) -> BackupFindings:
    barman = Barman(settings.backup_server(name), settings.backup.program, settings.backup.config)
    begin = heading(settings, name)
    database, primary, absence = await _open_primary(url, is_cell=bool(settings.cells))
    try:
        now = datetime.now(UTC)
        age_max = timedelta(hours=settings.backup.age_max_hours)
        findings = await asyncio.to_thread(check_backups, barman, primary, now=now, age_max=age_max)
        if absence is not None:
            findings.problems.append(absence)
        for line in findings.lines:
            click.echo(begin + line)
        drilled_at = None
        if is_drill and findings.backup is not None:
            anchors = [*given, *(each for each in (primary.anchors if primary else ()) if each not in given)]
            problem = await _drill(settings, (name, url), barman, findings, anchors)
            findings.problems += problem
            drilled_at = None if problem else datetime.now(UTC)
        if database is not None:
            unrecorded = await record_check(database, barman, findings, now=now, drilled_at=drilled_at)
            findings.problems += [] if unrecorded is None else [unrecorded]
    finally:
        if database is not None:
            await database.close()
    return findings


async def _open_primary(url: str, *, is_cell: bool) -> tuple[Database | None, Primary | None, str | None]:
    """The primary and what it states, or why there is none: backups are checked also when it is lost."""
    try:
        await require_migrated(url)
        database = await Database.open(
            url, application_name=f"vienphi backup check{f' {CELLS}' if is_cell else ''}", is_cell=is_cell
        )
    except DatabaseUnavailable as error:
        return None, None, f"the primary does not answer: {error.detail}"
    try:
        return database, await read_primary(database), None
    except BaseException:
        await database.close()
        raise


async def _drill(
    settings: Settings, cell: tuple[str, str], barman: Barman, findings: BackupFindings, anchors: Sequence[Anchor]
) -> Sequence[str]:
    """Restore, verify, print; returns the problems. `cell` is its name and the address of its database."""
    assert findings.backup is not None, "there is a backup to restore"
    name, url = cell
    begin = heading(settings, name)
    try:
        async with restored_cluster(barman, findings.backup, url, scratch=settings.backup.scratch) as restored:
            until = "its end" if restored.restored_until is None else f"{restored.restored_until:%Y-%m-%d %H:%M:%S}Z"
            click.echo(f"{begin}drill: restored until {until} in {restored.restored_s:.1f} s")
            started = monotonic()
            export = seal_export_of(settings)
            is_part = bool(settings.cells)
            verdict = await verify_books(restored.url, anchors=anchors, export=export, is_part=is_part)
            click.echo(f"{begin}drill: verified in {monotonic() - started:.1f} s: {verdict}")
    except (BillingError, OSError, asyncpg.PostgresError) as error:
        return [f"drill: {error}"]
    if not anchors:
        click.echo(
            f"{begin}drill: no day is closed and no anchor was given, so nothing shows that the state is the newest"
        )
    return ["drill: the restored books have mismatches"] if verdict.mismatches else []
