"""Workbooks written part by part, so that a test can define the exact content of a cell, and its defect."""

import io
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def workbook(*sheets: str, extra: Mapping[str, bytes] | None = None, rest: str = "") -> bytes:
    """A workbook of sheets, each given as the XML of its rows; `rest` follows the rows of every sheet."""
    numbers = range(1, len(sheets) + 1)
    parts = {
        "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        + "".join(f'<sheet name="Giá {n}" sheetId="{n}" r:id="s{n}"/>' for n in numbers)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="s{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
        )
        + "</Relationships>",
        **{
            f"xl/worksheets/sheet{n}.xml": f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>'
            f"{rest}</worksheet>"
            for n, rows in zip(numbers, sheets, strict=True)
        },
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return written.getvalue()


def rows(*lines: tuple[object, ...]) -> str:
    """Rows from the first on: texts as texts, numbers as numbers, None as no cell; `Raw` as it stands."""
    return "".join(
        f'<row r="{number}">' + "".join(_cell(number, place, value) for place, value in enumerate(line)) + "</row>"
        for number, line in enumerate(lines, start=1)
    )


class Raw(str):
    """The inside of a cell, attributes left out."""


def _cell(row: int, place: int, value: object) -> str:
    address = f"{chr(ord('A') + place)}{row}"
    if value is None:
        return ""
    if isinstance(value, Raw):
        kind = ' t="e"' if "#" in value else ' t="b"' if value.startswith("<v/>") else ""
        return f'<c r="{address}"{kind}>{value.removeprefix("<v/>")}</c>'
    if isinstance(value, str):
        return f'<c r="{address}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{address}"><v>{value}</v></c>'
