"""Conversion of rows to the parallel arrays that unnest() takes."""

from collections.abc import Sequence


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Transpose rows into the parallel arrays that unnest() takes; no rows return empty arrays."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
