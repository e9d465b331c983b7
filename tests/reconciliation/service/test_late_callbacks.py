"""A provider that reports a payment after its statement line was booked: held until a person decides, never lost."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.core.ids import PaymentId
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.intent import IntentState
from billing.payments.domain.refund import RefundWay
from billing.payments.service.apply_notices import apply_deliveries
from billing.reconciliation.domain.exception_case import ActionNotPossible, DecisionAction
from billing.reconciliation.domain.exception_reasons import REASONS
from providers.contract import Verdict
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, StartedIntent, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ExceptionDesk, open_exception_desk
from tests.visit_accounts.refunds import DESTINATION


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _booked_from_its_line(own: MatchingFlow, amount: int = OWED) -> StartedIntent:
    """The provider was silent: the line under the code was booked and matched."""
    started = await own.flow.start_intent()
    await own.statement(own.line(amount, f"{started.code} VIEN PHI", "FT-BANK"))
    assert (await own.match()).booked == 1
    return started


async def _deliver(own: MatchingFlow, started: StartedIntent, name: str = "T1", **changes: object) -> Verdict:
    [answer] = await own.flow.deliver(own.flow.notice(name, f"{started.code} VIEN PHI", **changes))  # type: ignore[arg-type]
    return answer.verdict


async def _reasons(own: MatchingFlow) -> list[str]:
    rows = await own.fetch("SELECT reason FROM exception_case WHERE state = 'open' ORDER BY reason")
    return [row["reason"] for row in rows]


async def _held(desk: ExceptionDesk) -> tuple[UUID, PaymentId]:
    return await desk.exception_of(ExceptionReason.PROBABLE_DUPLICATE)


@pytest.mark.parametrize("changes", [{}, {"bank_reference": ""}, {"amount": OWED + 1_000}, {"amount": OWED - 1_000}])
async def test_late_callback_with_another_reference_or_amount_is_held(
    own: MatchingFlow, desk: ExceptionDesk, changes: dict[str, object]
) -> None:
    started = await _booked_from_its_line(own)
    if "bank_reference" in changes:
        changes = {**changes, "movement_keys": frozenset({"transaction:T1"})}

    first = await _deliver(own, started, **changes)
    again = await _deliver(own, started, **changes)

    assert (first, again) == (Verdict.ACCEPTED, Verdict.DUPLICATE)
    assert await _reasons(own) == ["probable_duplicate"]
    assert REASONS[ExceptionReason.PROBABLE_DUPLICATE].action is DecisionAction.DECLARE_DUPLICATE
    assert await own.balances("patient_credit", "unallocated") == [0, -int(str(changes.get("amount", OWED)))]
    assert (await own.flow.read(started.intent_id)).state is IntentState.SUCCEEDED
    await assert_books_are_right(own.flow.context.database)


async def test_held_callback_is_declared_the_same_money(own: MatchingFlow, desk: ExceptionDesk) -> None:
    started = await _booked_from_its_line(own)
    await _deliver(own, started)
    exception_id, _ = await _held(desk)

    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)
    await own.match()

    assert await own.balances("bank", "clearing", "unallocated", "patient_credit") == [OWED, 0, 0, 0]
    assert await _reasons(own) == []
    assert await _deliver(own, started) is Verdict.DUPLICATE
    await assert_books_are_right(own.flow.context.database)


async def test_held_callback_is_released_as_a_second_transfer_and_refunded(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    started = await _booked_from_its_line(own)
    await _deliver(own, started)
    exception_id, payment_id = await _held(desk)
    await own.statement(own.line(OWED, "NOP LAN HAI", "FT-T1"))
    await own.match()

    with pytest.raises(ActionNotPossible, match="the bank shows this payment"):
        await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)
    await desk.decide(exception_id, DecisionAction.RELEASE_HOLD)
    await desk.decide(
        exception_id, DecisionAction.REFUND, version=2, way=RefundWay.MANUAL_TRANSFER, destination=DESTINATION
    )

    assert await own.balances("bank", "clearing", "unallocated", "refund_in_transit") == [2 * OWED, 0, 0, -OWED]
    [row] = await own.fetch("SELECT refund_reserved FROM payment_position WHERE payment_id = $1", payment_id)
    assert row["refund_reserved"] == OWED
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("case", ["other amount", "days later", "reported before"])
async def test_payment_that_the_line_does_not_state_is_no_duplicate(
    own: MatchingFlow, desk: ExceptionDesk, case: str
) -> None:
    started = await _booked_from_its_line(own)
    if case == "reported before":
        assert (
            await _deliver(
                own,
                started,
                "T1",
                bank_reference="FT-BANK",
                movement_keys=frozenset({"transaction:T1", "bank:FT-BANK"}),
            )
            is Verdict.DUPLICATE
        )
    changes: dict[str, object] = {
        "other amount": {"amount": OWED // 2},
        "days later": {"occurred_at": own.flow.context.clock() + timedelta(days=3)},
        "reported before": {},
    }[case]

    await _deliver(own, started, "T2", **changes)

    assert await _reasons(own) == ["already_paid"]
    assert await own.fetch("SELECT payment_id FROM payment_hold") == []


async def test_part_of_an_invoice_that_the_line_may_state_is_held(own: MatchingFlow, desk: ExceptionDesk) -> None:
    """The invoice still owes as much: a plain booking would have paid it twice from one transfer."""
    half = OWED // 2
    started = await _booked_from_its_line(own, half)

    await _deliver(own, started, amount=half)

    assert "probable_duplicate" in await _reasons(own)
    [invoice] = await own.fetch("SELECT owed FROM invoice")
    assert invoice["owed"] == OWED - half
    await assert_books_are_right(own.flow.context.database)


async def test_callback_that_comes_while_its_line_is_booked_is_the_only_payment(
    own: MatchingFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has read that nothing waits under the code, and the callback commits before the line is booked."""
    started = await own.flow.start_intent()
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-BANK"))
    delivered: list[Verdict] = []

    async def deliver_first(*arguments: Any) -> Any:
        if not delivered:
            delivered.append(await _deliver(own, started))
        return await apply_deliveries(*arguments)

    monkeypatch.setattr("billing.reconciliation.service.bank_notices.apply_deliveries", deliver_first)

    run = await own.match()

    assert (delivered, run.booked) == ([Verdict.ACCEPTED], 0)
    assert len(await own.fetch("SELECT id FROM payment")) == 1
    assert await own.balances("patient_credit", "unallocated") == [0, 0]
    await assert_books_are_right(own.flow.context.database)
