"""`vienphi backup`: check that the base backup and the WAL archive would restore the books."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import click

from billing.cli.ledger import verify_books
from billing.cli.startup import require_migrated, seal_export_of
from billing.core.errors import BillingError
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
@click.pass_obj
def check(config: Path | None, drill: bool, anchors: tuple[str, ...]) -> None:
    """Check the age of the base backup, the WAL since it without a gap up to now, and what barman finds.

    With --drill the backup and all WAL that was received are restored into a scratch cluster, and the books there are
    verified, also against the last closing paper of each organization. Exit status 1 on any problem. Needs
    VIENPHI_DATABASE_URL, and runs as the user of barman on its machine; --drill also needs the programs of the same
    major version of PostgreSQL. The result is recorded for the metrics of the worker.
    """
    settings = load_settings(config, needed=("database_url",))
    findings = asyncio.run(_check(settings, is_drill=drill, given=[read_anchor(text) for text in anchors]))
    for problem in findings.problems:
        click.echo(f"PROBLEM {problem}")
    click.echo(f"{len(findings.problems)} PROBLEMS" if findings.problems else "the backup is usable")
    if findings.problems:
        raise SystemExit(1)


async def _check(settings: Settings, *, is_drill: bool, given: Sequence[Anchor]) -> BackupFindings:
    assert settings.database_url is not None, "named as needed"
    url = settings.database_url.get_secret_value()
    barman = Barman(settings.backup.server, settings.backup.program, settings.backup.config)
    database, primary, absence = await _open_primary(url)
    try:
        now = datetime.now(UTC)
        age_max = timedelta(hours=settings.backup.age_max_hours)
        findings = await asyncio.to_thread(check_backups, barman, primary, now=now, age_max=age_max)
        if absence is not None:
            findings.problems.append(absence)
        for line in findings.lines:
            click.echo(line)
        drilled_at = None
        if is_drill and findings.backup is not None:
            anchors = [*given, *(each for each in (primary.anchors if primary else ()) if each not in given)]
            problem = await _drill(settings, barman, findings, anchors)
            findings.problems += problem
            drilled_at = None if problem else datetime.now(UTC)
        if database is not None:
            unrecorded = await record_check(database, barman, findings, now=now, drilled_at=drilled_at)
            findings.problems += [] if unrecorded is None else [unrecorded]
    finally:
        if database is not None:
            await database.close()
    return findings


async def _open_primary(url: str) -> tuple[Database | None, Primary | None, str | None]:
    """The primary and what it states, or why there is none: backups are checked also when it is lost."""
    try:
        await require_migrated(url)
        database = await Database.open(url, application_name="vienphi backup check")
    except DatabaseUnavailable as error:
        return None, None, f"the primary does not answer: {error.detail}"
    try:
        return database, await read_primary(database), None
    except BaseException:
        await database.close()
        raise


async def _drill(
    settings: Settings, barman: Barman, findings: BackupFindings, anchors: Sequence[Anchor]
) -> Sequence[str]:
    """Restore, verify, print; returns the problems."""
    assert findings.backup is not None, "there is a backup to restore"
    assert settings.database_url is not None, "named as needed"
    url = settings.database_url.get_secret_value()
    try:
        async with restored_cluster(barman, findings.backup, url, scratch=settings.backup.scratch) as restored:
            until = "its end" if restored.restored_until is None else f"{restored.restored_until:%Y-%m-%d %H:%M:%S}Z"
            click.echo(f"drill: restored until {until} in {restored.restored_s:.1f} s")
            started = monotonic()
            verdict = await verify_books(restored.url, anchors=anchors, export=seal_export_of(settings))
            click.echo(f"drill: verified in {monotonic() - started:.1f} s: {verdict}")
    except (BillingError, OSError, asyncpg.PostgresError) as error:
        return [f"drill: {error}"]
    if not anchors:
        click.echo("drill: no day is closed and no anchor was given, so nothing shows that the state is the newest")
    return ["drill: the restored books have mismatches"] if verdict.mismatches else []
