"""Paper receipts: reserve a block of numbers while the server is reachable, and enter its receipts later.

Each receipt is entered under its own number with its own time; a number that was not used is entered as void. Source:
docs/visit-accounts.md, Cash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import DeskId, OrganizationId, ReceiptId
from billing.core.money import NOTHING
from billing.db.database import Transaction
from billing.db.idempotency import IdempotentRequest, find_previous_result, save_result
from billing.db.series import take_numbers
from billing.ledger.service.audit import note
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.collection import Collection
from billing.visit_accounts.domain.receipt import (
    SERIES,
    UNUSED,
    Direction,
    Purpose,
    Receipt,
    ReceiptNumberTaken,
    ReceiptState,
)
from billing.visit_accounts.service.collecting import PaperNumber, collect
from billing.visit_accounts.store.desks import find_desk
from billing.visit_accounts.store.receipt_blocks import (
    DeskBlock,
    ReceiptBlock,
    add_block,
    read_block,
    read_blocks_of_desk,
    read_entered_numbers,
)
from billing.visit_accounts.store.receipts import add_receipt, add_void_of_unused

BLOCK_MAX = 1000

BLOCKS_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperReceipt:
    """A receipt that was written on paper under a number of the block, at its own time."""

    number: int
    issued_at: datetime
    collection: Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """A block with the numbers that were entered."""

    block: ReceiptBlock
    entered: Sequence[int]


async def reserve_block(
    context: PaymentContext,
    organization_id: OrganizationId,
    desk_id: DeskId,
    count: int,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> UUID:
    """Take the next numbers of the series at once for the paper of a desk. Raises NotFound, InvalidValue."""
    person = require_person(actor)
    if not 1 <= count <= BLOCK_MAX:
        raise InvalidValue(f"a block has 1 to {BLOCK_MAX} numbers", field="count")
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return earlier.subjects[0]
        if await find_desk(tx, desk_id) is None:
            raise NotFound("no such desk", field="desk_id")
        now = context.clock()
        series, year = SERIES[Direction.IN], business_date(now).year
        numbers = await take_numbers(tx, series=series, year=year, count=count)
        block = ReceiptBlock(
            id=context.ids.new(),
            desk_id=desk_id,
            series=series,
            year=year,
            first_number=numbers[0],
            last_number=numbers[-1],
            reserved_by=person,
            reserved_at=now,
        )
        await add_block(tx, block)
        await note(tx, context, actor, "receipt_block_reserved", ("receipt_block", block.id))
        await save_result(tx, request, [block.id], now=now)
    return block.id


async def find_block(context: PaymentContext, organization_id: OrganizationId, block_id: UUID) -> BlockView:
    """A block with the numbers that were entered. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        block = await _block(tx, block_id)
        return BlockView(block=block, entered=await read_entered_numbers(tx, block_id))


async def list_desk_blocks(
    context: PaymentContext, organization_id: OrganizationId, desk_id: DeskId
) -> list[DeskBlock]:
    """The newest blocks of a desk with the numbers that are still to be entered."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_blocks_of_desk(tx, desk_id, at_most=BLOCKS_SHOWN_MAX)


async def enter_paper_receipt(
    context: PaymentContext,
    organization_id: OrganizationId,
    block_id: UUID,
    paper: PaperReceipt,
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> ReceiptId:
    """Enter a paper receipt under its own number and time; its cash is in the drawer of the caller's open shift.

    Raises InvalidValue for a number outside the block or a time before it, ReceiptNumberTaken, the errors of `collect`.
    """
    async with context.database.transaction(organization_id, posting=True) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return ReceiptId(earlier.subjects[0])
        block = await _block(tx, block_id)
        _require_in(block, paper.number)
        if not block.reserved_at <= paper.issued_at <= context.clock():
            raise InvalidValue("a paper receipt is written after its block was reserved", field="issued_at")
        number = PaperNumber(
            block_id=block_id,
            series=block.series,
            year=block.year,
            number=paper.number,
            issued_at=paper.issued_at,
        )
        receipt = await collect(tx, context, paper.collection, paper=number, actor=actor)
        await save_result(tx, request, [receipt.id], now=context.clock())
    context.publish_change(organization_id)
    return receipt.id


async def enter_unused_numbers(
    context: PaymentContext,
    organization_id: OrganizationId,
    block_id: UUID,
    numbers: Sequence[int],
    *,
    actor: Actor,
    request: IdempotentRequest | None = None,
) -> list[ReceiptId]:
    """Enter numbers that no paper was written under as void receipts. Raises InvalidValue, ReceiptNumberTaken."""
    person = require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        earlier = await find_previous_result(tx, request)
        if earlier is not None:
            return [ReceiptId(each) for each in earlier.subjects]
        block = await _block(tx, block_id)
        now = context.clock()
        entered = []
        for number in sorted(set(numbers)):
            _require_in(block, number)
            receipt = Receipt(
                id=ReceiptId(context.ids.new()),
                series=block.series,
                year=block.year,
                number=number,
                direction=Direction.IN,
                purpose=Purpose.CASH,
                state=ReceiptState.VOID,
                amount=NOTHING,
                issued_at=now,
                issued_by=person,
                block_id=block_id,
                void_reason=UNUSED,
                voided_at=now,
                voided_by=person,
            )
            if not await add_receipt(tx, receipt, printed=None):
                raise ReceiptNumberTaken(f"receipt {receipt.written_number} was entered before", field="number")
            await add_void_of_unused(tx, receipt)
            await note(tx, context, actor, "receipt_number_unused", ("receipt", receipt.id))
            entered.append(receipt.id)
        if not entered:
            raise InvalidValue("name the numbers that were not used", field="unused")
        await save_result(tx, request, entered, now=now)
    return entered


async def _block(tx: Transaction, block_id: UUID) -> ReceiptBlock:
    block = await read_block(tx, block_id)
    if block is None:
        raise NotFound("no such block of receipts", field="block_id")
    return block


def _require_in(block: ReceiptBlock, number: int) -> None:
    if not block.has(number):
        raise InvalidValue(
            f"number {number} is not in the block {block.first_number} to {block.last_number}", field="number"
        )
