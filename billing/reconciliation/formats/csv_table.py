"""A statement in CSV as a table: one row at a time, whatever the size of the file.

The separator is the one under which the headings of a profile are found. A row has the number of its first line.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from billing.reconciliation.domain.statement import Place, StatementUnreadable
from billing.reconciliation.formats.cell_values import Cell
from billing.reconciliation.formats.profile import Profile
from billing.reconciliation.formats.statement_table import Table
from billing.reconciliation.formats.table_head import HEAD_ROWS_MAX, Row, find_columns
from billing.reconciliation.formats.text_decoding import DecodedLines, detect_encoding
from billing.spreadsheets.cells import CELL_LENGTH_MAX, COLUMNS_MAX

_SEPARATORS = (",", ";", "\t", "|")


def csv_table(stream: BinaryIO, profiles: Sequence[Profile]) -> Table:
    """The rows of a CSV file. Raises StatementUnreadable, also while the rows are read."""
    encoding = detect_encoding(stream)
    separator = _find_separator(stream, encoding, profiles)
    stream.seek(0)
    lines = DecodedLines(stream, encoding)
    table = Table(sheet=None, rows=())
    table.rows = _rows(lines, separator, table)
    return table


def _rows(lines: DecodedLines, separator: str, table: Table | None) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    number = 1
    try:
        for row in reader:
            if len(row) > COLUMNS_MAX:
                raise StatementUnreadable(f"the row has more than {COLUMNS_MAX} columns", Place(number))
            yield number, _cells(row, number)
            number = reader.line_num + 1
    except csv.Error as error:
        raise StatementUnreadable(f"the row is no CSV: {error}; the file may be cut", Place(number)) from error
    if table is not None:
        table.is_cut = lines.is_cut


def _cells(row: list[str], number: int) -> Sequence[Cell]:
    cells = [text.strip() or None for text in row]
    if max(map(len, row), default=0) > CELL_LENGTH_MAX and any(len(cell or "") > CELL_LENGTH_MAX for cell in cells):
        raise StatementUnreadable(f"a cell has more than {CELL_LENGTH_MAX} characters", Place(number))
    return cells


def _find_separator(stream: BinaryIO, encoding: str, profiles: Sequence[Profile]) -> str:
    """The separator under which a row has the headings of a profile, else the most frequent one."""
    widths: dict[str, int] = {}
    for separator in _SEPARATORS:
        stream.seek(0)
        widths[separator] = 0
        try:
            for row in islice(_rows(DecodedLines(stream, encoding), separator, None), HEAD_ROWS_MAX):
                widths[separator] += len(row[1]) - 1
                if any(find_columns(profile, row, None) is not None for profile in profiles):
                    return separator
        except StatementUnreadable:
            continue
    return max(widths, key=lambda each: widths[each])
