"""Blocks of receipt numbers that are reserved for paper."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import DeskId, PersonId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.receipt import write_number


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptBlock:
    """A range of numbers of a series, both ends included, for the paper of a desk."""

    id: UUID
    desk_id: DeskId
    series: str
    year: int
    first_number: int
    last_number: int
    reserved_by: PersonId
    reserved_at: datetime

    def has(self, number: int) -> bool:
        """Whether a number is in the block."""
        return self.first_number <= number <= self.last_number


_ADD_BLOCK = """
    INSERT INTO receipt_block (organization_id, id, desk_id, series, year, first_number, last_number, reserved_by,
        reserved_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_block(tx: Transaction, block: ReceiptBlock) -> None:
    """Store a block; its numbers were taken from the series in this transaction."""
    await tx.execute(
        _ADD_BLOCK,
        tx.organization_id,
        block.id,
        block.desk_id,
        block.series,
        block.year,
        block.first_number,
        block.last_number,
        block.reserved_by,
        block.reserved_at,
    )


_READ_BLOCK = """
    SELECT id, desk_id, series, year, first_number, last_number, reserved_by, reserved_at
    FROM receipt_block WHERE organization_id = $1 AND id = $2
"""


async def read_block(tx: Transaction, block_id: UUID) -> ReceiptBlock | None:
    """A block; it never changes."""
    row = await tx.fetchrow(_READ_BLOCK, tx.organization_id, block_id)
    return None if row is None else read_row(ReceiptBlock, row)


_ENTERED = """
    SELECT number FROM receipt WHERE organization_id = $1 AND block_id = $2 ORDER BY number
"""


async def read_entered_numbers(tx: Transaction, block_id: UUID) -> list[int]:
    """The numbers of a block that were entered, used or not."""
    return [row["number"] for row in await tx.fetch(_ENTERED, tx.organization_id, block_id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskBlock:
    """A block of a desk with its numbers that were not entered yet."""

    id: UUID
    series: str
    year: int
    first_number: int
    last_number: int
    reserved_at: datetime
    missing: tuple[int, ...]

    @property
    def next_written(self) -> str:
        """The next number as it is written; empty where all are entered."""
        return write_number(self.series, self.year, self.missing[0]) if self.missing else ""


_OF_DESK = """
    SELECT block.id, block.series, block.year, block.first_number, block.last_number, block.reserved_at,
        (SELECT coalesce(array_agg(number ORDER BY number), '{}')
         FROM generate_series(block.first_number, block.last_number) AS number
         WHERE NOT EXISTS (SELECT FROM receipt
             WHERE receipt.organization_id = $1 AND receipt.block_id = block.id AND receipt.number = number.number)
        ) AS missing
    FROM receipt_block AS block
    WHERE block.organization_id = $1 AND block.desk_id = $2 ORDER BY block.id DESC LIMIT $3
"""


async def read_blocks_of_desk(tx: Transaction, desk_id: DeskId, *, at_most: int) -> list[DeskBlock]:
    """The newest blocks of a desk with the numbers that are still to be entered."""
    rows = await tx.fetch(_OF_DESK, tx.organization_id, desk_id, at_most)
    return [read_row(DeskBlock, {**row, "missing": tuple(row["missing"])}) for row in rows]
