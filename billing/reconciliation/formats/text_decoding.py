"""The text of a bank's file: UTF-8 with or without a byte-order mark, UTF-16, the Vietnamese code page 1258.

The whole file is decoded once, in pieces, before any of it is read, so that a file in no known encoding is refused
whole. Python's cp1258 gives letters and tone marks apart: the readers compose every text (NFC).
Source: docs/reference/statements.md, section 2.
"""

import codecs
import io
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO

from billing.core.text import is_garbled
from billing.reconciliation.domain.statement import StatementUnreadable

CHUNK = 1024 * 1024
LINE_LENGTH_MAX = 64 * 1024
_SAMPLE = 64 * 1024
_UNKNOWN = "the file is a text neither in UTF-8 nor in UTF-16 nor in Windows-1258; save it as CSV UTF-8"


def detect_encoding(stream: BinaryIO) -> str:
    """The encoding in which a whole file can be decoded; the stream is rewound. Raises StatementUnreadable."""
    start = stream.read(4096)
    stream.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _checked(stream, "utf-16")
    if start.startswith(codecs.BOM_UTF8):
        return _checked(stream, "utf-8-sig")
    for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(start) >= 16 and start[at::2].count(0) > len(start) // 4:
            return _checked(stream, encoding)
    if _decodes(stream, "utf-8"):
        return "utf-8"
    return _checked(stream, "cp1258")


def _checked(stream: BinaryIO, encoding: str) -> str:
    if not _decodes(stream, encoding):
        raise StatementUnreadable(_UNKNOWN if encoding == "cp1258" else f"the file is no {encoding} text, or it is cut")
    if encoding == "cp1258":
        sample = stream.read(_SAMPLE).decode(encoding)
        stream.seek(0)
        if any(is_garbled(word) for word in unicodedata.normalize("NFC", sample).split()):
            raise StatementUnreadable(_UNKNOWN)
    return encoding


def _decodes(stream: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while piece := stream.read(CHUNK):
            if "\x00" in decoder.decode(piece):
                raise StatementUnreadable("the file holds NUL characters; it is no text of a statement")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(0)
    return True


def decoded_pieces(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """The text of a stream in pieces that end anywhere."""
    decoder = codecs.getincrementaldecoder(encoding)()
    while piece := stream.read(_SAMPLE):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


class DecodedLines:
    """The lines of a text with their line ends; `is_cut` is whether the last one had none, once all were read."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self.is_cut = False
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        text = io.TextIOWrapper(self._stream, self._encoding, newline="")
        try:
            line = ""
            while line := text.readline(LINE_LENGTH_MAX):
                self.number += 1
                if len(line) == LINE_LENGTH_MAX:
                    raise StatementUnreadable(
                        f"line {self.number} has more than {LINE_LENGTH_MAX:,} characters; this is no statement"
                    )
                self.is_cut = line[-1] not in "\r\n"
                yield line
        finally:
            if not self._stream.closed:  # a refusal may leave this iteration open longer than its file
                text.detach()
