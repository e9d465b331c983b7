"""Canonical rows and the hash of a block: the same bytes for ever, other bytes for any change."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest

from billing.ledger.domain.seal import (
    GENESIS,
    PartDigest,
    Seal,
    SealedKind,
    SealedPart,
    Value,
    block_hash,
    canonical_row,
)

TIMESTAMP = datetime(2026, 7, 31, 16, 59, 59, 1, tzinfo=UTC)
POSTINGS = [(UUID(int=1), 1, 136_000), (UUID(int=1), 2, 464_000)]
PARTS = {SealedKind.POSTING: SealedPart(2, bytes([7]) * 32), SealedKind.ENTRY: SealedPart(1, bytes([5]) * 32)}
SEAL = Seal(
    organization_id=1,
    number=1,
    previous_hash=GENESIS,
    covers_from=0,
    covers_until=900,
    parts=PARTS,
    sealed_at=TIMESTAMP,
)


def digest(rows: Sequence[Sequence[Value]]) -> SealedPart:
    part = PartDigest(SealedKind.POSTING)
    part.add(rows)
    return part.part


def test_block_is_hashed_over_its_head_and_the_digest_of_each_kind() -> None:
    written = (
        f'["vienphi-seal-1",1,1,"{"0" * 64}",0,900,"2026-07-31T16:59:59.000001+00:00",'
        f'[["entry",1,"{"05" * 32}"],["posting",2,"{"07" * 32}"]]]'
    )

    assert block_hash(SEAL) == sha256(written.encode()).digest()


def test_kind_is_hashed_over_a_line_for_each_row() -> None:
    written = (
        '["posting","00000000-0000-0000-0000-000000000001",1,136000]\n'
        '["posting","00000000-0000-0000-0000-000000000001",2,464000]\n'
    )

    assert digest(POSTINGS) == SealedPart(2, sha256(written.encode()).digest())


def test_timestamps_are_written_in_one_zone_and_texts_in_their_own_letters() -> None:
    vietnam = TIMESTAMP.astimezone(timezone(timedelta(hours=7)))

    assert canonical_row(SealedKind.CLOSING, [date(2026, 7, 31), TIMESTAMP, "Đóng\nsổ"]) == canonical_row(
        SealedKind.CLOSING, [date(2026, 7, 31), vietnam, "Đóng\nsổ"]
    )
    assert canonical_row(SealedKind.CLOSING, ["Đóng\nsổ"]) == '["closing","Đóng\\nsổ"]'.encode()


def test_a_text_is_not_the_number_it_shows_nor_the_nothing_it_names() -> None:
    rows = [canonical_row(SealedKind.AUDIT, [value]) for value in (1, "1", None, "null", "")]

    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SEAL, organization_id=2),
        replace(SEAL, number=2),
        replace(SEAL, previous_hash=bytes([1]) * 32),
        replace(SEAL, covers_from=1),
        replace(SEAL, covers_until=901),
        replace(SEAL, sealed_at=TIMESTAMP + timedelta(microseconds=1)),
        replace(SEAL, parts={**PARTS, SealedKind.AUDIT: SealedPart(1, bytes(32))}),
    ],
)
def test_every_column_of_a_block_is_under_its_hash(changed: Seal) -> None:
    assert block_hash(changed) != block_hash(SEAL)


def test_order_of_rows_is_under_the_hash() -> None:
    assert digest(POSTINGS[::-1]) != digest(POSTINGS)


def test_block_that_covers_nothing_is_impossible() -> None:
    with pytest.raises(AssertionError):
        replace(SEAL, covers_from=900)
