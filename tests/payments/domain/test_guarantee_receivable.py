"""What a payer owes for a guarantee, as money comes and final bills change."""

from collections.abc import Callable
from datetime import date
from itertools import count
from uuid import UUID

import pytest

from billing.core.ids import AllocationId, PaymentId, VisitId
from billing.core.money import Dong
from billing.payments.domain.guarantee_receivable import GuaranteeReceivable, apply_money
from billing.payments.domain.payment import AllocationTarget
from billing.payments.domain.reallocation import PartAllocation


def owed(number: int, billed: int, *, paid: int = 0, written_off: int = 0) -> GuaranteeReceivable:
    return GuaranteeReceivable(
        guarantee_id=UUID(int=number),
        visit_id=VisitId(UUID(int=100 + number)),
        payer="Bảo hiểm Tư",
        version=1,
        billed_on=date(2026, 11, 2),
        billed=Dong(billed),
        paid=Dong(paid),
        written_off=Dong(written_off),
    )


def credit(number: int, amount: int) -> PartAllocation:
    return PartAllocation(
        id=AllocationId(UUID(int=number)),
        payment_id=PaymentId(UUID(int=200 + number)),
        target=AllocationTarget.CREDIT,
        amount=Dong(amount),
    )


@pytest.fixture
def new_id() -> Callable[[], AllocationId]:
    numbers = count(1_000)
    return lambda: AllocationId(UUID(int=next(numbers)))


def test_two_payments_pay_three_guarantees_in_order(new_id: Callable[[], AllocationId]) -> None:
    # 50 + 60 pay 30 + 40 + 20 and leave 20 of the second payment.
    made = apply_money([credit(1, 50), credit(2, 60)], [owed(1, 30), owed(2, 40), owed(3, 20)], new_id=new_id)

    assert [(one.guarantee_id.int, one.paid, one.owed) for one in made.receivables] == [
        (1, 30, 0),
        (2, 40, 0),
        (3, 20, 0),
    ]
    assert [(move.source.payment_id.int - 200, move.amount) for move in made.moves] == [
        (1, 30),
        (1, 20),
        (2, 20),
        (2, 20),
    ]
    assert [move.destination.guarantee_id for move in made.moves] == [UUID(int=each) for each in (1, 2, 2, 3)]
    assert [part.amount for part in made.rest] == [20]


def test_money_that_is_not_enough_pays_a_part(new_id: Callable[[], AllocationId]) -> None:
    made = apply_money([credit(1, 50)], [owed(1, 40, paid=40), owed(2, 90), owed(3, 10)], new_id=new_id)

    assert [(one.guarantee_id.int, one.owed) for one in made.receivables] == [(2, 40)]
    assert list(made.rest) == []


def test_no_money_pays_nothing(new_id: Callable[[], AllocationId]) -> None:
    made = apply_money([], [owed(1, 40)], new_id=new_id)

    assert (list(made.receivables), list(made.moves), list(made.rest)) == ([], [], [])


@pytest.mark.parametrize(
    ("change", "after", "freed", "restored"),
    [
        (10, (110, 60, 30), 0, 0),
        (-10, (90, 60, 30), 0, 0),
        (-20, (80, 60, 20), 0, 10),
        (-40, (60, 60, 0), 0, 30),
        (-50, (50, 50, 0), 10, 30),
        (-100, (0, 0, 0), 60, 30),
    ],
)
def test_lower_bill_takes_the_write_off_back_before_it_frees_money(
    change: int, after: tuple[int, int, int], freed: int, restored: int
) -> None:
    made = owed(1, 100, paid=60, written_off=30).bill(change)

    known = made.receivable
    assert (known.billed, known.paid, known.written_off) == after
    assert (made.freed, made.restored) == (freed, restored)


def test_write_off_takes_what_is_owed() -> None:
    after = owed(1, 100, paid=60).write_off()

    assert (after.written_off, after.owed, after.version) == (40, 0, 2)


def test_paying_more_than_is_owed_is_impossible() -> None:
    with pytest.raises(AssertionError):
        owed(1, 100, paid=60).pay(Dong(41))
