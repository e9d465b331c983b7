"""A transfer that a head cashier confirmed and that a provider reports too is money once."""

import pytest

from billing.core.ids import ReceiptId
from billing.core.money import Dong
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.receipt import PartMethod, TransferAlreadyBooked
from billing.visit_accounts.service.collections import collect_at_desk
from tests.flow import PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.visit_accounts.accounts import OpenVisit
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk


async def _confirm(desk: CashDesk, visit: OpenVisit, reference: str, amount: int = 200_000) -> ReceiptId:
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        bank_account_id = await tx.fetchval("SELECT id FROM bank_account")
    part = CollectedPart(
        method=PartMethod.TRANSFER, amount=Dong(amount), bank_account_id=bank_account_id, reference=reference
    )
    collection = Collection(visit_id=visit.visit_id, parts=[part], amount=Dong(amount))
    return await collect_at_desk(desk.context, ORGANIZATION, collection, actor=desk.cashier)


async def test_callback_after_the_confirmation_is_held_as_a_probable_duplicate(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    await desk.open()
    await _confirm(desk, visit, "FT-T1")

    await flow.deliver(flow.notice("T1", "chuyen tien", amount=200_000))

    assert (await visit.deposit()).held == 200_000
    assert await desk.balance("unallocated") == -200_000
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        holds = await tx.fetchval("SELECT count(*) FROM payment_hold")
        reasons = await tx.fetch("SELECT reason FROM exception_case")
    assert holds == 1
    assert [row["reason"] for row in reasons] == ["probable_duplicate"]
    await assert_books_are_right(desk.context.database)


async def test_callback_with_the_reference_in_another_form_is_a_probable_duplicate_too(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    await desk.open()
    await _confirm(desk, visit, "ft - t1")

    await flow.deliver(flow.notice("T1", "chuyen tien", amount=200_000))

    async with desk.context.database.transaction(ORGANIZATION) as tx:
        assert await tx.fetchval("SELECT count(*) FROM payment_hold") == 1


@pytest.mark.parametrize(("typed", "stated"), [("FT-9", "ft - 9"), ("ft - 9", "FT -9")])
async def test_transfer_is_matched_with_its_line_however_its_reference_is_typed(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow, typed: str, stated: str
) -> None:
    own = MatchingFlow(flow)
    await desk.open()
    await _confirm(desk, visit, typed)
    await own.statement(own.line(200_000, "NOP TIEN", stated))

    await own.match()

    assert await own.matches() == [("bank_reference", "live", ("payment 200000", "statement_line 200000"))]


async def test_other_transfer_of_equal_amount_is_booked(desk: CashDesk, visit: OpenVisit, flow: PaymentFlow) -> None:
    await desk.open()
    await _confirm(desk, visit, "FT-OTHER")

    await flow.deliver(flow.notice("T1", "chuyen tien", amount=200_000))

    async with desk.context.database.transaction(ORGANIZATION) as tx:
        assert await tx.fetchval("SELECT count(*) FROM payment_hold") == 0


async def test_transfer_is_confirmed_once_and_not_after_its_callback(
    desk: CashDesk, visit: OpenVisit, flow: PaymentFlow
) -> None:
    await desk.open()
    await _confirm(desk, visit, "FT-1")
    with pytest.raises(TransferAlreadyBooked):
        await _confirm(desk, visit, "FT-1")
    await flow.deliver(flow.notice("T2", "chuyen tien", amount=300_000))
    with pytest.raises(TransferAlreadyBooked):
        await _confirm(desk, visit, "FT-T2", 300_000)
    for reference, amount in (("ft - 1", 200_000), ("ＦＴ-1", 100_000), ("ft-t2 ", 300_000)):
        with pytest.raises(TransferAlreadyBooked):
            await _confirm(desk, visit, reference, amount)

    assert (await visit.deposit()).held == 200_000
    await assert_books_are_right(desk.context.database)
