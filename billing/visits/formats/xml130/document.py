"""Parse bytes of an XML document into a tree of elements: the outer file and every table inside it.

Decides the encoding by the bytes and ignores the declaration; refuses a DTD before anything is expanded; enforces
limits. `envelope` and `tables` interpret the elements.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Never
from xml.parsers import expat

_XML_BLANKS = " \t\r\n"
_BEGINNING_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum size of a claim file; a larger file is refused at once."""

    file_bytes: int = 32 * 1024 * 1024
    elements: int = 1_000_000  # a document: the outer file or one table
    depth: int = 32


class DtdForbidden(Exception):
    """The document has a DOCTYPE; nothing of it was expanded."""


class LimitExceeded(Exception):
    """The document has more or deeper elements than allowed."""


class NotWellFormed(Exception):
    """The document is not XML; `line` is the line of the fault."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(slots=True)
class Element:
    """One element by its local name; attributes are ignored."""

    name: str
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def walk(self) -> Iterator["Element"]:
        """This element and everything below it, in document order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    @property
    def text(self) -> str:
        """All character data below, CDATA or not, without leading and trailing blanks."""
        elements = self.walk() if self.children else (self,)
        return "".join(piece for element in elements for piece in element.pieces).strip(_XML_BLANKS)

    def child(self, name: str) -> "Element | None":
        return next((child for child in self.children if child.name == name), None)


def decode(content: bytes) -> str:
    """Text of a document, its encoding taken from its first bytes alone.

    `FF FE`, `FE FF`, `3C 00` and `00 3C` mean UTF-16, everything else UTF-8; a byte-order mark is dropped.
    Raises UnicodeDecodeError for bytes that are not that encoding: nothing is replaced.
    """
    return content.decode(_encoding(content)).lstrip("\ufeff")


def root_name(content: bytes) -> str:
    """Local name of the first element of a document, from its beginning alone.

    Empty where there is none, a DOCTYPE precedes it, or the beginning is not XML. The rest is not checked.
    """
    names: list[str] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _forbid
    parser.StartElementHandler = lambda name, _attributes: names.append(name.rpartition(":")[2])
    beginning = content[:_BEGINNING_BYTES].decode(_encoding(content), "ignore")
    # The beginning is truncated; the reader of the whole document reports its faults.
    with suppress(expat.ExpatError, DtdForbidden):
        parser.Parse(beginning.lstrip("\ufeff"), True)
    return names[0] if names else ""


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"<\x00")):
        return "utf-16-le"
    if content.startswith((b"\xfe\xff", b"\x00<")):
        return "utf-16-be"
    return "utf-8"


def parse(text: str, limits: Limits) -> Element:
    """The root element of a document.

    The parser receives text, so it ignores the declared encoding. Raises DtdForbidden, LimitExceeded or
    NotWellFormed.
    """
    builder = _TreeBuilder(limits)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _forbid
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    try:
        parser.Parse(text, True)
    except expat.ExpatError as fault:
        raise NotWellFormed(expat.ErrorString(fault.code), fault.lineno) from fault
    assert len(builder.top.children) == 1, "a well-formed document has one root"
    return builder.top.children[0]


def _forbid(*_declaration: object) -> Never:
    raise DtdForbidden


class _TreeBuilder:
    """Receives the parser's events; the open elements are its stack."""

    def __init__(self, limits: Limits) -> None:
        self.top = Element("")
        self._open = [self.top]
        self._limits = limits
        self._count = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > self._limits.elements or len(self._open) > self._limits.depth:
            raise LimitExceeded
        element = Element(name.rpartition(":")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, data: str) -> None:
        self._open[-1].pieces.append(data)
