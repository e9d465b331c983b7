"""One table block of a visit: decode it, parse it, and split it into rows of named fields.

`charge_items` and `visits` interpret the fields.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130.document import (
    DtdForbidden,
    Element,
    LimitExceeded,
    Limits,
    NotWellFormed,
    decode,
    parse,
)
from billing.visits.formats.xml130.envelope import Block
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.table_names import (
    ALL_PRICED_ROOTS,
    DOUBTFUL_ROOTS,
    LINE_OF_TABLE,
    ROOTS,
    TABLES,
    XML1,
)

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
"""Strict alphabet and padding: the library's check accepts a superfluous "="."""

_WITHOUT_BLANKS = str.maketrans("", "", " \t\r\n")
_FIELDS_OF_TABLE = {
    XML1: frozenset({"MA_LK", "NGAY_VAO", "MA_LOAI_KCB"}),
    "XML2": frozenset({"MA_LK", "STT", "SO_LUONG"}),
    "XML3": frozenset({"MA_LK", "STT", "SO_LUONG"}),
}
_FIELDS_OF_4210 = {
    XML1: {"MA_THE": "MA_THE_BHYT", "T_TONGCHI": "T_TONGCHI_BV", "MA_LYDO_VVIEN": "MA_DOITUONG_KCB"},
    "XML2": {"TYLE_TT": "TYLE_TT_BH", "THANH_TIEN": "THANH_TIEN_BV"},
    "XML3": {"DON_GIA": "DON_GIA_BV", "TYLE_TT": "TYLE_TT_BH", "THANH_TIEN": "THANH_TIEN_BV"},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its fields by name. An empty field and an absent field both mean no value."""

    table: str
    block: int  # the block of the visit that contains it
    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.fields.get(name, "")


def rows_of(block: Block, number: int, log: FindingLog, limits: Limits) -> tuple[Row, ...]:
    """The rows of one block; empty, with findings, where the block cannot be read.

    A table outside XML1–XML3 is parsed as well, since the gateway rejects the whole visit for a damaged table; its
    rows contain only MA_LK and STT.
    """
    table_log = log.at_table(block.tag)
    if block.elements and block.content.translate(_WITHOUT_BLANKS):
        table_log.add(FindingCode.BASE64_DAMAGED, field="NOIDUNGFILE", found="text between elements")
    roots = block.elements or _parse_content(block.content, table_log, limits)
    return tuple(row for root in roots for row in _rows_of_root(root, block.tag, number, log))


def _parse_content(content: str, log: FindingLog, limits: Limits) -> tuple[Element, ...]:
    """Decode strict base64 and parse the table inside; an empty block is a table without rows."""
    packed = content.translate(_WITHOUT_BLANKS)
    if not packed:
        return ()
    if not _BASE64.fullmatch(packed):
        log.add(FindingCode.BASE64_DAMAGED, field="NOIDUNGFILE", found="not base64", expected="base64 of the table")
        return ()
    try:
        text = decode(base64.b64decode(packed))
    except UnicodeDecodeError as fault:
        found = f"byte {fault.start} is not {fault.encoding}"
        log.add(FindingCode.BASE64_DAMAGED, field="NOIDUNGFILE", found=found, expected="UTF-8 or UTF-16")
        return ()
    try:
        return (parse(text, limits),)
    except DtdForbidden:
        log.add(FindingCode.DTD_FORBIDDEN, field="NOIDUNGFILE", found="DOCTYPE", expected="no DTD")
    except LimitExceeded:
        log.add(FindingCode.FILE_TOO_LARGE, field="NOIDUNGFILE", expected=f"at most {limits.elements} elements")
    except NotWellFormed as fault:
        log.add(
            FindingCode.TABLE_NOT_WELLFORMED,
            field="NOIDUNGFILE",
            found=fault.reason,
            expected="well-formed XML",
            line=fault.line,
        )
    return ()


def _rows_of_root(root: Element, tag: str, block: int, log: FindingLog) -> Iterator[Row]:
    """Rows below a root, if it is a root of the table that LOAIHOSO names."""
    if tag not in ROOTS:
        if root.name in ALL_PRICED_ROOTS:
            table = next(name for name, roots in ROOTS.items() if root.name in {*roots, DOUBTFUL_ROOTS[name]})
            log.at_table(table).add(FindingCode.TABLE_UNKNOWN, field="LOAIHOSO", found=tag, expected=table)
        elif tag not in TABLES:
            log.at_table(tag).add(FindingCode.TABLE_UNKNOWN, field="LOAIHOSO", found=tag, expected="XML0 … XML15")
        else:
            yield from _keys_of_other_table(root, tag, block)
        return
    elements = _row_elements(root, tag)
    if not _root_fits(root, tag, elements):
        expected = " or ".join(sorted(ROOTS[tag]))
        log.at_table(tag).add(FindingCode.TABLE_UNKNOWN, found=root.name, expected=expected)
        return
    _note_standard_4210(elements, tag, log)
    for element in elements:
        yield _row(element, tag, block, log)


def _row_elements(root: Element, tag: str) -> tuple[Element, ...]:
    """The elements that are rows: TONG_HOP itself for XML1, CHI_TIET_THUOC or CHI_TIET_DVKT at any depth else."""
    name = LINE_OF_TABLE.get(tag, "TONG_HOP")
    found = tuple(element for element in root.walk() if element.name == name)
    if not found and root.name == DOUBTFUL_ROOTS[tag]:
        return (root,)
    return found


def _root_fits(root: Element, tag: str, rows: tuple[Element, ...]) -> bool:
    """Whether root and fields are those of the table, so that no content is ignored silently."""
    foreign_rows = {*LINE_OF_TABLE.values(), "TONG_HOP"} - {LINE_OF_TABLE.get(tag, "TONG_HOP")}
    if any(element.name in foreign_rows for element in root.walk()):
        return False
    if root.name in ROOTS[tag]:
        return bool(rows) or not root.text
    if root.name != DOUBTFUL_ROOTS[tag]:
        return False
    return all({child.name for child in row.children} >= _FIELDS_OF_TABLE[tag] for row in rows)


def _note_standard_4210(rows: tuple[Element, ...], tag: str, log: FindingLog) -> None:
    """Log once per table that a field of Decision 4210 is present where its successor is missing."""
    for row in rows:
        names = {child.name for child in row.children}
        for old, new in _FIELDS_OF_4210[tag].items():
            if old in names and new not in names:
                log.at_table(tag).add(FindingCode.STANDARD_4210, field=old, found=old, expected=new)
                return


def _row(element: Element, tag: str, block: int, log: FindingLog) -> Row:
    fields: dict[str, str] = {}
    for child in element.children:
        text = child.text
        if fields.get(child.name) and text and fields[child.name] != text:
            log.at_table(tag).add(FindingCode.VALUE_INVALID, field=child.name, found=text, expected=fields[child.name])
        fields[child.name] = fields.get(child.name) or text
    return Row(tag, block, fields)


def _keys_of_other_table(root: Element, tag: str, block: int) -> Iterator[Row]:
    for element in root.walk():
        if any(child.name == "MA_LK" for child in element.children):
            yield Row(tag, block, {c.name: c.text for c in element.children if c.name in {"MA_LK", "STT"}})
