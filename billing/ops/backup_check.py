"""The check of the backups: age of the last base backup, WAL without a gap up to now, and what barman finds.

The restore drill is `restore_drill.py`; the command `billing/cli/backup.py` puts both together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.core.errors import BillingError
from billing.db.database import Database
from billing.ledger.domain.anchor import Anchor
from billing.ops.backup_rows import WalPosition, find_last_anchors, read_wal_position
from billing.ops.barman import Barman, BaseBackup, segment_name
from billing.ops.measure_rows import BackupCheck, record_backup_check
from billing.ops.wal_segments import SEGMENT_BYTES, find_missing, segment_number

_MISSING_SHOWN = 5
_SEGMENTS_BEHIND_MAX = 1
"""The primary may have begun a segment that has not reached the archive yet."""


@dataclass(frozen=True, slots=True)
class Primary:
    """What the primary states; `anchors` are the hashes of the last closing papers."""

    position: WalPosition
    anchors: Sequence[Anchor]


@dataclass(slots=True)
class BackupFindings:
    """What a check found, as lines to print; `problems` are those that need a person."""

    backup: BaseBackup | None
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def read_primary(database: Database) -> Primary:
    """Read from the primary what its backups are compared with."""
    async with database.system_transaction() as reader:
        position = await read_wal_position(reader)
    return Primary(position, await find_last_anchors(database, await database.list_organizations()))


def check_backups(barman: Barman, primary: Primary | None, *, now: datetime, age_max: timedelta) -> BackupFindings:
    """Check the backups of a server. `primary` is None where it does not answer. Raises BarmanFailed."""
    backup = barman.find_last_backup()
    findings = BackupFindings(backup)
    if backup is None or backup.ended_at is None:
        findings.problems.append("there is no base backup")
    else:
        age = now - backup.ended_at
        findings.lines.append(
            f"base backup {backup.id}: ended {backup.ended_at:%Y-%m-%d %H:%M:%S}Z, {_hours(age)} ago,"
            f" {backup.size_bytes / (1 << 20):.0f} MiB, PostgreSQL {backup.major_version}"
        )
        if age > age_max:
            findings.problems.append(f"the base backup is {_hours(age)} old; {_hours(age_max)} are allowed")
        _check_wal(barman, backup, primary, findings)
    problems = barman.find_problems()
    findings.problems += [f"barman check: {problem}" for problem in problems]
    if not problems:
        findings.lines.append("barman check: no problem")
    return findings


def _check_wal(barman: Barman, backup: BaseBackup, primary: Primary | None, findings: BackupFindings) -> None:
    archived = barman.find_archived(backup)
    streamed = [segment_name(path) for path in barman.find_streamed()]
    size = primary.position.segment_bytes if primary else SEGMENT_BYTES
    received = sorted({*archived, *streamed}, key=lambda name: segment_number(name, size))
    missing = find_missing(backup.begin_wal, received, size)
    if not received or segment_number(received[-1], size) < segment_number(backup.end_wal, size):
        findings.problems.append(f"WAL: the backup needs the segments to {backup.end_wal}; they were not received")
        return
    findings.lines.append(
        f"WAL: {len(received)} segments up to {received[-1]}, {len(streamed)} of them not archived yet"
    )
    if missing:
        named = ", ".join(missing[:_MISSING_SHOWN]) + (" …" if len(missing) > _MISSING_SHOWN else "")
        findings.problems.append(f"WAL: {len(missing)} segments are missing: {named}; make a new base backup")
    if primary is not None:
        behind = segment_number(primary.position.segment, size) - segment_number(received[-1], size)
        findings.lines.append(f"the primary writes segment {primary.position.segment}")
        if behind > _SEGMENTS_BEHIND_MAX:
            findings.problems.append(f"WAL: the last {behind} segments were not received")


async def record_check(
    database: Database, barman: Barman, findings: BackupFindings, *, now: datetime, drilled_at: datetime | None
) -> str | None:
    """State the result in the database, where the worker measures the age; the problem where that is not possible."""
    check = BackupCheck(
        server=barman.server,
        checked_at=now,
        problems=len(findings.problems),
        backup_ended_at=findings.backup.ended_at if findings.backup else None,
        drilled_at=drilled_at,
    )
    try:
        async with database.system_transaction(writing=True) as reader:
            await record_backup_check(reader, check)
    except BillingError as error:
        return f"the result is not recorded: {error.detail}"
    return None


def _hours(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
