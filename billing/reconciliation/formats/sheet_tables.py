"""The sheets of a workbook as tables, hidden sheets included: XLSX and the older BIFF8 (.xls), read by calamine.

A merged range has its value in its first cell. A numeric cell of 2⁵³ or more is refused where it is needed: the binary
number may differ from the written one. Source: docs/reference/statements.md, section 2; docs/decisions/0012.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from billing.reconciliation.domain.statement import Place, StatementUnreadable
from billing.reconciliation.formats.cell_values import EXACT_MAX, Cell
from billing.reconciliation.formats.compound_file import check_whole
from billing.reconciliation.formats.statement_table import Table
from billing.reconciliation.formats.table_head import Row
from billing.spreadsheets.cells import CELL_LENGTH_MAX, ROWS_MAX, CellError, SheetUnreadable
from billing.spreadsheets.xlsx_bounds import CELLS_MAX
from billing.spreadsheets.xlsx_rows import open_all_sheets

_NOT_EXACT = "is a number of 2⁵³ or more, which a spreadsheet does not keep exactly; export the column as text"
_TRUTH = "is a truth value, and a text or a number is needed"
_TIME = "is a time without a day"


def xlsx_tables(content: bytes) -> list[Table]:
    """The sheets of an XLSX workbook. Raises StatementUnreadable."""
    try:
        opened = open_all_sheets(content)
    except SheetUnreadable as error:
        raise StatementUnreadable(error.detail) from error
    return [Table(each.sheet.name, _rows(each.sheet, each.errors)) for each in opened]


def xls_tables(content: bytes) -> list[Table]:
    """The sheets of a BIFF8 workbook. Raises StatementUnreadable."""
    check_whole(content)
    with _refusing_damage():
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        return [Table(name, _rows(workbook.get_sheet_by_name(name), {})) for name in workbook.sheet_names]


@contextmanager
def _refusing_damage(sheet: str | None = None) -> Iterator[None]:
    """Refuse what calamine cannot read. It reports some damage as the panic of a Rust program, no `Exception`."""
    try:
        yield
    except CalamineError as error:
        raise StatementUnreadable(f"the workbook cannot be read ({error})", Place(sheet=sheet)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise StatementUnreadable("the workbook is damaged; export the statement again", Place(sheet=sheet)) from error


def _rows(sheet: CalamineSheet, errors: Mapping[tuple[int, int], CellError]) -> Iterator[Row]:
    if sheet.height > ROWS_MAX or sheet.height * sheet.width > CELLS_MAX:
        raise StatementUnreadable(
            f"a sheet has at most {ROWS_MAX:,} rows and {CELLS_MAX:,} cells", Place(sheet=sheet.name)
        )
    with _refusing_damage(sheet.name):
        rows = sheet.to_python(skip_empty_area=False)
    for number, row in enumerate(rows, start=1):
        found = [_cell(value) for value in row]
        if errors:
            for at in range(len(found)):
                if (number, at + 1) in errors:
                    found[at] = errors[number, at + 1]
        yield number, found


def _cell(value: object) -> Cell:
    match value:
        case str():
            text = value.strip()
            return (text or None) if len(text) <= CELL_LENGTH_MAX else CellError("is too long a text")
        case bool():
            return CellError(_TRUTH)
        case int() | float():
            return _number(value)
        case date():
            return value
        case _:
            return CellError(_TIME)


def _number(value: int | float) -> Cell:
    if not -EXACT_MAX < value < EXACT_MAX:
        return CellError(_NOT_EXACT)
    return int(value) if value == int(value) else repr(value)
