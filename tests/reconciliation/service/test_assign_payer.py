"""A payer of guarantees pays by transfer: its money is assigned by a decision, taken back by the bank, reverted."""

import pytest

from billing.core.errors import InvalidValue, NotFound
from billing.core.list_slice import ListSlice
from billing.payments.domain.guarantee_receivable import GuaranteesPaid
from billing.reconciliation.domain.exception_case import DecisionAction, PaymentDiffers
from billing.visit_accounts.service.guarantee_payments import (
    ListedReceivable,
    ReceivableFilter,
    list_guarantee_receivables,
    list_payments_of_payers,
)
from providers.contract import Movement
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, UNKNOWN_PAID, ExceptionDesk, open_exception_desk
from tests.visit_accounts.accounts import open_visit
from tests.visit_accounts.cashiers import open_desk
from tests.visit_accounts.charged import charged_visit
from tests.visit_accounts.stay import Stay

PAYER = "Bảo hiểm Tư"
_STATED = {"payer": PAYER, "amount": UNKNOWN_PAID, "bank_reference": "FT-T1"}


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


@pytest.fixture
async def stay(desk: ExceptionDesk, database: DatabaseAddress) -> Stay:
    """A visit with its final bill, which a payer bears whole."""
    at = await open_desk(database, desk.flow.context)
    visit = await charged_visit(await open_visit(desk.flow.context, "LK0011"), at.desk_id, await at.open())
    stay = Stay(visit, at)
    await stay.guarantee(OWED)
    await stay.close()
    return stay


async def receivable(desk: ExceptionDesk) -> ListedReceivable:
    [one] = await list_guarantee_receivables(
        desk.flow.context, ORGANIZATION, ListSlice(limit=10), ReceivableFilter(payer=PAYER)
    )
    return one


async def test_transfer_of_a_payer_pays_its_guarantees_and_is_reverted(desk: ExceptionDesk, stay: Stay) -> None:
    exception_id, payment_id = await desk.receive_without_code()

    await desk.decide(exception_id, DecisionAction.ASSIGN_TO_PAYER, **_STATED)

    assert (await receivable(desk)).owed == 0
    assert await desk.position(payment_id) == {"on_guarantees": OWED, "credit": UNKNOWN_PAID - OWED}
    [paid] = await list_payments_of_payers(desk.flow.context, ORGANIZATION, ListSlice(limit=10), payer=PAYER)
    assert (paid.id, paid.receipt_id, paid.credit) == (payment_id, None, UNKNOWN_PAID - OWED)
    assert await stay.desk.balance("receivable_guarantor") == 0
    assert (await desk.find(exception_id)).exception.state == "closed"
    await assert_books_are_right(desk.flow.context.database)

    await desk.revert(exception_id, version=2)

    assert (await receivable(desk)).owed == OWED
    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    assert await list_payments_of_payers(desk.flow.context, ORGANIZATION, ListSlice(limit=10)) == []
    await assert_books_are_right(desk.flow.context.database)


async def test_money_of_a_payer_that_the_bank_takes_back_is_owed_again(desk: ExceptionDesk, stay: Stay) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.ASSIGN_TO_PAYER, **_STATED)

    await desk.flow.deliver(
        desk.flow.notice(
            "T2", "hoan tien", amount=UNKNOWN_PAID, movement=Movement.REVERSED, reverses=frozenset({"transaction:T1"})
        )
    )

    assert await desk.position(payment_id) == {"refunded": UNKNOWN_PAID}
    assert (await receivable(desk)).owed == OWED
    assert await stay.desk.balance("receivable_guarantor") == OWED
    await assert_books_are_right(desk.flow.context.database)


async def test_other_payer_amount_or_guarantee_assigns_nothing(desk: ExceptionDesk, stay: Stay) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    for fields, refusal in (
        ({"payer": " "}, InvalidValue),
        ({"payer": "Bảo Việt"}, GuaranteesPaid),
        ({"guarantee_ids": (desk.flow.context.ids.new(),)}, NotFound),
        ({"amount": UNKNOWN_PAID - 1}, PaymentDiffers),
        ({"bank_reference": ""}, PaymentDiffers),
    ):
        with pytest.raises(refusal):
            await desk.decide(exception_id, DecisionAction.ASSIGN_TO_PAYER, **{**_STATED, **fields})

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    assert (await receivable(desk)).owed == OWED
    await assert_books_are_right(desk.flow.context.database)
