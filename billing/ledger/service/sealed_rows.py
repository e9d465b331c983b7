"""Digests of the rows under a seal: computed when a block is sealed, and again when it is verified."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from billing.db.database import Transaction
from billing.ledger.domain.seal import PartDigest, Seal, SealedKind, SealedPart, block_hash
from billing.ledger.store.check import Mismatch
from billing.ledger.store.sealed_rows import read_kind


async def digest_parts(tx: Transaction, *, covers_from: int, covers_until: int) -> dict[SealedKind, SealedPart]:
    """Count and digest of each kind that has rows in a range of finished transactions.

    A block may contain an invoice of 20,000 lines; the digest is computed in a thread, which leaves the event loop
    free.
    """
    parts = {}
    for kind in SealedKind:
        digest = PartDigest(kind)
        async for rows in read_kind(tx, kind, covers_from=covers_from, covers_until=covers_until):
            await asyncio.to_thread(digest.add, rows)
        if digest.part.rows:
            parts[kind] = digest.part
    return parts


async def verify_seal(tx: Transaction, seal: Seal, departures: Mapping[SealedKind, datetime]) -> Sequence[Mismatch]:
    """Recompute one block from its rows; returns its mismatches.

    Rows that may have been dropped with their partition are not recomputed: the hash of the block still covers their
    digest.
    """
    subject = f"seal {seal.number} of {seal.sealed_at:%Y-%m-%d %H:%M:%S}Z"
    mismatches = []
    if block_hash(seal) != seal.hash:
        mismatches.append(Mismatch(subject, seal.hash.hex(), block_hash(seal).hex()))
    found = await digest_parts(tx, covers_from=seal.covers_from, covers_until=seal.covers_until)
    for kind in SealedKind:
        if kind in departures and seal.sealed_at < departures[kind]:
            continue
        sealed, counted = seal.parts.get(kind), found.get(kind)
        if sealed == counted:
            continue
        expected, rows = (0 if part is None else part.rows for part in (sealed, counted))
        if expected != rows:
            mismatches.append(Mismatch(subject, _words(expected, kind), _words(rows, kind)))
        elif sealed is not None and counted is not None:
            mismatches.append(Mismatch(f"{subject}, {kind.value}", sealed.digest.hex(), counted.digest.hex()))
    return mismatches


def _words(count: int, kind: SealedKind) -> str:
    return f"{count} rows of {kind.value}"
