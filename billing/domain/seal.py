"""Seals: a chain of hashes over finished rows, so that a row added, changed or removed later is noticed.

Pure: bytes in, hashes out. Which rows a block covers is read in `storage/seals.py`; why blocks follow the watermark
and are not written inside the commit: DESIGN §4, Sealing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from uuid import UUID

FORMAT = "vienphi-seal-1"
"""Stands at the head of every block; changed whenever a row is written in another way."""

GENESIS = bytes(32)
"""The hash before the first block."""

Value = str | int | UUID | datetime | date | None


class SealedKind(StrEnum):
    """What a row is, in the order in which a block holds its rows."""

    ENTRY = "entry"
    POSTING = "posting"
    PAYMENT = "payment"
    ALLOCATION = "allocation"
    AUDIT = "audit"
    CLOSING = "closing"


SealedRows = Mapping[SealedKind, Sequence[Sequence[Value]]]
"""The rows of a block by kind; each row begins with what orders it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One block: it covers the rows of transactions from `covers_from` up to, not including, `covers_until`."""

    organization_id: int
    number: int
    previous_hash: bytes
    covers_from: int
    covers_until: int
    counts: Mapping[SealedKind, int]
    sealed_at: datetime
    hash: bytes = field(default=b"")

    def __post_init__(self) -> None:
        assert self.covers_from < self.covers_until, "a block covers something"


def canonical_row(kind: SealedKind, values: Sequence[Value]) -> bytes:
    """A row as a JSON array of texts, numbers and nulls in UTF-8, without spaces: the same bytes on every machine."""
    row = [kind.value, *(_plain(value) for value in values)]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def block_hash(seal: Seal, rows: SealedRows) -> bytes:
    """SHA-256 over the block's own columns and then its rows, a line each; a JSON text holds no line end."""
    head = [
        FORMAT,
        seal.organization_id,
        seal.number,
        seal.previous_hash.hex(),
        seal.covers_from,
        seal.covers_until,
        _plain(seal.sealed_at),
        *(seal.counts[kind] for kind in SealedKind),
    ]
    digest = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode())
    for kind in SealedKind:
        for values in rows[kind]:
            digest.update(b"\n")
            digest.update(canonical_row(kind, values))
    return digest.digest()


def count_rows(rows: SealedRows) -> dict[SealedKind, int]:
    """How many rows of each kind."""
    return {kind: len(rows[kind]) for kind in SealedKind}


def _plain(value: Value) -> str | int | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
