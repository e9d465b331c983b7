"""The file of heads: the last block of each chain, appended outside the database at each sealing.

A line is one write under a lock of the file, flushed to the disk before the sealer continues. A process that ended
between sealing and writing writes the head in its next round. `domain/anchor.py` decides whether a line is authentic.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from billing.ledger.domain.anchor import ExportedHead, HeadInvalid, read_head, write_head
from billing.ledger.domain.seal import Seal


@dataclass(slots=True)
class SealExport:
    """The file of heads, and the key of its HMAC. `_written` is the last block of each organization."""

    path: Path
    key: bytes
    _written: dict[int, int] = field(default_factory=dict)

    async def write(self, head: Seal) -> None:
        """Append a head unless this process has written it. Raises OSError; the next round then writes it."""
        if self._written.get(head.organization_id) == head.number:
            return
        await asyncio.to_thread(_append, self.path, write_head(head, self.key))
        self._written[head.organization_id] = head.number

    def read(self) -> Iterator[tuple[int, ExportedHead | HeadInvalid]]:
        """Each line by its number, with its head or its error. Raises OSError."""
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield number, read_head(line, self.key)
                except HeadInvalid as problem:
                    yield number, problem


def _append(path: Path, line: str) -> None:
    """Append one whole line. A tail that a crash cut off becomes its own line, which verification reports."""
    is_new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        is_cut = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        content = ("\n" if is_cut else "").encode() + line.encode() + b"\n"
        if os.write(file, content) != len(content):
            raise OSError(f"{path} took a part of a line")
        os.fsync(file)
    finally:
        os.close(file)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
