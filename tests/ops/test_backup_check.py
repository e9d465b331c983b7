"""`vienphi backup check` on answers of barman 3.4 as recorded: what is whole, what is missing, what is too old."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.devserver.server_programs import ServerProgramsNotFound, find_server_programs, server_user
from billing.ops.backup_check import Primary, check_backups
from billing.ops.backup_rows import WalPosition
from billing.ops.barman import Barman, BarmanFailed
from billing.ops.wal_segments import SEGMENT_BYTES, find_missing, segment_number
from tests.cli.commands import call
from tests.conftest import DatabaseAddress

ENDED = datetime(2026, 11, 29, 23, 24, 17, tzinfo=UTC)
DAY = timedelta(hours=26)
FIRST, SECOND, THIRD = (f"00000001000000000000000{number}" for number in (3, 4, 5))

_BACKUP: dict[str, Any] = {
    "backup_id": "20261129T232414",
    "base_backup_information": {
        "begin_wal": FIRST,
        "end_wal": FIRST,
        "disk_usage_bytes": 30560413,
        "end_time_timestamp": str(int(ENDED.timestamp())),
        "timeline": 1,
    },
    "postgresql_version": 180006,
    "status": "DONE",
}
_FINE: dict[str, dict[str, str]] = {
    "postgresql": {"hint": "", "status": "OK"},
    "receive_wal_running": {"hint": "", "status": "OK"},
}


class RecordedBarman:
    """A program that answers as barman did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streaming = folder / "streaming"
        self._streaming.mkdir()
        self.answer("list-backups", {"vienphi": [{"backup_id": _BACKUP["backup_id"], "status": "DONE"}]})
        self.answer("show-backup", {"vienphi": _BACKUP})
        self.answer("check", {"vienphi": _FINE})
        self.answer("show-server", {"vienphi": {"streaming_wals_directory": str(self._streaming)}})
        self.hold([FIRST, SECOND], streamed=[f"{THIRD}.partial"])
        program = folder / "barman"
        program.write_text(f'#!/bin/sh\ncat "{folder}/$3.json"\n', encoding="utf-8")
        program.chmod(0o755)
        self.barman = Barman("vienphi", str(program))

    def answer(self, command: str, content: object) -> None:
        (self._folder / f"{command}.json").write_text(json.dumps(content), encoding="utf-8")

    def hold(self, archived: list[str], *, streamed: list[str]) -> None:
        self.answer("list-files", {"_INFO": [f"/archive/vienphi/wals/0000000100000000/{name}" for name in archived]})
        for path in self._streaming.iterdir():
            path.unlink()
        for name in streamed:
            (self._streaming / name).touch()

    def check(self, *, writes: str | None = THIRD, hours_later: float = 3) -> tuple[list[str], list[str]]:
        primary = None if writes is None else Primary(WalPosition(writes, SEGMENT_BYTES), [])
        found = check_backups(self.barman, primary, now=ENDED + timedelta(hours=hours_later), age_max=DAY)
        return found.lines, found.problems


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedBarman:
    return RecordedBarman(tmp_path)


def test_complete_backup_is_described_without_a_problem(recorded: RecordedBarman) -> None:
    lines, problems = recorded.check()

    assert problems == []
    assert lines == [
        "base backup 20261129T232414: ended 2026-11-29 23:24:17Z, 3.0 h ago, 29 MiB, PostgreSQL 18",
        f"WAL: 3 segments up to {THIRD}, 1 of them not archived yet",
        f"the primary writes segment {THIRD}",
        "barman check: no problem",
    ]


def test_segment_that_is_missing_in_between_is_named(recorded: RecordedBarman) -> None:
    recorded.hold([FIRST], streamed=[f"{THIRD}.partial"])

    assert recorded.check()[1] == ["WAL: 1 segments are missing: 0000000000000004; make a new base backup"]


def test_archive_that_ends_before_the_primary_is_a_problem(recorded: RecordedBarman) -> None:
    recorded.hold([FIRST], streamed=[])

    assert recorded.check(writes=SECOND)[1] == []  # just begun
    assert recorded.check(writes=THIRD)[1] == ["WAL: the last 2 segments were not received"]


def test_backup_whose_own_segments_were_not_received_cannot_be_restored(recorded: RecordedBarman) -> None:
    recorded.hold([], streamed=[])

    assert recorded.check()[1] == [f"WAL: the backup needs the segments to {FIRST}; they were not received"]


def test_old_backup_is_a_problem(recorded: RecordedBarman) -> None:
    assert recorded.check(hours_later=26)[1] == []
    assert recorded.check(hours_later=27)[1] == ["the base backup is 27.0 h old; 26.0 h are allowed"]


def test_backup_that_failed_or_runs_is_none(recorded: RecordedBarman) -> None:
    recorded.answer("list-backups", {"vienphi": [{"backup_id": "1", "status": "FAILED"}, {"backup_id": "2"}]})

    assert recorded.check()[1] == ["there is no base backup"]


def test_problems_of_barman_are_listed_with_their_remedy(recorded: RecordedBarman) -> None:
    failed = {"receive_wal_running": {"hint": "See the Barman log file for more details", "status": "FAILED"}}
    recorded.answer("check", {"vienphi": _FINE | failed})

    assert recorded.check()[1] == ["barman check: receive wal running: See the Barman log file for more details"]


def test_unknown_server_and_missing_program_are_one_sentence(recorded: RecordedBarman, tmp_path: Path) -> None:
    recorded.answer("list-backups", {"_ERROR": ["Unknown server 'vienphi'"]})

    with pytest.raises(BarmanFailed, match="Unknown server 'vienphi'"):
        recorded.check()
    with pytest.raises(BarmanFailed, match=r"cannot be run .*; install barman, or name it in backup\.program"):
        Barman("vienphi", str(tmp_path / "nothing")).find_last_backup()


def test_segments_are_counted_over_logs_and_timelines() -> None:
    names = ["0000000100000000000000FE", "0000000100000000000000FF", "000000020000000100000001"]

    assert segment_number("000000020000000100000000") == 256
    assert find_missing(names[0], names) == ["0000000100000000"]
    assert find_missing(names[0], [*names, "000000020000000100000000"]) == []


def test_check_is_recorded_for_the_metrics(recorded: RecordedBarman, database: DatabaseAddress) -> None:
    recorded.hold([FIRST], streamed=[f"{THIRD}.partial"])

    printed = call(
        "backup", "check", VIENPHI_DATABASE_URL=database.app_url, VIENPHI_BACKUP__PROGRAM=recorded.barman.program
    )

    problems = re.findall("^PROBLEM .*", printed.output, re.M)
    assert printed.exit_code == 1
    assert printed.output.splitlines()[-1] == f"{len(problems)} PROBLEMS"
    assert "PROBLEM WAL: 1 segments are missing: 0000000000000004; make a new base backup" in problems


def test_programs_of_another_version_are_not_used_for_a_drill() -> None:
    with pytest.raises(ServerProgramsNotFound, match="PostgreSQL 14"):
        find_server_programs(server_user(), {"PATH": ""}, major_version=14)
