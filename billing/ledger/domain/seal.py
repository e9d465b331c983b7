"""Seals: a chain of hashes over finished rows, so that a row added, changed or removed later is noticed.

Pure: bytes in, hashes out. `store/sealed_rows.py` reads the rows of a block; docs/design.md §4, Sealing, states why
blocks follow the watermark and are not written inside the commit. A block contains a digest for each kind of row, and
its hash covers its head and these digests: when rows of a kind are dropped after their retention, the other kinds can
still be verified. `docs/ledger-verification.md` lists the kinds.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

FORMAT = "vienphi-seal-1"
"""At the head of every block; rows that are written in another way need another format.

A new kind of row needs no new format: the head names its kinds.
"""

GENESIS = bytes(32)
"""The hash before the first block."""

Value = str | int | bytes | Decimal | UUID | datetime | date | None


class SealedKind(StrEnum):
    """The kind of a row, in the order of the rows in a block."""

    ENTRY = "entry"
    POSTING = "posting"
    PAYMENT = "payment"
    ALLOCATION = "allocation"
    AUDIT = "audit"
    CLOSING = "closing"
    INVOICE = "invoice"
    INVOICE_LINE = "invoice_line"
    INVOICE_INPUT = "invoice_snapshot"
    DELIVERY = "delivery"
    EVENT_KEY = "event_key"
    MOVEMENT_KEY = "movement_key"
    BANK_REFERENCE = "bank_reference"
    UNMATCHED_OUTFLOW = "unmatched_outflow"
    EXCEPTION = "exception"
    DEAD_LETTER = "dead_letter"
    APPROVAL = "approval"
    BANK_ACCOUNT = "bank_account"
    LEDGER_ACCOUNT = "ledger_account"
    LEDGER_NUMBER = "ledger_number"
    RECEIPT = "receipt"
    RECEIPT_PART = "receipt_part"
    RECEIPT_VOID = "receipt_void"
    SHIFT_EVENT = "shift_event"
    FINAL_BILL = "final_bill"
    CORRECTION = "correction"
    CORRECTION_LINE = "correction_line"
    DAY_CERTIFICATE = "day_certificate"
    MONTH_CLOSING = "month_closing"


@dataclass(frozen=True, slots=True)
class SealedPart:
    """The rows of one kind in a block: their number, and the SHA-256 over one line for each, in order."""

    rows: int
    digest: bytes


class PartDigest:
    """Computes the digest of one kind from its rows, which may be added in pieces."""

    def __init__(self, kind: SealedKind) -> None:
        self._kind = kind
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, rows: Iterable[Sequence[Value]]) -> None:
        """Append rows in their order."""
        for values in rows:
            self._hash.update(canonical_row(self._kind, values))
            self._hash.update(b"\n")
            self._rows += 1

    @property
    def part(self) -> SealedPart:
        return SealedPart(self._rows, self._hash.digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One block: it covers the rows of transactions from `covers_from` up to, not including, `covers_until`.

    `parts` by kind, without the kinds that have no row.
    """

    organization_id: int
    number: int
    previous_hash: bytes
    covers_from: int
    covers_until: int
    parts: Mapping[SealedKind, SealedPart]
    sealed_at: datetime
    hash: bytes = b""

    def __post_init__(self) -> None:
        assert self.covers_from < self.covers_until, "a block covers something"


def canonical_row(kind: SealedKind, values: Sequence[Value]) -> bytes:
    """A row as a JSON array of texts, numbers and nulls in UTF-8, without spaces: the same bytes on every machine."""
    row = [kind.value, *(_plain(value) for value in values)]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def block_hash(seal: Seal) -> bytes:
    """SHA-256 over the block's own columns and the count and digest of each kind, as one JSON text."""
    head = [
        FORMAT,
        seal.organization_id,
        seal.number,
        seal.previous_hash.hex(),
        seal.covers_from,
        seal.covers_until,
        _plain(seal.sealed_at),
        [[kind.value, seal.parts[kind].rows, seal.parts[kind].digest.hex()] for kind in sorted(seal.parts)],
    ]
    return hashlib.sha256(json.dumps(head, separators=(",", ":")).encode()).digest()


def _plain(value: Value) -> str | int | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, (UUID, Decimal)) else value
