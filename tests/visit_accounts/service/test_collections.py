"""Money taken at the desk: several methods on one receipt, rounding, terminals, and what is refused."""

import asyncio
from uuid import UUID

import pytest

from billing.core.actor import Actor
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import InvoiceId, PaymentId, ReceiptId
from billing.core.money import Dong
from billing.invoices.service.issue import find_invoice, issue_invoice
from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.desks import set_cash_settings
from billing.payments.domain.deposit import RequestState
from billing.visit_accounts.domain.collection import (
    AmountMismatch,
    CollectedPart,
    Collection,
    PaymentNotOfTarget,
    TenderedTooLittle,
)
from billing.visit_accounts.domain.receipt import (
    OverCollection,
    PartMethod,
    PaymentHasReceipt,
    SlipAlreadyRecorded,
)
from billing.visit_accounts.domain.shift import NoOpenShift
from billing.visit_accounts.service.card_batches import (
    NewBatch,
    NewTerminal,
    add_card_terminal,
    find_batch,
    record_batch,
)
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.receipts import PrintedReceipt, find_receipt
from billing.visit_accounts.service.record_visits import record_visit
from billing.visit_accounts.service.shifts import find_shift
from tests.builders import FACILITY_CODE, visit_document
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.visit_accounts.accounts import OpenVisit, open_visit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk


def cash(amount: int, tendered: int | None = None) -> CollectedPart:
    return CollectedPart(
        method=PartMethod.CASH, amount=Dong(amount), tendered=None if tendered is None else Dong(tendered)
    )


async def take(desk: CashDesk, visit: OpenVisit, *parts: CollectedPart, **target: object) -> ReceiptId:
    collection = Collection(visit_id=visit.visit_id, parts=parts, **target)  # type: ignore[arg-type]
    return await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier)


async def read(desk: CashDesk, receipt_id: ReceiptId) -> PrintedReceipt:
    return await find_receipt(desk.context, ORGANIZATION, receipt_id)


async def bank_account(desk: CashDesk) -> UUID:
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        found: UUID = await tx.fetchval("SELECT id FROM bank_account")
    return found


async def terminal(desk: CashDesk) -> UUID:
    new = NewTerminal(
        facility_code=FACILITY_CODE, name="POS 1", terminal_number="T1", bank_account_id=await bank_account(desk)
    )
    return await add_card_terminal(desk.context, ORGANIZATION, new, actor=Actor.system())


async def test_cash_pays_a_request_and_the_receipt_is_printed(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open(100_000)
    request_id = await visit.request(136_000)

    receipt_id = await take(desk, visit, cash(136_000, 200_000), deposit_request_id=request_id)

    found = await read(desk, receipt_id)
    assert found.receipt.written_number.endswith("-000001")
    assert found.printed is not None
    assert (found.printed["tendered"], found.printed["change"], found.printed["patient"]) == (
        200_000,
        64_000,
        "Nguyễn Văn Thử",
    )
    assert (await visit.request_as_stored(request_id)).state is RequestState.PAID
    assert ((await visit.deposit()).held, await desk.drawer()) == (136_000, 236_000)
    assert await desk.balance("deposit") == -136_000
    await assert_books_are_right(desk.context.database)


async def test_money_is_taken_in_an_open_shift_only(desk: CashDesk, visit: OpenVisit) -> None:
    with pytest.raises(NoOpenShift):
        await take(desk, visit, cash(10_000), amount=Dong(10_000))


async def test_more_than_requested_is_refused_by_name(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    request_id = await visit.request(50_000)

    with pytest.raises(OverCollection, match="50000 đồng are owed"):
        await take(desk, visit, cash(50_001), deposit_request_id=request_id)
    await take(desk, visit, cash(50_000), deposit_request_id=request_id)
    with pytest.raises(OverCollection, match="0 đồng are owed"):
        await take(desk, visit, cash(1), deposit_request_id=request_id)


async def test_parts_sum_to_the_advance(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()

    with pytest.raises(AmountMismatch):
        await take(desk, visit, cash(50_000), amount=Dong(60_000))
    with pytest.raises(TenderedTooLittle):
        await take(desk, visit, cash(50_000, 40_000), amount=Dong(50_000))
    await take(desk, visit, cash(50_000), amount=Dong(50_000))
    assert (await visit.deposit()).held == 50_000


@pytest.mark.parametrize(
    "part",
    [
        CollectedPart(method=PartMethod.CASH),
        CollectedPart(method=PartMethod.CARD, amount=Dong(5)),
        CollectedPart(method=PartMethod.CASH, amount=Dong(5), approval_code="1"),
        CollectedPart(method=PartMethod.TRANSFER, amount=Dong(5)),
        CollectedPart(method=PartMethod.PROVIDER),
        CollectedPart(method=PartMethod.PROVIDER, amount=Dong(5), payment_id=PaymentId(UUID(int=5))),
        CollectedPart(method=PartMethod.ROUNDING, amount=Dong(5)),
    ],
)
async def test_part_states_what_its_method_needs(desk: CashDesk, visit: OpenVisit, part: CollectedPart) -> None:
    await desk.open()

    with pytest.raises(InvalidValue):
        await take(desk, visit, part, amount=Dong(5))


async def test_cash_and_card_and_transfer_are_on_one_receipt(desk: CashDesk, visit: OpenVisit) -> None:
    shift_id = await desk.open()
    terminal_id = await terminal(desk)
    card = CollectedPart(method=PartMethod.CARD, amount=Dong(300_000), terminal_id=terminal_id, approval_code="A1")
    transfer = CollectedPart(
        method=PartMethod.TRANSFER, amount=Dong(200_000), bank_account_id=await bank_account(desk), reference="FT1"
    )

    receipt_id = await take(desk, visit, cash(100_000), card, transfer, amount=Dong(600_000))

    found = await read(desk, receipt_id)
    assert [(part.method, part.amount) for part in found.receipt.parts] == [
        (PartMethod.CASH, 100_000),
        (PartMethod.CARD, 300_000),
        (PartMethod.TRANSFER, 200_000),
    ]
    assert (await desk.drawer(), await desk.balance("clearing")) == (100_000, 500_000)
    view = await find_shift(desk.context, ORGANIZATION, shift_id, viewer=None)
    assert [slip.approval_code for slip in view.slips] == ["A1"]
    assert {each.method: each.amount for each in view.sums} == {"cash": 100_000, "card": 300_000, "transfer": 200_000}
    await assert_books_are_right(desk.context.database)


async def test_slip_is_recorded_once(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    card = CollectedPart(
        method=PartMethod.CARD, amount=Dong(1_000), terminal_id=await terminal(desk), approval_code="A1"
    )
    await take(desk, visit, card, amount=Dong(1_000))

    with pytest.raises(SlipAlreadyRecorded):
        await take(desk, visit, card, amount=Dong(1_000))
    assert (await visit.deposit()).held == 1_000


async def test_cash_is_rounded_on_its_own_account(desk: CashDesk, visit: OpenVisit) -> None:
    await set_cash_settings(
        desk.context,
        ORGANIZATION,
        facility_code=FACILITY_CODE,
        setting=CashSetting(rounding_step=500),
        actor=Actor.system(),
    )
    await desk.open()

    up = await take(desk, visit, cash(100_300), amount=Dong(100_300))
    await take(desk, visit, cash(100_200), amount=Dong(100_200))

    assert (await read(desk, up)).receipt.amount == 100_300
    assert (await desk.drawer(), await desk.balance("cash_rounding")) == (200_500, 0)
    assert (await visit.deposit()).held == 200_500
    await assert_books_are_right(desk.context.database)


async def test_part_by_qr_is_on_the_receipt_and_the_rest_is_cash(desk: CashDesk, flow: PaymentFlow) -> None:
    """The QR payment of an invoice came before; the receipt lists it once. The account was opened after the invoice."""
    await desk.open()
    document = visit_document(ma_lk="LK0002")
    recorded = await record_visit(desk.context, ORGANIZATION, document, actor=Actor.system())
    assert recorded is not None
    invoice_id = await issue_invoice(desk.context, ORGANIZATION, recorded.id, actor=Actor.system())
    visit = await open_visit(desk.context, "LK0002")
    started = await flow.intent([invoice_id], amount=100_000)
    await flow.deliver(flow.notice("T1", started.code, amount=100_000))
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        payment_id = PaymentId(await tx.fetchval("SELECT id FROM payment"))
    by_qr = CollectedPart(method=PartMethod.PROVIDER, payment_id=payment_id)

    with pytest.raises(OverCollection):
        await take(desk, visit, by_qr, cash(OWED), invoice_id=invoice_id)
    with pytest.raises(PaymentNotOfTarget):
        await take(desk, visit, by_qr, amount=Dong(100_000))
    receipt_id = await take(desk, visit, by_qr, cash(OWED - 100_000), invoice_id=invoice_id, amount=Dong(OWED))

    assert (await read(desk, receipt_id)).receipt.amount == OWED
    assert (await find_invoice(desk.context, ORGANIZATION, invoice_id)).owed == 0
    with pytest.raises(PaymentHasReceipt, match=str(receipt_id)):
        await take(desk, visit, by_qr, invoice_id=invoice_id)
    await assert_books_are_right(desk.context.database)


async def test_invoice_of_another_visit_is_not_collected(desk: CashDesk, visit: OpenVisit, flow: PaymentFlow) -> None:
    await desk.open()
    started = await flow.start_intent("LK0002")

    with pytest.raises(NotFound):
        await take(desk, visit, cash(1_000), invoice_id=started.invoice_id)
    with pytest.raises(NotFound):
        await take(desk, visit, cash(1_000), invoice_id=InvoiceId(UUID(int=7)))


async def test_two_terminals_collect_one_request_at_once_and_nothing_doubles(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    request_id = await visit.request(50_000)

    done = await asyncio.gather(
        *(take(desk, visit, cash(50_000), deposit_request_id=request_id) for _ in range(2)), return_exceptions=True
    )

    assert sum(isinstance(each, OverCollection) for each in done) == 1
    assert ((await visit.deposit()).held, await desk.drawer()) == (50_000, 50_000)
    await assert_books_are_right(desk.context.database)


async def test_card_batch_is_matched_with_slips_and_differences_are_named(desk: CashDesk, visit: OpenVisit) -> None:
    await desk.open()
    terminal_id = await terminal(desk)
    for code, amount in (("A1", 100_000), ("A2", 200_000), ("A3", 300_000)):
        card = CollectedPart(method=PartMethod.CARD, amount=Dong(amount), terminal_id=terminal_id, approval_code=code)
        receipt_id = await take(desk, visit, card, amount=Dong(amount))
    day = (await read(desk, receipt_id)).receipt.issued_at.astimezone().date()
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        day = await tx.fetchval("SELECT day FROM card_slip LIMIT 1")

    batch_id = await record_batch(
        desk.context,
        ORGANIZATION,
        NewBatch(
            terminal_id=terminal_id,
            day=day,
            batch_number="001",
            count=3,
            gross=Dong(450_000),
            fee=Dong(4_500),
            slips={"A1": Dong(100_000), "A2": Dong(250_000), "A9": Dong(100_000)},
        ),
        actor=desk.treasurer,
    )

    batch = await find_batch(desk.context, ORGANIZATION, batch_id)
    assert [(each["kind"], each["approval_code"]) for each in batch.differences] == [
        ("other_amount", "A2"),
        ("missing_in_batch", "A3"),
        ("missing_here", "A9"),
    ]
    # 150 000 of slips without a batch, 445 500 expected at the bank.
    assert (await desk.balance("clearing"), await desk.balance("payment_fees")) == (150_000 + 445_500, 4_500)
    assert await desk.balance("bank") == 0
    await assert_books_are_right(desk.context.database)
