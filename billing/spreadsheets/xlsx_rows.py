"""Read XLSX: inspect the file first, since a small archive can expand to a huge one, then read it with calamine.

The inspection counts the real unpacked size of the parts, finds the extent of the sheet, and the cells that calamine
cannot distinguish from empty ones: errors, and formulas whose result was never saved.
Source: ECMA-376 Part 1 §18.3 (worksheets); docs/decisions/0012-reading-spreadsheets.md.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from posixpath import normpath
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from billing.core.errors import InvalidValue
from billing.spreadsheets.amounts import exact_number
from billing.spreadsheets.cells import (
    CELL_LENGTH_MAX,
    COLUMNS_MAX,
    ROWS_MAX,
    Cell,
    CellError,
    SheetRow,
    SheetUnreadable,
    check_size,
)
from billing.spreadsheets.xlsx_bounds import SheetBounds

UNPACKED_MAX = 256 * 1024 * 1024
_PARTS_MAX = 2_000
_CHUNK = 1024 * 1024
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ROW = re.compile(r"[0-9]{1,7}")
_COUNTED_BY_VALUE = frozenset("nbse")  # kinds of cells; for other kinds an empty text is a value
_OFFICE_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STRICT_RELATIONS = "http://purl.oclc.org/ooxml/officeDocument/relationships"
_NOT_COMPUTED = "the result of this formula was not saved; open the file in its program and save it again"
_SHOWS_AN_ERROR = "this cell shows an error; correct it in the sheet and save again"

Place = tuple[int, int]
"""Row and column of a cell, both counted from 1."""


@dataclass(frozen=True, slots=True)
class _Inspected:
    errors: dict[Place, CellError]
    merged_rows: frozenset[int]
    computed: frozenset[Place]


@dataclass(frozen=True, slots=True)
class OpenedSheet:
    """A sheet that may be read; `merged_rows` are the rows with merged cells, `computed` the cells with formulas."""

    sheet: CalamineSheet
    errors: dict[Place, CellError]
    computed: frozenset[Place]
    merged_rows: frozenset[int]


def open_xlsx(content: bytes, *, sheet_name: str | None = None) -> OpenedSheet:
    """Inspect a workbook and open one sheet of it. Without a name it must have only one. Raises SheetUnreadable."""
    [opened] = _open(content, lambda parts: [_choose(parts, sheet_name)])
    return opened


def open_all_sheets(content: bytes) -> list[OpenedSheet]:
    """Inspect a workbook and open all of its sheets, hidden ones included, in their order. Raises SheetUnreadable."""
    return _open(content, list)


def _open(content: bytes, choose: Callable[[dict[str, str]], list[str]]) -> list[OpenedSheet]:
    check_size(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_unpacked(archive, content)
            parts = _sheet_parts(archive)
            inspected = {name: _inspect(archive, parts[name]) for name in choose(parts)}
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        return [
            OpenedSheet(workbook.get_sheet_by_name(name), each.errors, each.computed, each.merged_rows)
            for name, each in inspected.items()
        ]
    except (ParseError, DefusedXmlException, UnicodeDecodeError) as cause:
        raise SheetUnreadable("a part of the workbook is no plain XML") from cause
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, KeyError, EOFError, ValueError) as cause:
        # ValueError: the archive states that a part begins before the file does.
        raise SheetUnreadable("this is no XLSX file, or a damaged or protected one") from cause
    except CalamineError as cause:
        raise SheetUnreadable(f"the workbook cannot be read: {cause}") from cause


def read_xlsx(opened: OpenedSheet) -> Iterator[SheetRow]:
    """The rows of an opened sheet; numbers are exact by their shortest text."""
    try:
        for number, row in enumerate(opened.sheet.to_python(skip_empty_area=False), start=1):
            yield SheetRow(
                number,
                [
                    opened.errors.get((number, column)) or _cell(value, is_computed=(number, column) in opened.computed)
                    for column, value in enumerate(row, start=1)
                ],
            )
    except CalamineError as cause:
        raise SheetUnreadable(f"the sheet cannot be read: {cause}") from cause


def _check_unpacked(archive: zipfile.ZipFile, content: bytes) -> None:
    """Unpack every part once and count: the sizes that an archive states are not reliable."""
    parts = archive.infolist()
    if len(parts) > _PARTS_MAX or len({part.filename for part in parts}) != len(parts):
        raise SheetUnreadable("the archive has too many parts, or two of one name")
    left = UNPACKED_MAX
    for part in parts:
        if part.flag_bits & 0x1:
            raise SheetUnreadable("the workbook is protected by a password; save it without one")
        header = part.header_offset
        name_length, extra_length = (
            int.from_bytes(content[header + at : header + at + 2], "little") for at in (26, 28)
        )
        begin = header + 30 + name_length + extra_length
        packed = content[begin : begin + part.compress_size]
        if part.compress_type == zipfile.ZIP_STORED:
            left -= len(packed)
        elif part.compress_type == zipfile.ZIP_DEFLATED:
            left -= _unpacked_size(packed, left)
        else:
            raise SheetUnreadable("the workbook is packed in a way that no spreadsheet program uses")
        if left < 0:
            raise SheetUnreadable(f"the workbook unpacks to more than {UNPACKED_MAX:,} bytes")


def _unpacked_size(packed: bytes, left: int) -> int:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    size, waiting = 0, packed
    while size <= left and not unpacker.eof:
        piece = unpacker.decompress(waiting, _CHUNK)
        waiting = unpacker.unconsumed_tail
        if not piece and not waiting:
            break
        size += len(piece)
    return size


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The part of each worksheet, by the worksheet's name."""
    relations = {
        each.get("Id", ""): normpath(
            f"xl/{target}" if not (target := each.get("Target", "")).startswith("/") else target[1:]
        )
        for each in fromstring(archive.read("xl/_rels/workbook.xml.rels"), forbid_dtd=True)
        if each.get("Type", "").endswith("/worksheet")
    }
    found: dict[str, str] = {}
    for element in fromstring(archive.read("xl/workbook.xml"), forbid_dtd=True).iter():
        if _local(element) == "sheet":
            relation = element.get(f"{{{_OFFICE_RELATIONS}}}id") or element.get(f"{{{_STRICT_RELATIONS}}}id") or ""
            if relation in relations:
                found[element.get("name", "")] = relations[relation]
    if not found:
        raise SheetUnreadable("the workbook holds no sheet")
    return found


def _choose(parts: dict[str, str], wanted: str | None) -> str:
    names = ", ".join(f"“{name[:60]}”" for name in list(parts)[:20])
    if wanted is not None and wanted not in parts:
        raise SheetUnreadable(f"the workbook has no sheet of this name; it has {names}", field="sheet")
    if wanted is None and len(parts) > 1:
        raise SheetUnreadable(f"the workbook has {len(parts)} sheets; name one: {names}", field="sheet")
    return wanted if wanted is not None else next(iter(parts))


def _inspect(archive: zipfile.ZipFile, part: str) -> _Inspected:
    """Parse one sheet's XML: its extent, its unreadable cells, its merged rows. Raises SheetUnreadable."""
    errors: dict[Place, CellError] = {}
    merged: set[int] = set()
    computed: set[Place] = set()
    row = column = 0
    bounds = SheetBounds(archive)
    with archive.open(part) as stream:
        root: Element | None = None
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            root = element if root is None else root
            local = _local(element)
            if event == "start":
                if local == "row":
                    row, column = _row_number(element.get("r"), row + 1), 0
                elif local == "c":
                    row, column = _place(element.get("r"), row, column + 1)
            elif local == "c":
                if _reaches(element):
                    _check_reach(row, column)
                    bounds.count(row, column, element)
                if any(_local(child) == "f" for child in element):
                    computed.add((row, column))
                fault = _error(element)
                if fault is not None:
                    errors[row, column] = fault
                element.clear()
            elif local == "row":
                element.clear()
                root.clear()
            elif local == "mergeCell":
                touched = _rows_of(element.get("ref", ""))
                bounds.count_merged(len(touched))
                merged.update(touched)
    return _Inspected(errors, frozenset(merged), frozenset(computed))


def _check_reach(row: int, column: int) -> None:
    if row > ROWS_MAX or column > COLUMNS_MAX:
        raise SheetUnreadable(
            f"the sheet has a value in row {row:,}, column {column:,}; at most {ROWS_MAX:,} rows and {COLUMNS_MAX}"
            " columns are read: delete the values outside the table"
        )


def _reaches(cell: Element) -> bool:
    """Whether calamine counts a cell in the extent of a sheet: not a formatted cell with an empty or no value.

    An empty text counts.
    """
    is_empty = all(_local(child) == "v" and not child.text and not len(child) for child in cell)
    return not is_empty or (len(cell) > 0 and cell.get("t", "n") not in _COUNTED_BY_VALUE)


def _error(cell: Element) -> CellError | None:
    """The error because of which a cell has no known value. A text formula may have the empty text as its result."""
    children = {_local(child): child for child in cell}
    value = (children["v"].text if "v" in children else None) or ""
    if cell.get("t") == "e":
        return CellError(_SHOWS_AN_ERROR, value)
    is_empty_text = cell.get("t") == "str" and "v" in children
    if "f" in children and not value and not is_empty_text:
        return CellError(_NOT_COMPUTED, f"={children['f'].text or ''}")
    return None


def _row_number(written: str | None, next_row: int) -> int:
    if not written:
        return next_row
    if not _ROW.fullmatch(written):
        raise SheetUnreadable("a row of the sheet has no number")
    return int(written)


def _place(reference: str | None, row: int, column: int) -> Place:
    if reference is None:
        return row, column
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise SheetUnreadable("a cell of the sheet has no address")
    letters = 0
    for letter in found[1]:
        letters = letters * 26 + ord(letter) - ord("A") + 1
    return int(found[2]), letters


def _rows_of(merged: str) -> range:
    first, _, last = merged.partition(":")
    begin, _ = _place(first, 0, 0)
    end, _ = _place(last or first, 0, 0)
    return range(begin, min(end, ROWS_MAX) + 1)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _cell(value: object, *, is_computed: bool) -> Cell:
    """Convert a value of calamine to a `Cell`."""
    match value:
        case bool():
            cell: Cell = CellError("this cell is a truth value; enter a text or a number", str(value).upper())
        case datetime():
            cell = value.date()
        case date():
            cell = value
        case int() | float():
            cell = _number(float(value), is_computed=is_computed)
        case str():
            text = value.strip()
            cell = (
                CellError(f"more than {CELL_LENGTH_MAX} characters; shorten it", text[:80])
                if len(text) > CELL_LENGTH_MAX
                else text or None
            )
        case _:
            cell = CellError("a time of day is no price; format the cell as number and enter it again", str(value))
    return cell


def _number(value: float, *, is_computed: bool) -> Cell:
    try:
        return exact_number(value, is_computed=is_computed)
    except InvalidValue as refusal:
        return CellError(refusal.detail, repr(value))
