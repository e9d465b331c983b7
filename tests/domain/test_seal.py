"""Canonical rows and the hash of a block: the same bytes for ever, other bytes for any change."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest

from billing.ledger.domain.seal import GENESIS, Seal, SealedKind, SealedRows, block_hash, canonical_row, count_rows

TIMESTAMP = datetime(2026, 7, 31, 16, 59, 59, 1, tzinfo=UTC)
ROWS: SealedRows = {
    **{kind: [] for kind in SealedKind},
    SealedKind.ENTRY: [(UUID(int=1), "invoice_issued", None)],
    SealedKind.POSTING: [(UUID(int=1), 1, 136_000), (UUID(int=1), 2, 464_000)],
}
SEAL = Seal(
    organization_id=1,
    number=1,
    previous_hash=GENESIS,
    covers_from=0,
    covers_until=900,
    counts=count_rows(ROWS),
    sealed_at=TIMESTAMP,
)


def test_block_is_hashed_over_its_head_and_a_line_for_each_row() -> None:
    written = "\n".join(
        [
            f'["vienphi-seal-1",1,1,"{"0" * 64}",0,900,"2026-07-31T16:59:59.000001+00:00",1,2,0,0,0,0]',
            '["entry","00000000-0000-0000-0000-000000000001","invoice_issued",null]',
            '["posting","00000000-0000-0000-0000-000000000001",1,136000]',
            '["posting","00000000-0000-0000-0000-000000000001",2,464000]',
        ]
    )

    assert block_hash(SEAL, ROWS) == sha256(written.encode()).digest()


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
        replace(SEAL, counts={**SEAL.counts, SealedKind.AUDIT: 1}),
    ],
)
def test_every_column_of_a_block_is_under_its_hash(changed: Seal) -> None:
    assert block_hash(changed, ROWS) != block_hash(SEAL, ROWS)


def test_order_of_rows_is_under_the_hash() -> None:
    turned = {**ROWS, SealedKind.POSTING: list(reversed(ROWS[SealedKind.POSTING]))}

    assert block_hash(SEAL, turned) != block_hash(SEAL, ROWS)


def test_block_that_covers_nothing_is_impossible() -> None:
    with pytest.raises(AssertionError):
        replace(SEAL, covers_from=900)
