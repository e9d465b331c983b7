"""Receipts: numbers without gaps, voids by method, reprints, paper blocks, payouts from the drawer."""

import asyncio

import pytest

from billing.core.approvals import SecondPersonRequired
from billing.core.errors import InvalidValue
from billing.core.ids import PaymentId, ReceiptId
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole
from billing.ops.erasure_rows import erase_visits
from billing.payments.domain.deposit import RequestState
from billing.payments.service.allocation import release_deposit
from billing.payments.store.deposits import lock_deposit_of_visit
from billing.visit_accounts.domain.collection import CollectedPart, Collection, PaymentNotOfTarget
from billing.visit_accounts.domain.receipt import (
    OverCollection,
    PartMethod,
    Purpose,
    ReceiptAlreadyVoid,
    ReceiptMoneyUsed,
    ReceiptNumberTaken,
    ReceiptState,
)
from billing.visit_accounts.domain.shift import NotEnoughCash, ShiftNotOpen
from billing.visit_accounts.service.cash import CashPayout, pay_out_cash
from billing.visit_accounts.service.receipt_blocks import (
    PaperReceipt,
    enter_paper_receipt,
    enter_unused_numbers,
    find_block,
    reserve_block,
)
from billing.visit_accounts.service.receipts import (
    ReceiptOfRefund,
    find_receipt,
    list_all_receipts,
    reprint_receipt,
    void_issued_receipt,
)
from billing.visit_accounts.service.shifts import end_shift
from tests.flow import PaymentFlow, assert_books_are_right
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.service.test_collections import cash, read, take, terminal

CREDIT = AccountKey(AccountRole.PATIENT_CREDIT)


async def void(desk: CashDesk, receipt_id: ReceiptId) -> None:
    await void_issued_receipt(desk.context, ORGANIZATION, receipt_id, reason="nhầm người", actor=desk.head)


async def test_refused_collection_takes_no_number(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    request_id = await visit.request(10_000)
    first = await take(desk, visit, cash(4_000), deposit_request_id=request_id)
    with pytest.raises(OverCollection):
        await take(desk, visit, cash(7_000), deposit_request_id=request_id)
    second = await take(desk, visit, cash(6_000), deposit_request_id=request_id)

    assert [(await read(desk, each)).receipt.number for each in (first, second)] == [1, 2]


async def test_void_of_cash_takes_it_from_drawer_and_deposit(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open(100_000)
    request_id = await visit.request(50_000)
    receipt_id = await take(desk, visit, cash(50_000), deposit_request_id=request_id)

    with pytest.raises(SecondPersonRequired):
        await void_issued_receipt(desk.context, ORGANIZATION, receipt_id, reason="nhầm", actor=desk.cashier)
    await void(desk, receipt_id)

    found = (await read(desk, receipt_id)).receipt
    assert (found.state, found.voided_by, found.number) == (ReceiptState.VOID, desk.head.person, 1)
    assert ((await visit.deposit()).held, await desk.drawer()) == (0, 100_000)
    assert (await visit.request_as_stored(request_id)).state is RequestState.REQUESTED
    with pytest.raises(ReceiptAlreadyVoid, match=str(desk.head.person)):
        await void(desk, receipt_id)
    await assert_books_are_right(desk.context.database)


async def test_void_of_card_money_makes_it_credit(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    card = CollectedPart(
        method=PartMethod.CARD, amount=Dong(80_000), terminal_id=await terminal(desk), approval_code="A1"
    )
    receipt_id = await take(desk, visit, card, cash(20_000), amount=Dong(100_000))

    await void(desk, receipt_id)

    assert (await desk.drawer(), await desk.balance("clearing")) == (0, 80_000)
    assert (await desk.balance("patient_credit"), (await visit.deposit()).held) == (-80_000, 0)
    await assert_books_are_right(desk.context.database)


async def test_receipt_is_voided_in_its_shift_only(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open()
    receipt_id = await take(desk, visit, cash(50_000), amount=Dong(50_000))
    await end_shift(desk.context, ORGANIZATION, shift_id, {"50000": 1}, actor=desk.cashier)

    with pytest.raises(ShiftNotOpen):
        await void(desk, receipt_id)
    assert (await visit.deposit()).held == 50_000


async def test_receipt_whose_money_moved_on_is_not_voided(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    receipt_id = await take(desk, visit, cash(50_000), amount=Dong(50_000))
    async with desk.context.database.transaction(ORGANIZATION, posting=True) as tx:
        deposit = await lock_deposit_of_visit(tx, visit.visit_id)
        assert deposit is not None
        await release_deposit(tx, desk.context, deposit, Dong(1_000), actor=desk.cashier)

    with pytest.raises(ReceiptMoneyUsed):
        await void(desk, receipt_id)
    assert await desk.drawer() == 50_000


async def test_two_voids_at_once_void_once(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open(50_000)
    receipt_id = await take(desk, visit, cash(50_000), amount=Dong(50_000))

    done = await asyncio.gather(void(desk, receipt_id), void(desk, receipt_id), return_exceptions=True)

    assert sum(isinstance(each, ReceiptAlreadyVoid | ReceiptMoneyUsed) for each in done) == 1
    assert await desk.drawer() == 50_000
    await assert_books_are_right(desk.context.database)


async def test_void_of_a_receipt_with_a_qr_part_takes_the_money_from_the_request_of_its_code(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    """60 000 by QR and 40 000 in cash pay one request; another request may not list the QR payment."""
    await desk.open()
    request_id, other_id = await visit.request(100_000), await visit.request(50_000)
    await flow.deliver(flow.notice("T1", await visit.code(request_id, 60_000), amount=60_000))
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        payment_id = PaymentId(await tx.fetchval("SELECT id FROM payment"))
    by_qr = CollectedPart(method=PartMethod.PROVIDER, payment_id=payment_id)

    with pytest.raises(PaymentNotOfTarget):
        await take(desk, visit, by_qr, cash(1_000), deposit_request_id=other_id)
    with pytest.raises(OverCollection, match="40000 đồng are owed"):
        await take(desk, visit, by_qr, cash(40_001), deposit_request_id=request_id)
    receipt_id = await take(desk, visit, by_qr, cash(40_000), deposit_request_id=request_id)
    assert (await read(desk, receipt_id)).receipt.amount == 100_000
    assert (await visit.request_as_stored(request_id)).state is RequestState.PAID

    await void(desk, receipt_id)

    assert (await visit.request_as_stored(request_id)).received == 0
    assert ((await visit.deposit()).held, await desk.balance("patient_credit"), await desk.drawer()) == (0, -60_000, 0)
    await assert_books_are_right(desk.context.database)


async def test_void_of_an_advance_that_lists_a_qr_part_takes_it_from_the_request(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    await desk.open()
    request_id = await visit.request(60_000)
    await flow.deliver(flow.notice("T1", await visit.code(request_id, 60_000), amount=60_000))
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        payment_id = PaymentId(await tx.fetchval("SELECT id FROM payment"))
    by_qr = CollectedPart(method=PartMethod.PROVIDER, payment_id=payment_id)
    receipt_id = await take(desk, visit, by_qr, amount=Dong(60_000))

    await void(desk, receipt_id)

    assert (await visit.request_as_stored(request_id)).state is RequestState.REQUESTED
    assert (await visit.deposit()).held == 0
    await assert_books_are_right(desk.context.database)


async def test_reprints_are_counted(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    receipt_id = await take(desk, visit, cash(5_000), amount=Dong(5_000))
    before = await read(desk, receipt_id)

    await reprint_receipt(desk.context, ORGANIZATION, receipt_id, actor=desk.cashier)

    after = await read(desk, receipt_id)
    assert (after.receipt.reprints, after.printed) == (1, before.printed)


async def test_printed_names_are_erased_with_the_visit_and_the_receipt_stays(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    receipt_id = await take(desk, visit, cash(5_000), amount=Dong(5_000))
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        erased = await erase_visits(tx, [visit.visit_id])

    found = await read(desk, receipt_id)
    assert (erased["receipt_print"], found.printed, found.receipt.amount) == (1, None, 5_000)


async def test_payout_leaves_the_drawer_with_a_receipt_of_its_own_series(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open(100_000)
    payout = CashPayout(
        amount=Dong(30_000), purpose=Purpose.REFUND, visit_id=visit.visit_id, debit=AccountKey(AccountRole.SAFE)
    )

    async with desk.context.database.transaction(ORGANIZATION, posting=True) as tx:
        paid = await pay_out_cash(tx, desk.context, payout, actor=desk.cashier)
    with pytest.raises(NotEnoughCash):
        async with desk.context.database.transaction(ORGANIZATION, posting=True) as tx:
            await pay_out_cash(
                tx, desk.context, CashPayout(amount=Dong(70_001), purpose=Purpose.REFUND), actor=desk.cashier
            )

    assert (paid.shift_id, paid.number[:2], await desk.drawer()) == (shift_id, "PC", 70_000)
    with pytest.raises(ReceiptOfRefund):
        await void(desk, paid.receipt_id)
    await assert_books_are_right(desk.context.database)


async def test_paper_block_is_entered_under_its_own_numbers(desk: CashDesk, visit: OpenVisit) -> None:
    """The server is away for an hour: three numbers are reserved, one is used, two are not."""
    await desk.open()
    block_id = await reserve_block(desk.context, ORGANIZATION, desk.desk_id, 3, actor=desk.cashier)
    later = await take(desk, visit, cash(5_000), amount=Dong(5_000))
    assert (await read(desk, later)).receipt.number == 4
    await assert_books_are_right(desk.context.database)
    written_at = desk.context.clock()

    def paper(number: int) -> PaperReceipt:
        collection = Collection(visit_id=visit.visit_id, parts=[cash(20_000)], amount=Dong(20_000))
        return PaperReceipt(number=number, issued_at=written_at, collection=collection)

    receipt_id = await enter_paper_receipt(desk.context, ORGANIZATION, block_id, paper(2), actor=desk.cashier)
    with pytest.raises(ReceiptNumberTaken):
        await enter_paper_receipt(desk.context, ORGANIZATION, block_id, paper(2), actor=desk.cashier)
    with pytest.raises(InvalidValue):
        await enter_paper_receipt(desk.context, ORGANIZATION, block_id, paper(4), actor=desk.cashier)
    await enter_unused_numbers(desk.context, ORGANIZATION, block_id, [1, 3], actor=desk.cashier)
    with pytest.raises(ReceiptNumberTaken):
        await enter_unused_numbers(desk.context, ORGANIZATION, block_id, [3], actor=desk.cashier)

    found = (await read(desk, receipt_id)).receipt
    assert (found.number, found.issued_at, found.block_id) == (2, written_at, block_id)
    assert (await find_block(desk.context, ORGANIZATION, block_id)).entered == [1, 2, 3]
    voids = await list_all_receipts(desk.context, ORGANIZATION, ListSlice(limit=10), state=ReceiptState.VOID)
    assert {(each.number, each.void_reason) for each in voids} == {(1, "unused"), (3, "unused")}
    assert (await find_receipt(desk.context, ORGANIZATION, voids[0].id)).printed is None
    assert await desk.drawer() == 25_000
    await assert_books_are_right(desk.context.database)
