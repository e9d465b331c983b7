"""A statement that is an HTML page, mostly named .xls: the rows of all its tables, in order.

A cell over several rows stands in the first of them, as in a spreadsheet; the columns to its right keep their places.
A page whose tables are not closed is refused: it is cut.
Source: docs/reference/statements.md, section 1, Agribank and Vietcombank.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import BinaryIO

from billing.reconciliation.domain.statement import Place, StatementUnreadable
from billing.reconciliation.formats.cell_values import Cell
from billing.reconciliation.formats.statement_table import Table
from billing.reconciliation.formats.table_head import Row
from billing.reconciliation.formats.text_decoding import decoded_pieces, detect_encoding
from billing.spreadsheets.cells import CELL_LENGTH_MAX, COLUMNS_MAX, ROWS_MAX

HTML_SIZE_MAX = 128 * 1024 * 1024
_CELLS = ("td", "th")
_BREAKS = ("br", "p", "div", "li")
_IGNORED = ("script", "style", "title")
_DEPTH_MAX = 8
_TAG_LENGTH_MAX = 256 * 1024


def html_table(stream: BinaryIO) -> Table:
    """The rows of a page. Raises StatementUnreadable, also while the rows are read."""
    return Table(sheet=None, rows=_rows(stream, detect_encoding(stream)))


def _rows(stream: BinaryIO, encoding: str) -> Iterator[Row]:
    parser = _Rows()
    number = size = 0
    for piece in decoded_pieces(stream, encoding):
        size += len(piece)
        if size > HTML_SIZE_MAX:
            raise StatementUnreadable(f"the page has more than {HTML_SIZE_MAX:,} characters")
        parser.feed(piece)
        if len(parser.rawdata) > _TAG_LENGTH_MAX:
            raise StatementUnreadable("a tag of the page has no end", Place(number))
        for cells in parser.ready():
            number += 1
            if number > ROWS_MAX:
                raise StatementUnreadable(f"the page has more than {ROWS_MAX:,} rows")
            yield number, cells
    parser.close()
    for cells in parser.ready():
        number += 1
        yield number, cells
    if parser.is_open:
        raise StatementUnreadable("the table has no end; the file is cut: export it again", Place(number))


@dataclass(slots=True)
class _OpenTable:
    """A table whose rows are read: the current row, and the rows for which a column is still covered from above."""

    cells: list[Cell] | None = None
    text: list[str] | None = None
    span: int = 1
    rows: int = 1
    covered: dict[int, int] = field(default_factory=dict)


class _Rows(HTMLParser):
    """Collects the rows of tables, those of a table inside a cell as rows of their own."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._tables: list[_OpenTable] = []
        self._done: list[list[Cell]] = []
        self._ignored: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether a table is not closed."""
        return bool(self._tables)

    def ready(self) -> list[list[Cell]]:
        """The rows that are complete."""
        done, self._done = self._done, []
        return done

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _IGNORED:
            self._ignored = tag
        elif tag == "table":
            if len(self._tables) >= _DEPTH_MAX:
                raise StatementUnreadable(f"the page has tables inside tables deeper than {_DEPTH_MAX}")
            self._tables.append(_OpenTable())
        elif not self._tables:
            return
        elif tag == "tr":
            self._end_row()
            self._tables[-1].cells = []
        elif tag in _CELLS:
            self._begin_cell(dict(attrs))
        elif tag in _BREAKS and self._tables[-1].text is not None:
            self._tables[-1].text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._ignored:
            self._ignored = None
        elif not self._tables:
            return
        elif tag in _CELLS:
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_row()
            self._tables.pop()

    def handle_data(self, data: str) -> None:
        if self._ignored is None and self._tables and self._tables[-1].text is not None:
            self._tables[-1].text.append(data)

    def _begin_cell(self, attributes: dict[str, str | None]) -> None:
        self._end_cell()
        table = self._tables[-1]
        if table.cells is None:
            table.cells = []
        table.text = []
        table.span = _count(attributes.get("colspan"), COLUMNS_MAX)
        table.rows = _count(attributes.get("rowspan"), ROWS_MAX)

    def _end_cell(self) -> None:
        table = self._tables[-1]
        if table.text is None or table.cells is None:
            return
        text = " ".join("".join(table.text).split())
        if len(text) > CELL_LENGTH_MAX:
            raise StatementUnreadable(f"a cell has more than {CELL_LENGTH_MAX} characters")
        table.text = None
        while table.covered.get(len(table.cells), 0):
            table.cells.append(None)
        at = len(table.cells)
        table.cells += [text or None, *[None] * (table.span - 1)]
        if len(table.cells) > COLUMNS_MAX:
            raise StatementUnreadable(f"a row has more than {COLUMNS_MAX} columns")
        if table.rows > 1:
            table.covered.update({at + each: table.rows for each in range(table.span)})

    def _end_row(self) -> None:
        self._end_cell()
        table = self._tables[-1]
        if table.cells is None:
            return
        self._done.append(table.cells)
        table.cells = None
        table.covered = {at: rows - 1 for at, rows in table.covered.items() if rows > 1}


def _count(written: str | None, maximum: int) -> int:
    text = (written or "1").strip()
    return min(int(text), maximum) if text.isascii() and text.isdigit() and len(text) < 7 and int(text) else 1
