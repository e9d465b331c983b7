"""A whole statement file, read once into a temporary file: nothing of it is used before it is proved complete.

The lines leave it in chunks, in the order of the file. Memory does not grow with the file.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, NamedTuple

from billing.core.money import Dong
from billing.core.reference_code import Extraction, Grammar, extract_codes
from billing.reconciliation.domain.statement import (
    LineKey,
    LineKind,
    Statement,
    StatementHead,
    StatementLine,
    line_key,
    line_key_hex,
)
from billing.reconciliation.formats.chunk_file import ChunkFile
from billing.reconciliation.formats.profile import Profile
from billing.reconciliation.formats.read_statements import read_statements

_READ_AT_ONCE = 1 << 20
_NO_CODES = Extraction((), rejoined=False)


class SpooledLine(NamedTuple):
    """A statement line as it is stored, before the codes that were never issued are removed.

    `position` is that of its statement in the file, `key` the line key in hexadecimal. `codes` are the codes that stand
    in the text; only if there are none, those that are readable after spaces and signs are removed (`is_rejoined`).
    """

    position: int
    key: str
    ordinal: int
    booked_on: int
    occurred_at: str | None
    amount: int
    balance: int | None
    kind: str
    bank_reference: str
    row: int
    sheet: str
    text: str
    name: str
    account: str
    bank: str
    codes: str
    is_rejoined: bool

    def key_with(self, bank_account_number: str, ordinal: int) -> LineKey:
        """The key of this line as the n-th of its equals."""
        return line_key(
            bank_account_number,
            StatementLine(
                row=self.row,
                sheet=None,
                booked_on=date.fromordinal(self.booked_on),
                value_on=None,
                occurred_at=None,
                amount=Dong(self.amount),
                balance=None,
                text=self.text,
                bank_reference=self.bank_reference or None,
                counterparty=None,
                kind=LineKind(self.kind),
                ordinal=ordinal,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFile:
    """What a complete file holds; `line_count` is the sum over its statements."""

    profile: str
    statements: tuple[Statement, ...]
    line_count: int


class StatementSpool:
    """The lines of one file in a temporary file of the caller."""

    def __init__(self, file: BinaryIO) -> None:
        self._rows = ChunkFile(file)

    def read(
        self,
        stream: BinaryIO,
        *,
        grammar: Grammar | None,
        profile: Profile | None = None,
        account: str | None = None,
        opening: int | None = None,
        on_line: Callable[[int], None] | None = None,
    ) -> SpooledFile:
        """Read a file whole; `grammar` is that of the organization's reference codes. Raises StatementUnreadable."""
        statements: list[Statement] = []
        head: StatementHead | None = None
        count = 0
        for item in read_statements(stream, profile=profile, account=account, opening=opening):
            if isinstance(item, StatementHead):
                head = item
            elif isinstance(item, Statement):
                statements.append(item)
            else:
                assert head is not None, "a statement begins with its head"
                count += 1
                if self._rows.add(_spooled(head, item, grammar)) and on_line is not None:
                    on_line(count)
        self._rows.flush()
        return SpooledFile(
            profile=", ".join(dict.fromkeys(each.profile for each in statements)),
            statements=tuple(statements),
            line_count=count,
        )

    def chunks(self) -> Iterator[list[SpooledLine]]:
        """The lines in chunks, from the first on. Reads the temporary file: call it apart from the event loop."""
        for chunk in self._rows.chunks():
            yield list(map(SpooledLine._make, chunk))

    def first_lines(self, position: int, day: date, *, at_most: int) -> list[SpooledLine]:
        """The first lines of a statement on a day."""
        found: list[SpooledLine] = []
        for chunk in self.chunks():
            found += [each for each in chunk if each.position == position and each.booked_on == day.toordinal()]
            if len(found) >= at_most or (chunk and chunk[-1].position > position):
                break
        return found[:at_most]


def hash_file(stream: BinaryIO) -> bytes:
    """The SHA-256 of a file, which recognises it; the stream is then at its start again."""
    digest = hashlib.sha256()
    while content := stream.read(_READ_AT_ONCE):
        digest.update(content)
    stream.seek(0)
    return digest.digest()


def _spooled(head: StatementHead, line: StatementLine, grammar: Grammar | None) -> tuple[object, ...]:
    extraction = _NO_CODES if grammar is None or not line.text else extract_codes(line.text, grammar)
    other = line.counterparty
    return (
        head.position,
        line_key_hex(head.bank_account_number, line),
        line.ordinal,
        line.booked_on.toordinal(),
        None if line.occurred_at is None else line.occurred_at.isoformat(),
        line.amount,
        line.balance,
        line.kind.value,
        _stored(line.bank_reference),
        line.row,
        _stored(line.sheet),
        _stored(line.text),
        _stored(None if other is None else other.name),
        _stored(None if other is None else other.account),
        _stored(None if other is None else other.bank),
        " ".join(extraction.codes),
        extraction.rejoined,
    )


def _stored(text: str | None) -> str:
    """A text as the database takes it: no character zero, and no half of a pair of surrogates."""
    if not text:
        return ""
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
