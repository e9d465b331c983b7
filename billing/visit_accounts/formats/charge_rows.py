"""Charges as CSV for systems without HTTP: one charge a row, columns named as the fields of the JSON.

The header row names the columns: MA_LK, line, version, the order facts of `charge_json`, and the fields of the charge
item without a prefix (SO_LUONG, NGUONKHAC.NSNN). Commas or semicolons, UTF-8. An empty cell has no value.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from billing.core.errors import InvalidValue
from billing.spreadsheets.cells import SheetRow, SheetUnreadable
from billing.spreadsheets.csv_rows import decode_csv, read_csv
from billing.visit_accounts.formats.charge_json import CHARGE_KEYS
from billing.visits.formats.charge_item_json import line_keys

_ITEM_KEYS = line_keys(True) | line_keys(False)
_OTHER_FUNDS = frozenset(f"NGUONKHAC.{part}" for part in ("NSNN", "VTNN", "VTTN", "CL"))
COLUMNS = frozenset({"MA_LK", "line"}) | (CHARGE_KEYS - {"item"}) | (_ITEM_KEYS - {"NGUONKHAC"}) | _OTHER_FUNDS
_NEEDED = ("MA_LK", "line", "version", "table")
_FLAGS = frozenset({"is_elective", "is_emergency", "copay_replaced"})
_TRUTHS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}


class FileUnreadable(InvalidValue):
    """The file is no CSV of charges; `field` is the column."""

    code = "file_unreadable"


class RowsRejected(InvalidValue):
    """Rows of a file were rejected; the others were processed."""

    code = "rows_rejected"


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One row: its number in the file (the header is row 1), its visit and line, and its charge as a JSON body."""

    number: int
    ma_lk: str
    line: str
    body: str


def read_rows(content: bytes) -> list[ChargeRow]:
    """The rows of a file. Raises FileUnreadable for the file; a value that is wrong is refused with its row later."""
    try:
        text = decode_csv(content)
        delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
        rows = read_csv(text, delimiter=delimiter)
        return list(_rows(rows))
    except SheetUnreadable as cause:
        raise FileUnreadable(cause.detail) from cause


def column_of(field: str) -> str:
    """The column of a field path of a charge (`item.SO_LUONG`)."""
    return field.removeprefix("item.")


def _rows(rows: Iterator[SheetRow]) -> Iterator[ChargeRow]:
    names: list[str] = []
    for row in rows:
        cells = ["" if cell is None else str(cell) for cell in row.cells]
        if not names:
            names = _header(cells)
            continue
        if not any(cells):
            continue
        if len(cells) > len(names) and any(cells[len(names) :]):
            raise FileUnreadable(f"row {row.number} has more cells than the header")
        values = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
        yield ChargeRow(row.number, values.pop("MA_LK", ""), values.pop("line", ""), _body(values))
    if not names:
        raise FileUnreadable("the file has no header row")


def _header(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    for name in cells:
        if name not in COLUMNS:
            raise FileUnreadable(f"the column {name[:60]!r} is not known", field=name[:60])
        if cells.count(name) > 1:
            raise FileUnreadable(f"the column {name} is there twice", field=name)
    for name in _NEEDED:
        if name not in cells:
            raise FileUnreadable(f"the column {name} is missing", field=name)
    return cells


def _body(values: Mapping[str, str]) -> str:
    """The JSON body of a row, as `charge_json` reads it."""
    body: dict[str, object] = {}
    item: dict[str, object] = {}
    funds: dict[str, object] = {}
    for name, text in values.items():
        value: object = _TRUTHS.get(text.lower(), text) if name in _FLAGS else text
        if name == "version" and text.isascii() and text.isdecimal():
            value = int(text)
        if name in CHARGE_KEYS:
            body[name] = value
        elif name in _OTHER_FUNDS:
            funds[name.partition(".")[2]] = value
        else:
            item[name] = value
    if funds:
        item["NGUONKHAC"] = funds
    return json.dumps({**body, "item": item}, ensure_ascii=False)
