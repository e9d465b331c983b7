"""Read CSV of spreadsheets: UTF-8 with or without a byte-order mark, commas or semicolons, quoted cells."""

import csv
import io
from collections.abc import Iterator

from billing.spreadsheets.cells import CELL_LENGTH_MAX, COLUMNS_MAX, ROWS_MAX, SheetRow, SheetUnreadable, check_size


def decode_csv(content: bytes) -> str:
    """The text of a CSV file. Raises SheetUnreadable."""
    check_size(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise SheetUnreadable(f"byte {cause.start + 1} is not UTF-8; save the file as “CSV UTF-8”") from cause
    if "\x00" in text:
        raise SheetUnreadable("the file holds NUL characters: this is no CSV file, or it was saved as UTF-16")
    return text


def read_csv(text: str, *, delimiter: str) -> Iterator[SheetRow]:
    """The rows of a CSV file; a quoted line break does not make a row. Raises SheetUnreadable."""
    number = 0
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for number, row in enumerate(rows, start=1):
            if number > ROWS_MAX or len(row) > COLUMNS_MAX:
                raise SheetUnreadable(f"a sheet has at most {ROWS_MAX:,} rows and {COLUMNS_MAX} columns")
            if any(len(cell) > CELL_LENGTH_MAX for cell in row):
                raise SheetUnreadable(f"row {number} has a cell of more than {CELL_LENGTH_MAX} characters")
            yield SheetRow(number, [cell.strip() or None for cell in row])
    except csv.Error as cause:
        raise SheetUnreadable(f"the row after row {number} cannot be read: {cause}") from cause
