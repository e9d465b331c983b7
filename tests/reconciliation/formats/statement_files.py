"""Rows of a sheet as the files that banks send: XLSX, BIFF8, HTML and CSV. `bank_samples` has the rows of each bank."""

import csv
import io
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from html import escape
from typing import Any

import xlsxwriter
import xlwt

Value = str | int | float | date | None
Rows = list[list[Value]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a sheet; `merged` are (first row, last row, column), counted from 0."""

    rows: Rows
    name: str = "Sheet1"
    merged: Sequence[tuple[int, int, int]] = field(default_factory=tuple)
    is_hidden: bool = False


def as_xlsx(*sheets: Sheet) -> bytes:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False})
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    time = book.add_format({"num_format": "dd/mm/yyyy hh:mm:ss"})
    for sheet in sheets:
        written = book.add_worksheet(sheet.name)
        if sheet.is_hidden:
            written.hide()
        for row, column, value in _cells(sheet):
            if isinstance(value, datetime):
                written.write_datetime(row, column, value, time)
            elif isinstance(value, date):
                written.write_datetime(row, column, value, day)
            elif isinstance(value, int | float):
                written.write_number(row, column, value)
            else:
                written.write_string(row, column, value)
        for first, last, column in sheet.merged:
            written.merge_range(first, column, last, column, str(sheet.rows[first][column] or ""))
    book.close()
    return content.getvalue()


def as_xls(*sheets: Sheet) -> bytes:
    book = xlwt.Workbook(encoding="utf-8")
    day = xlwt.easyxf(num_format_str="dd/mm/yyyy")
    for sheet in sheets:
        written = book.add_sheet(sheet.name)
        written.visibility = int(sheet.is_hidden)
        merged = {(first, column): last for first, last, column in sheet.merged}
        for row, column, value in _cells(sheet):
            style = [day] if isinstance(value, date) else []
            if (row, column) in merged:
                written.write_merge(row, merged[row, column], column, column, value, *style)
            else:
                written.write(row, column, value, *style)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def as_html(sheet: Sheet, encoding: str = "utf-8-sig") -> bytes:
    merged = {(first, column): last - first + 1 for first, last, column in sheet.merged}
    covered = {(row, column) for first, last, column in sheet.merged for row in range(first + 1, last + 1)}
    lines = ["<html><head><style>td { color: red }</style></head><body><table border=1>"]
    for number, row in enumerate(sheet.rows):
        cells = [
            f"<td{_span(merged.get((number, column)))}>{escape(_text(value))}</td>"
            for column, value in enumerate(row)
            if (number, column) not in covered
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return encoded("\r\n".join([*lines, "</table></body></html>\r\n"]), encoding)


def as_csv(sheet: Sheet, encoding: str = "utf-8-sig", separator: str = ",") -> bytes:
    content = io.StringIO()
    csv.writer(content, delimiter=separator, lineterminator="\r\n").writerows(
        [[_text(value) for value in row] for row in sheet.rows]
    )
    return encoded(content.getvalue(), encoding)


def encoded(text: str, encoding: str) -> bytes:
    """Bytes in an encoding; for cp1258, which has no composed letters with two marks, tone marks are split off."""
    if encoding != "cp1258":
        return text.encode(encoding)
    written = []
    for letter in unicodedata.normalize("NFC", text):
        try:
            written.append(letter.encode("cp1258"))
        except UnicodeEncodeError:
            base, *marks = unicodedata.normalize("NFD", letter)
            tone = next(mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323")
            rest = unicodedata.normalize("NFC", base + "".join(mark for mark in marks if mark != tone))
            written.append(rest.encode("cp1258") + tone.encode("cp1258"))
    return b"".join(written)


def _cells(sheet: Sheet) -> list[tuple[int, int, Any]]:
    return [
        (row, column, value)
        for row, values in enumerate(sheet.rows)
        for column, value in enumerate(values)
        if value is not None and value != ""
    ]


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value)


def _span(rows: int | None) -> str:
    return f" rowspan={rows}" if rows else ""


WRITERS: dict[str, Callable[[Sheet], bytes]] = {
    "xlsx": as_xlsx,
    "xls": as_xls,
    "html": as_html,
    "csv": as_csv,
    "csv-utf-16": lambda sheet: as_csv(sheet, "utf-16", "\t"),
    "csv-cp1258": lambda sheet: as_csv(sheet, "cp1258", ";"),
    "html-cp1258": lambda sheet: as_html(sheet, "cp1258"),
}
