"""The outer file: from its root element to the visits (HOSO) in it, each with its undecoded table blocks.

Reads the envelope GIAMDINHHS and its substitutes: a HOSO or HS alone, and a bare table file. `tables` decodes the
blocks.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.visits.domain.finding import FindingCode
from billing.visits.formats.xml130.document import Element
from billing.visits.formats.xml130.findings import FindingLog
from billing.visits.formats.xml130.numbers import candidates_of
from billing.visits.formats.xml130.table_names import TABLE_OF_ROOT, TABLES

ENVELOPE, VISIT, VISIT_ALONE, SIGNATURE = "GIAMDINHHS", "HOSO", "HS", "CHUKYDONVI"
_BLANKS = re.compile(r"\s+")


class Signature(StrEnum):
    """The presence of the facility's signature; verification needs its certificate and the bytes as received."""

    UNSIGNED = "unsigned"
    NOT_VERIFIED = "signed, not verified"


@dataclass(frozen=True, slots=True)
class Block:
    """One FILEHOSO: the table that it names, and its content as base64 text or as elements.

    `tag` is LOAIHOSO without blanks and in capitals, empty where it is absent.
    """

    tag: str
    content: str
    elements: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """The content of one file: the blocks of each HOSO, or the one block of a bare table file."""

    facility: str  # MACSKCB, empty where the envelope is absent
    visits: tuple[tuple[Block, ...], ...]
    bare_table: Block | None
    signature: Signature


def open_envelope(root: Element, log: FindingLog) -> Envelope:
    """Find the visits of a file; log an absent envelope, a wrong count, or a root that the standard does not define."""
    signature = _signature(root)
    if root.name == ENVELOPE:
        unit = _below(root, "THONGTINDONVI")
        if unit is None:
            log.add(FindingCode.ENVELOPE_ABSENT, field="THONGTINDONVI", expected="THONGTINDONVI/MACSKCB")
        facility = _below(unit, "MACSKCB") if unit is not None else None
        visits = tuple(tuple(_blocks(visit)) for visit in _visits(root))
        _check_count(root, len(visits), log)
        return Envelope(facility.text if facility is not None else "", visits, None, signature)
    if root.name in {VISIT, VISIT_ALONE}:
        log.add(FindingCode.ENVELOPE_ABSENT, found=root.name, expected=ENVELOPE)
        inner = tuple(_visits(root)) or (root,)
        return Envelope("", tuple(tuple(_blocks(visit)) for visit in inner), None, signature)
    if root.name in TABLE_OF_ROOT:
        log.add(FindingCode.ENVELOPE_ABSENT, found=root.name, expected=ENVELOPE)
        return Envelope("", (), Block(TABLE_OF_ROOT[root.name], "", (root,)), signature)
    log.add(FindingCode.TABLE_UNKNOWN, found=root.name, expected=ENVELOPE)
    return Envelope("", (), None, signature)


def _visits(element: Element) -> Iterator[Element]:
    """The HOSO below an element, not those inside another HOSO or inside a signature."""
    for child in element.children:
        if child.name == VISIT:
            yield child
        elif child.name != SIGNATURE:
            yield from _visits(child)


def _blocks(visit: Element) -> Iterator[Block]:
    """The table blocks of a visit: FILEHOSO, tables as elements, or tables in an element named XML1, XML2 …"""
    for child in visit.children:
        if child.name == "FILEHOSO":
            yield from _file_blocks(child)
        elif child.name in TABLE_OF_ROOT:
            yield Block(TABLE_OF_ROOT[child.name], "", (child,))
        elif child.name in TABLES:
            yield Block(child.name, child.text if not child.children else "", tuple(child.children))
        elif child.name != SIGNATURE:
            yield from _blocks(child)


def _file_blocks(file: Element) -> Iterable[Block]:
    kind = file.child("LOAIHOSO")
    tag = _BLANKS.sub("", kind.text).upper() if kind is not None else ""
    for content in file.children:
        if content.name == "NOIDUNGFILE":
            yield Block(tag, "".join(content.pieces), tuple(content.children))


def _below(element: Element, name: str) -> Element | None:
    """The first element of that name in the envelope, outside the visits."""
    for child in element.children:
        if child.name == name:
            return child
        if child.name not in {VISIT, SIGNATURE}:
            found = _below(child, name)
            if found is not None:
                return found
    return None


def _check_count(root: Element, count: int, log: FindingLog) -> None:
    stated = _below(root, "SOLUONGHOSO")
    if stated is not None and stated.text and candidates_of(stated.text) != (Decimal(count),):
        log.add(FindingCode.HOSO_COUNT_DIFFERS, field="SOLUONGHOSO", found=stated.text, expected=str(count))


def _signature(root: Element) -> Signature:
    """Whether the outer file contains a signature, in a CHUKYDONVI with content or on its own."""
    for element in root.walk():
        if element.name == "Signature" or (element.name == SIGNATURE and (element.children or element.text)):
            return Signature.NOT_VERIFIED
    return Signature.UNSIGNED
