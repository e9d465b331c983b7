"""Whether a compound file, the container of BIFF8 workbooks (.xls), is whole: a cut one is refused before it is read.

Source: Microsoft, [MS-CFB] Compound File Binary File Format, specification, sections 2.2 and 2.3.
"""

import struct
from collections.abc import Iterator

from billing.reconciliation.domain.statement import StatementUnreadable

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_SIZE = 512
_HEADER_FAT_SECTORS = 109
_FREE, _END = 0xFFFFFFFF, 0xFFFFFFFE
_REGULAR_MAX = 0xFFFFFFFA
_CUT = "the workbook is cut or damaged; export the statement again"


def check_whole(content: bytes) -> None:
    """Check that every sector in use is within the file. Raises StatementUnreadable."""
    if not content.startswith(SIGNATURE) or len(content) < _HEADER_SIZE:
        raise StatementUnreadable(_CUT)
    (shift,) = struct.unpack_from("<H", content, 30)
    if shift not in (9, 12):
        raise StatementUnreadable("this is no workbook of a spreadsheet program")
    size = 1 << shift
    sectors = len(content) // size - 1
    count, first_directory = struct.unpack_from("<2I", content, 44)
    tables = list(_table_sectors(content, size, sectors))
    if len(tables) != count or not count > 0 or first_directory >= sectors:
        raise StatementUnreadable(_CUT)
    entries = size // 4
    for number, table in enumerate(tables):
        for at, following in enumerate(_sector(content, size, table)):
            is_used = following != _FREE
            if is_used and (number * entries + at >= sectors or (following <= _REGULAR_MAX and following >= sectors)):
                raise StatementUnreadable(_CUT)


def _table_sectors(content: bytes, size: int, sectors: int) -> Iterator[int]:
    """The sectors of the allocation table: 109 in the header, the others in a chain."""
    for sector in struct.unpack_from(f"<{_HEADER_FAT_SECTORS}I", content, 76):
        if sector != _FREE:
            yield _within(sector, sectors)
    following, count = struct.unpack_from("<2I", content, 68)
    for _ in range(min(count, sectors)):
        *entries, following_of = _sector(content, size, _within(following, sectors))
        yield from (_within(sector, sectors) for sector in entries if sector != _FREE)
        following = following_of
    if count and following not in (_END, _FREE):
        raise StatementUnreadable(_CUT)


def _within(sector: int, sectors: int) -> int:
    if sector >= sectors:
        raise StatementUnreadable(_CUT)
    return sector


def _sector(content: bytes, size: int, sector: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{size // 4}I", content, (sector + 1) * size)
