"""Two channels of one bank account that may report one transfer: held and not held payments."""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.core.ids import PaymentId
from billing.core.money import Dong
from billing.payments.domain.duplicate_candidates import DuplicateCandidate
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.payment import AllocationReason, AllocationTarget, Payment
from tests.payments.domain.test_apply_events import reasons, targets
from tests.payments.event_builders import BANK_ACCOUNT, NOON, OTHER_ACCOUNT, code, payment_event, run


def test_held_payment_is_no_candidate_for_a_third() -> None:
    batch_result = run(
        payment_event("T1"),
        payment_event("T2", account_id=OTHER_ACCOUNT),
        candidates=[_candidate(is_unallocated=False)],
    )

    assert [held for held, _ in batch_result.holds] == [batch_result.payments[0][0].id]


def _candidate(
    *, is_unallocated: bool, bank_reference: str = "", codes: frozenset[str] = frozenset()
) -> DuplicateCandidate:
    payment = Payment(
        id=PaymentId(UUID(int=7)),
        account_id=OTHER_ACCOUNT,
        delivery_id=payment_event().delivery_id,
        intent_id=None,
        amount=Dong(100_000),
        provider_reference="X1",
        bank_reference=bank_reference,
        occurred_at=NOON - timedelta(hours=23),
    )
    return DuplicateCandidate(payment, BANK_ACCOUNT, codes, is_unallocated)


def test_probable_duplicate_of_an_allocated_payment_is_booked_unallocated_and_held() -> None:
    batch_result = run(payment_event(), candidates=[_candidate(is_unallocated=False)])

    assert targets(batch_result) == [(AllocationTarget.UNALLOCATED, 100_000, AllocationReason.PROBABLE_DUPLICATE)]
    assert [held for held, _ in batch_result.holds] == [batch_result.payments[0][0].id]
    assert reasons(batch_result) == [ExceptionReason.PROBABLE_DUPLICATE]


def test_probable_duplicate_of_an_unallocated_payment_is_allocated_and_the_other_held() -> None:
    batch_result = run(payment_event(), candidates=[_candidate(is_unallocated=True)])

    assert targets(batch_result) == [(AllocationTarget.INVOICE, 100_000, AllocationReason.OWED)]
    assert [held for held, _ in batch_result.holds] == [PaymentId(UUID(int=7))]


@pytest.mark.parametrize(
    ("changes", "candidate"),
    [
        ({"account_id": OTHER_ACCOUNT}, _candidate(is_unallocated=False)),
        ({"occurred_at": NOON + timedelta(hours=2)}, _candidate(is_unallocated=False)),
        ({"bank_reference": "FT2"}, _candidate(is_unallocated=False, bank_reference="FT1")),
        ({}, _candidate(is_unallocated=False, codes=frozenset({code(2)}))),
        ({"amount": Dong(99_000)}, _candidate(is_unallocated=False)),
    ],
    ids=["same-channel", "too-far", "other-bank-reference", "other-code", "other-amount"],
)
def test_equal_payments_that_differ_in_what_counts_are_not_held(
    changes: dict[str, object], candidate: DuplicateCandidate
) -> None:
    assert run(payment_event(**changes), candidates=[candidate]).holds == []
