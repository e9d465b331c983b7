"""Rows in a temporary file: written and read back in chunks, so that memory does not grow with a foreign file.

The process that wrote the file reads it and no other does, so its form is the fastest one of the standard library.
"""

import marshal
from collections.abc import Iterator
from typing import Any, BinaryIO

CHUNK = 2_000
"""Rows that are read from a foreign file and stored at once: some tenths of a second."""

_SIZE_LENGTH = 8


class ChunkFile:
    """Rows of numbers, texts, bytes, booleans and None in a temporary file of the caller."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[tuple[object, ...]] = []

    def add(self, row: tuple[object, ...]) -> bool:
        """Add a row; returns whether a chunk was written with it."""
        self._waiting.append(row)
        if len(self._waiting) < CHUNK:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Write the rows that wait."""
        if self._waiting:
            chunk = marshal.dumps(self._waiting)
            self._file.write(len(chunk).to_bytes(_SIZE_LENGTH, "big"))
            self._file.write(chunk)
            self._waiting = []

    def chunks(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows from the first on. Reads the temporary file: call it apart from the event loop."""
        self._file.seek(0)
        while size := self._file.read(_SIZE_LENGTH):
            yield marshal.loads(self._file.read(int.from_bytes(size, "big")))  # noqa: S302 - written by `flush`
