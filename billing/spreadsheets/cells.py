"""The rows and cells of a sheet, independent of its file format: rows have the number that a person sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing.core.errors import InvalidValue

SIZE_MAX = 32 * 1024 * 1024
"""Bytes of a file. 200,000 rows of a price list are about 20 MB of CSV."""

ROWS_MAX = 250_000
COLUMNS_MAX = 256
CELL_LENGTH_MAX = 5_000


class SheetUnreadable(InvalidValue):
    """The file as a whole is no readable sheet; the message states the action."""

    code = "sheet_unreadable"


@dataclass(frozen=True, slots=True)
class CellError:
    """A cell whose value cannot be known: the reason with the action, and the content of the cell."""

    why: str
    found: str = ""


Cell = str | Decimal | date | CellError | None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row; `number` counts from 1 as the spreadsheet program shows it. Empty cells are None."""

    number: int
    cells: Sequence[Cell]


def check_size(content: bytes) -> None:
    """Raises SheetUnreadable for an empty file and one above the limit."""
    if not content:
        raise SheetUnreadable("the file is empty")
    if len(content) > SIZE_MAX:
        raise SheetUnreadable(f"the file has {len(content):,} bytes; at most {SIZE_MAX:,} are read")
