"""Names of WAL segments: which are missing between two of them. Pure.

A name is timeline, log and segment, eight hexadecimal digits each. Source: PostgreSQL documentation, Continuous
Archiving.
"""

from collections.abc import Iterable, Sequence

SEGMENT_BYTES = 16 * 1024 * 1024
"""The size of a segment by default of PostgreSQL."""

_LOG_BYTES = 1 << 32


def segment_number(name: str, segment_bytes: int = SEGMENT_BYTES) -> int:
    """The position of a segment in the WAL, the same on every timeline."""
    return int(name[8:16], 16) * (_LOG_BYTES // segment_bytes) + int(name[16:24], 16)


def find_missing(first: str, names: Iterable[str], segment_bytes: int = SEGMENT_BYTES) -> Sequence[str]:
    """The segments that are missing from `first` to the last of the names, without their timeline.

    After a fail-over a segment is on the old or the new timeline; one of them is enough.
    """
    begin = segment_number(first, segment_bytes)
    held = {segment_number(name, segment_bytes) for name in names}
    per_log = _LOG_BYTES // segment_bytes
    return [
        f"{number // per_log:08X}{number % per_log:08X}"
        for number in range(begin, max(held, default=begin) + 1)
        if number not in held
    ]
