"""Which lines of an order may be performed, and why: each rule of docs/visit-accounts.md, Clearance of orders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from billing.core.ids import VisitId
from billing.core.money import Dong
from billing.visit_accounts.domain.charge import ChargeState
from billing.visit_accounts.domain.clearance import (
    ChargeFacts,
    ClearancePolicy,
    DepositExhausted,
    OrderClearance,
    PaymentTerm,
    VisitFacts,
    clear_order,
    clear_visit,
)

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
AFTER = ClearancePolicy(term=PaymentTerm.PAY_AFTER)
STOPPING = ClearancePolicy(term=PaymentTerm.PAY_AFTER, deposit_exhausted=DepositExhausted.STOP_ELECTIVE)
INSURED = ClearancePolicy(term=PaymentTerm.INSURED_AT_END)


def line(number: int = 1, **changes: Any) -> ChargeFacts:
    """A line whose patient share is 100 000 đồng, ordered in the order of its number."""
    fields: dict[str, Any] = {
        "line": f"L{number}",
        "order_number": "O1",
        "state": ChargeState.ORDERED,
        "department": "K01",
        "is_elective": False,
        "is_emergency": False,
        "stt": number,
        "ordered_at": NOW + timedelta(minutes=number),
        "patient_amount": Decimal("100000.00"),
        "insurer_amount": Decimal("0.00"),
        **changes,
    }
    return ChargeFacts(**fields)


def visit(*lines: ChargeFacts, available: int = 0, **changes: Any) -> VisitFacts:
    return replace(
        VisitFacts(
            visit_id=VisitId(UUID(int=1)),
            is_closed=False,
            is_emergency=False,
            is_insured=False,
            available=Dong(available),
            has_advance=available > 0,
            lines=lines,
        ),
        **changes,
    )


def decided(*visits: VisitFacts) -> OrderClearance:
    found = clear_order("O1", visits)
    assert found is not None
    return found


def reasons(found: VisitFacts) -> list[tuple[bool, str]]:
    return [(each.is_cleared, each.reason.value) for each in clear_visit(found)]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (visit(line()), (False, "not_paid")),
        (visit(line(collected=Dong(100_000))), (True, "paid")),
        (visit(line(collected=Dong(100_000), is_request_open=True)), (False, "not_paid")),
        (visit(line(patient_amount=Decimal(0))), (True, "paid")),
        (visit(line(patient_amount=None, insurer_amount=None)), (False, "not_priced")),
        (visit(line(patient_amount=None, insurer_amount=None, policy=AFTER)), (True, "pay_after")),
        (visit(line(), available=100_000), (True, "covered_by_deposit")),
        (visit(line(), available=99_999), (False, "not_paid")),
        (visit(line(policy=AFTER)), (True, "pay_after")),
        (visit(line(policy=AFTER), available=50_000), (True, "deposit_exhausted")),
        (visit(line(policy=STOPPING), available=50_000), (True, "deposit_exhausted")),
        (visit(line(policy=STOPPING, is_elective=True), available=50_000), (False, "deposit_exhausted")),
        (visit(line(policy=STOPPING, is_elective=True, is_emergency=True), available=50_000), (True, "emergency")),
        (visit(line(policy=STOPPING, is_elective=True), available=100_000), (True, "pay_after")),
        (visit(line(policy=INSURED, insurer_amount=Decimal(1))), (True, "insured_at_end")),
        (visit(line(policy=INSURED), is_insured=True), (False, "not_paid")),
        (
            visit(line(policy=INSURED, patient_amount=None, insurer_amount=None), is_insured=True),
            (True, "insured_at_end"),
        ),
        (visit(line(is_emergency=True)), (True, "emergency")),
        (visit(line(), is_emergency=True), (True, "emergency")),
        (visit(line(is_emergency=True), is_closed=True), (True, "emergency")),
        (visit(line(is_emergency=True, state=ChargeState.CANCELLED)), (False, "cancelled")),
        (visit(line(collected=Dong(100_000)), is_closed=True), (False, "visit_closed")),
    ],
)
def test_first_rule_that_applies_decides(facts: VisitFacts, expected: tuple[bool, str]) -> None:
    assert reasons(facts) == [expected]


def test_deposit_covers_the_oldest_orders_it_is_enough_for() -> None:
    dear, cheap = line(1, patient_amount=Decimal(900_000)), line(2, patient_amount=Decimal(50_000))

    assert [each for each, _ in reasons(visit(dear, cheap, available=100_000))] == [False, True]
    assert [each for each, _ in reasons(visit(line(1), line(2), available=150_000))] == [True, False]


def test_started_order_has_used_the_deposit() -> None:
    started = line(2, state=ChargeState.STARTED)

    assert reasons(visit(line(1), started, available=150_000))[0] == (False, "not_paid")
    assert reasons(visit(line(1), started, available=200_000))[0] == (True, "covered_by_deposit")


def test_money_of_a_paid_order_covers_no_other() -> None:
    assert reasons(visit(line(1), line(2, collected=Dong(100_000)), available=100_000)) == [
        (False, "not_paid"),
        (True, "paid"),
    ]


def test_money_of_a_cancelled_order_covers_another() -> None:
    cancelled = line(1, collected=Dong(100_000), state=ChargeState.CANCELLED)

    assert reasons(visit(cancelled, line(2), available=100_000))[1] == (True, "covered_by_deposit")


def test_paid_order_stays_cleared_when_its_price_rises() -> None:
    [found] = clear_visit(visit(line(patient_amount=Decimal("120000.40"), collected=Dong(100_000))))

    assert (found.is_cleared, found.reason.value, found.amount_due) == (True, "paid", 20_000)


def test_order_is_cleared_when_all_lines_are_that_are_not_cancelled() -> None:
    paid, cancelled = line(1, collected=Dong(100_000)), line(2, state=ChargeState.CANCELLED)

    assert (decided(visit(paid, cancelled)).is_cleared, decided(visit(paid, cancelled)).reason) == (True, "paid")
    assert (decided(visit(paid, line(3))).is_cleared, decided(visit(paid, line(3))).reason) == (False, "not_paid")
    assert (decided(visit(cancelled)).is_cleared, decided(visit(cancelled)).reason) == (False, "cancelled")


def test_lines_of_other_orders_count_for_the_deposit_and_are_not_listed() -> None:
    found = decided(visit(line(1, is_of_order=False), line(2), available=150_000))

    assert [each.line for each in found.lines] == ["L2"]
    assert not found.is_cleared


def test_open_visit_is_preferred_to_a_closed_one_with_the_same_number() -> None:
    old, new = visit(line(), is_closed=True), visit(line(policy=AFTER), visit_id=VisitId(UUID(int=2)))

    assert decided(old, new).is_cleared
    assert decided(old).reason == "visit_closed"
    assert clear_order("O1", []) is None
