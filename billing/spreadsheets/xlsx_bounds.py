"""Limits of the content of a sheet: a text that is stored once may be referenced by every cell.

The reader allocates a text for each cell, and a slot for each cell of the rectangle that the values span.
Source: ECMA-376 Part 1 §18.4.9 (shared strings).
"""

import zipfile
from array import array
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from billing.spreadsheets.cells import SheetUnreadable

CELLS_MAX = 8_000_000
"""Cells of the rectangle that the values span, and cells written: 250,000 rows of 32 columns."""

TEXT_MAX = 64_000_000
"""Characters of all cells together."""

MERGED_MAX = 2_000_000
"""Rows of merged cells, counted once for each merged cell."""

_SHARED = "sharedstrings.xml"


class SheetBounds:
    """Counts the cells of one sheet and refuses the first above a limit."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._shared = _shared_lengths(archive)
        self._rows = self._columns = self._cells = self._text = self._merged = 0

    def count(self, row: int, column: int, cell: Element) -> None:
        """Count a cell with content. Raises SheetUnreadable."""
        self._rows, self._columns = max(self._rows, row), max(self._columns, column)
        self._cells += 1
        if self._rows * self._columns > CELLS_MAX or self._cells > CELLS_MAX:
            raise SheetUnreadable(
                f"the sheet's values span {self._rows:,} rows and {self._columns} columns, more than {CELLS_MAX:,}"
                " cells; delete the values outside the table"
            )
        self._text += self._length(cell)
        if self._text > TEXT_MAX:
            raise SheetUnreadable(f"the texts of the sheet's cells have more than {TEXT_MAX:,} characters together")

    def count_merged(self, rows: int) -> None:
        """Count a merged cell. Raises SheetUnreadable."""
        self._merged += rows
        if self._merged > MERGED_MAX:
            raise SheetUnreadable(
                f"merged cells touch more than {MERGED_MAX:,} rows; split the merged cells below the headings"
            )

    def _length(self, cell: Element) -> int:
        written = sum(len(text) for text in cell.itertext())
        if cell.get("t") != "s":
            return written
        try:
            return self._shared[int("".join(cell.itertext()))]
        except (ValueError, IndexError, OverflowError):
            return written  # the reader reports that there is no such text


def _shared_lengths(archive: zipfile.ZipFile) -> "array[int]":
    """The length of each shared text, of all parts of that name in order: a valid file has one."""
    parts = [name for name in archive.namelist() if name.casefold().endswith(_SHARED)]
    if len(parts) > 1:
        raise SheetUnreadable("the workbook has two lists of texts")
    lengths = array("L")
    for part in parts:
        with archive.open(part) as stream:
            root: Element | None = None
            for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
                root = element if root is None else root
                if event == "end" and str(element.tag).rpartition("}")[2] == "si":
                    lengths.append(sum(len(text) for text in element.itertext()))
                    root.clear()
    return lengths
