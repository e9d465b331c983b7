"""The program `barman`, which backs up the PostgreSQL server: its answers as values, and its restore into a folder.

Versions 3.4 (Debian 12) and 3.19 give the same answers. Source: docs/decisions/0026-barman.md.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from billing.core.errors import BillingError

_TIMEOUT_S = 120.0
_RESTORE_TIMEOUT_S = 24 * 3600.0
# WAITING_FOR_WALS: copied, and its last WAL segment is streamed but not archived yet.
_COPIED = frozenset({"DONE", "WAITING_FOR_WALS"})
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_PARTIAL = ".partial"


class BarmanFailed(BillingError):
    """barman cannot be run, knows no such server, or refused a command."""

    code = "barman_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBackup:
    """A base backup. Its restore needs the WAL segments from `begin_wal` to `end_wal`."""

    id: str
    ended_at: datetime | None
    begin_wal: str
    end_wal: str
    size_bytes: int
    major_version: int


@dataclass(frozen=True, slots=True)
class Barman:
    """barman for one server. `config` is its file of settings, None for the file of the system."""

    server: str
    program: str = "barman"
    config: Path | None = None

    def find_problems(self) -> Sequence[str]:
        """What `barman check` finds wrong, each with its remedy. Raises BarmanFailed."""
        checks: Mapping[str, Mapping[str, str]] = self._read("check")
        return [
            f"{name.replace('_', ' ')}{': ' if check.get('hint') else ''}{check.get('hint', '')}"
            for name, check in checks.items()
            if check["status"] != "OK"
        ]

    def find_last_backup(self) -> BaseBackup | None:
        """The newest base backup that was copied to its end; None where there is none. Raises BarmanFailed."""
        listed: Sequence[Mapping[str, str]] = self._read("list-backups")
        copied = [each["backup_id"] for each in listed if each.get("status") in _COPIED]
        return self._find_backup(max(copied)) if copied else None

    def _find_backup(self, backup_id: str) -> BaseBackup:
        shown: Mapping[str, Any] = self._read("show-backup", backup_id)
        base: Mapping[str, Any] = shown["base_backup_information"]
        ended = base.get("end_time_timestamp")
        return BaseBackup(
            id=backup_id,
            ended_at=None if ended is None else datetime.fromtimestamp(int(ended), UTC),
            begin_wal=base["begin_wal"],
            end_wal=base["end_wal"],
            size_bytes=int(base.get("backup_size_bytes") or base.get("disk_usage_bytes") or 0),
            major_version=int(shown["postgresql_version"]) // 10_000,
        )

    def find_archived(self, backup: BaseBackup) -> Sequence[str]:
        """The names of the archived WAL segments from the beginning of a backup on. Raises BarmanFailed."""
        answer = self._run("list-files", "--target", "wal", self.server, backup.id)
        names = [Path(line).name for line in answer.get("_INFO", ())]
        return [name for name in names if _SEGMENT.fullmatch(name)]

    def find_streamed(self) -> Sequence[Path]:
        """The files of segments that are received and not archived yet, the last one not whole. Raises BarmanFailed."""
        folder = Path(self._read("show-server")["streaming_wals_directory"])
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if _SEGMENT.fullmatch(segment_name(path)))

    def restore(self, backup: BaseBackup, folder: Path) -> None:
        """Restore a backup and the archived WAL into a folder that does not exist. Raises BarmanFailed."""
        self._call("recover", self.server, backup.id, str(folder), timeout_s=_RESTORE_TIMEOUT_S)

    def _read(self, command: str, *arguments: str) -> Any:
        """What barman states about the server."""
        answer = self._run(command, self.server, *arguments)
        if self.server not in answer:
            raise BarmanFailed(f"barman {command} {self.server}: {_errors(answer)}")
        return answer[self.server]

    def _run(self, command: str, *arguments: str) -> Mapping[str, Any]:
        output = self._call("--format", "json", command, *arguments, is_checked=False)
        try:
            answer = json.loads(output)
        except ValueError:
            raise BarmanFailed(f"barman {command} answers with something other than JSON") from None
        if not isinstance(answer, dict) or "_ERROR" in answer:
            raise BarmanFailed(f"barman {command} {self.server}: {_errors(answer)}")
        return answer

    def _call(self, *arguments: str, timeout_s: float = _TIMEOUT_S, is_checked: bool = True) -> str:
        options = [] if self.config is None else ["--config", str(self.config)]
        try:
            ended = subprocess.run(  # noqa: S603 - the program that the operator named, no shell
                [self.program, *options, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
        except OSError as error:
            raise BarmanFailed(
                f"{self.program} cannot be run ({error.strerror}); install barman, or name it in backup.program"
            ) from error
        except subprocess.TimeoutExpired:
            raise BarmanFailed(f"barman {' '.join(arguments)} did not end within {timeout_s:.0f} s") from None
        # `check` exits with 1 where it finds a problem, and prints JSON all the same.
        if (is_checked and ended.returncode) or not ended.stdout.strip():
            words = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
            raise BarmanFailed(f"barman {' '.join(arguments)}: {words[-1] if words else 'no answer'}")
        return ended.stdout


def segment_name(path: Path) -> str:
    """The name of the segment that a file holds."""
    return path.name.removesuffix(_PARTIAL)


def _errors(answer: object) -> str:
    errors = answer.get("_ERROR", ()) if isinstance(answer, dict) else ()
    return "; ".join(str(each) for each in errors) or "the server is not in the answer"
