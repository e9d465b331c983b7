"""The messages of an MT940 file and their fields, with the lines of the file on which they stand.

A message begins at `:20:` and ends at `-}`, at a line `-`, or before the next `:20:`. A line that begins no field
continues the field before it. Source: SWIFT, MT 940 Customer Statement Message, format specification.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from billing.reconciliation.domain.statement import Place, StatementUnreadable
from billing.reconciliation.formats.text_decoding import DecodedLines, detect_encoding

FIELDS_MAX = 500_000
"""Fields of one message: far above what a page of a statement holds."""

_FIELD = re.compile(r"(?:\{4:)?:(\d{2}[A-Z]?|NS):(.*)", re.DOTALL)
_FIELD_LENGTH_MAX = 8_000
_END = ("-", "-}")


@dataclass(slots=True)
class Field:
    """One field: its tag without colons, its text with line breaks, its line in the file."""

    tag: str
    value: str
    line: int


class Mt940Message:
    """The fields of one message."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields

    def one(self, *tags: str) -> Field:
        """The only field of one of the tags. Raises StatementUnreadable if there is none or a second."""
        found = self.optional(*tags)
        if found is None:
            raise StatementUnreadable(
                f"the message that begins here has no field :{tags[0]}:; the file is cut", Place(self._fields[0].line)
            )
        return found

    def optional(self, *tags: str) -> Field | None:
        """The only field of one of the tags, None if there is none. Raises StatementUnreadable at a second."""
        found = [field for field in self._fields if field.tag in tags]
        if len(found) > 1:
            raise StatementUnreadable(f"the message has the field :{tags[0]}: twice", Place(found[1].line))
        return found[0] if found else None

    def entries(self) -> Iterator[tuple[Field, Field | None]]:
        """Each entry (`:61:`) with its details (`:86:`), in order."""
        entry: Field | None = None
        for field in self._fields:
            if field.tag == "61":
                if entry is not None:
                    yield entry, None
                entry = field
            elif entry is not None:
                yield entry, field if field.tag == "86" else None
                entry = None
        if entry is not None:
            yield entry, None


def read_messages(stream: BinaryIO) -> Iterator[Mt940Message]:
    """The messages of a file, one at a time. Raises StatementUnreadable."""
    fields: list[Field] = []
    lines = DecodedLines(stream, detect_encoding(stream))
    is_inside = False
    for line in lines:
        text = line.rstrip("\r\n")
        found = _FIELD.match(text if not is_inside else text.removeprefix("{4:"))
        tail = _begin_of_block(text)
        if tail is not None:
            found = _FIELD.match(tail)
        if found is not None:
            if found[1] == "20" and fields:
                yield Mt940Message(fields)
                fields = []
            is_inside = True
            fields.append(Field(found[1], found[2], lines.number))
            if len(fields) > FIELDS_MAX:
                raise StatementUnreadable(f"a message has more than {FIELDS_MAX:,} fields", Place(lines.number))
        elif text.strip() in _END or text.startswith("-}"):
            is_inside = False
            if fields:
                yield Mt940Message(fields)
                fields = []
        elif is_inside and fields:
            _continue(fields[-1], text)
        elif text.strip() and not text.startswith("{"):
            raise StatementUnreadable("the line is outside of a message", Place(lines.number))
    if fields:
        yield Mt940Message(fields)


def _begin_of_block(text: str) -> str | None:
    """The first field behind the blocks of the header on one line, `{1:…}{2:…}{4::20:…`."""
    _, block, tail = text.partition("{4:")
    return tail if block and text.startswith("{") and tail else None


def _continue(field: Field, text: str) -> None:
    if len(field.value) + len(text) > _FIELD_LENGTH_MAX:
        raise StatementUnreadable(f"the field has more than {_FIELD_LENGTH_MAX} characters", Place(field.line))
    field.value = f"{field.value}\n{text}"
