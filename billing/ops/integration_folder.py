"""Dropped files: CSV files of charges in a folder of a facility, for systems without HTTP.

A file is read once it has stopped growing. It is first moved to `working/` under an id of its own, by an atomic rename,
then each row is processed and stored in the integration inbox in one transaction. When all rows are processed, the file
goes to `done/`, or to `failed/` with a file that names row and column of each error. A file that is found in `working/`
after a crash is continued under its id: rows that are in the inbox are not processed again.
"""

import asyncio
import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import UUID

import structlog

from billing.core.actor import Actor
from billing.core.errors import BillingError, InvalidValue, Unavailable
from billing.core.ids import OrganizationId
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.message import AlreadyProcessed, Channel, Message, MessageKind
from billing.visit_accounts.formats.charge_rows import ChargeRow, RowsRejected, column_of, read_rows
from billing.visit_accounts.service.inbox import ProcessedRow, read_file_rows, store_file
from billing.visit_accounts.service.visit_messages import put_charges

QUIET_S = 5.0
"""A file whose size and time have not changed for so long is complete."""

_ID_LENGTH = 36
_SHOWN_ERRORS_MAX = 5
_ACTOR = Actor.system()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationFolder:
    """The folder of one facility."""

    organization_id: OrganizationId
    facility_code: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Seen:
    """Size and time of a file, and since when they have not changed."""

    stamp: tuple[int, int]
    since: float


class FolderReader:
    """Reads the folders of an installation; several readers may run at once. `run_once` is called at intervals."""

    def __init__(
        self, context: PaymentContext, folders: Sequence[IntegrationFolder], *, quiet_s: float = QUIET_S
    ) -> None:
        self._context = context
        self._folders = folders
        self._quiet_s = quiet_s
        self._seen: dict[Path, _Seen] = {}

    async def run_once(self) -> int:
        """Process the files that are complete, and those that a crash left; returns how many were processed."""
        processed = 0
        for folder in self._folders:
            for name in ("working", "done", "failed"):
                (folder.path / name).mkdir(parents=True, exist_ok=True)
            for path in self._complete(folder):
                self._claim(folder, path)
            for path in sorted((folder.path / "working").glob("*.csv")):
                processed += await self._process(folder, path)
        return processed

    def _complete(self, folder: IntegrationFolder) -> list[Path]:
        """The files that have not changed since an earlier run, the oldest name first."""
        now = monotonic()
        complete = []
        found = [path for path in sorted(folder.path.glob("*.csv")) if path.is_file() and path.name[0] != "."]
        for path in found:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            stamp = (status.st_size, status.st_mtime_ns)
            seen = self._seen.get(path)
            if seen is None or seen.stamp != stamp:
                self._seen[path] = _Seen(stamp, now)
            elif now - seen.since >= self._quiet_s:
                complete.append(path)
        for path in [each for each in self._seen if each.parent == folder.path and each not in found]:
            del self._seen[path]
        return complete

    def _claim(self, folder: IntegrationFolder, path: Path) -> None:
        """Move a file to `working/` under a new id; another reader may have been first."""
        try:
            path.rename(folder.path / "working" / f"{self._context.ids.new()}.{path.name}")
        except FileNotFoundError:
            return

    async def _process(self, folder: IntegrationFolder, path: Path) -> int:
        """Process a file of `working/`, unless another reader has it."""
        file_id, name = path.name[:_ID_LENGTH], path.name[_ID_LENGTH + 1 :]
        try:
            UUID(file_id)
        except ValueError:
            log.warning("integration_file_without_id", path=str(path))
            return 0
        with _locked(path) as content:
            if content is None:
                return 0
            refusal: BillingError | None = None
            errors: list[tuple[int, str, str, str]] = []
            try:
                rows = await asyncio.to_thread(read_rows, content)
            except InvalidValue as unreadable:
                refusal, rows = unreadable, []
                errors = [(1, unreadable.field or "", unreadable.code, unreadable.detail)]
            await self._process_rows(folder, file_id, rows)
            known = await read_file_rows(self._context, folder.organization_id, file_id)
            errors += [_error(row) for row in known if row.error_code and not row.source.endswith(":file")]
            if errors and refusal is None:
                refusal = _refusal(errors)
            document = json.dumps({"name": name, "rows": len(rows)}, ensure_ascii=False)
            message = self._message(folder, MessageKind.FILE, document, f"{file_id}:file")
            await store_file(self._context, folder.organization_id, message, refusal)
            _finish(path, folder.path, errors)
        log.info("integration_file_processed", name=name, rows=len(rows), errors=len(errors))
        return 1

    async def _process_rows(self, folder: IntegrationFolder, file_id: str, rows: Sequence[ChargeRow]) -> None:
        """Process the rows that are not in the inbox yet, in order; a refused row does not stop the others."""
        known = {row.source for row in await read_file_rows(self._context, folder.organization_id, file_id)}
        for row in rows:
            source = f"{file_id}:{row.number:06}"
            if source in known:
                continue
            message = self._message(folder, MessageKind.CHARGE, row.body, source, row)
            try:
                await put_charges(self._context, folder.organization_id, message, actor=_ACTOR)
            except Unavailable:
                raise
            except AlreadyProcessed:
                continue
            except BillingError as refusal:
                log.info("integration_row_rejected", row=row.number, code=refusal.code)

    def _message(
        self, folder: IntegrationFolder, kind: MessageKind, document: str, source: str, row: ChargeRow | None = None
    ) -> Message:
        return Message(
            channel=Channel.FOLDER,
            kind=kind,
            facility_code=folder.facility_code,
            ma_lk="" if row is None else row.ma_lk[:100],
            document=document,
            received_at=self._context.clock(),
            line="" if row is None else row.line[:100],
            source=source,
        )


@contextmanager
def _locked(path: Path) -> Iterator[bytes | None]:
    """The content of a file while no other reader has it; None where another has it, or it is gone."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read() if path.exists() else None


def _error(row: ProcessedRow) -> tuple[int, str, str, str]:
    return int(row.source.partition(":")[2]), column_of(row.field), row.error_code, row.detail


def _refusal(errors: Sequence[tuple[int, str, str, str]]) -> BillingError:
    first = "; ".join(f"row {row}, {column}: {detail}" for row, column, _, detail in errors[:_SHOWN_ERRORS_MAX])
    return RowsRejected(f"{len(errors)} rows are rejected: {first}")


def _finish(path: Path, folder: Path, errors: Sequence[tuple[int, str, str, str]]) -> None:
    """Move a processed file to `done/` or, with its errors, to `failed/`; its id keeps two of one name apart."""
    file_id, name = path.name[:_ID_LENGTH], path.name[_ID_LENGTH + 1 :].removesuffix(".csv")
    if errors:
        _write_errors(folder / "failed" / f"{name}.{file_id}.errors.csv", errors)
    path.rename(folder / ("failed" if errors else "done") / f"{name}.{file_id}.csv")


def _write_errors(path: Path, errors: Sequence[tuple[int, str, str, str]]) -> None:
    """Write row, column, code and detail of each error; the file appears as a whole."""
    text = io.StringIO()
    csv.writer(text).writerows([("row", "column", "code", "detail"), *errors])
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text.getvalue(), encoding="utf-8")
    os.replace(unfinished, path)
