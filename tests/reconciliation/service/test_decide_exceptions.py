"""Decisions on exceptions: money gets a target, a decision its reason; both are reverted while the day is open."""

from datetime import timedelta

import pytest

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded
from billing.core.errors import InvalidValue, NotFound
from billing.core.money import Dong
from billing.db.database import Database
from billing.payments.domain.exception import ExceptionFilter, ExceptionReason, ExceptionState
from billing.payments.domain.refund import BankDestination, PaymentHeld, RefundWay
from billing.reconciliation.domain.exception_case import (
    ActionNotPossible,
    DecisionAction,
    DecisionFinal,
    ExceptionChanged,
    NothingToRevert,
    PaymentDiffers,
)
from billing.reconciliation.domain.exception_reasons import REASONS
from billing.reconciliation.service.exceptions import assign_exceptions, comment_exception, list_exceptions
from billing.visit_accounts.service.refund_sources import NewRefund
from billing.visit_accounts.service.refunds import cancel_refund, request_refund
from tests.builders import DemoHospital
from tests.clock import StandingClock
from tests.closing import close_books
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right, open_flow
from tests.reconciliation.service.exceptions_desk import (
    ORGANIZATION,
    UNKNOWN_PAID,
    ExceptionDesk,
    add_second_channel,
    open_exception_desk,
)
from tests.visit_accounts.accounts import open_visit


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _invoice(desk: ExceptionDesk, ma_lk: str = "LK0001") -> dict[str, object]:
    """An issued invoice that owes 136 000 đồng, as the target of an assignment."""
    started = await desk.flow.start_intent(ma_lk)
    [row] = await desk.rows("SELECT visit_id FROM invoice WHERE id = $1", started.invoice_id)
    return {"visit_id": row["visit_id"], "invoice_id": started.invoice_id}


def test_every_reason_has_a_sentence_and_one_action() -> None:
    assert REASONS.keys() == set(ExceptionReason)


async def test_money_without_code_is_assigned_and_its_exception_closed(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    target = await _invoice(desk)

    await desk.assign(exception_id, **target)

    assert await desk.position(payment_id) == {"on_invoices": OWED, "credit": UNKNOWN_PAID - OWED}
    found = await desk.find(exception_id)
    assert (found.exception.state, found.exception.version) == (ExceptionState.CLOSED, 2)
    [decision] = found.decisions
    assert (decision.action, decision.reason, decision.person) == ("assign", "đã đối chiếu", "Vũ Thị Đối")
    assert [entry.amount for entry in decision.entries] == [OWED, UNKNOWN_PAID - OWED]
    [invoice] = await desk.rows("SELECT owed FROM invoice")
    assert invoice["owed"] == 0
    await assert_books_are_right(desk.flow.context.database)


async def test_reverted_assignment_leaves_money_and_invoice_as_before(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    await desk.assign(exception_id, **await _invoice(desk))

    await desk.revert(exception_id, version=2, actor=desk.second)

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    [invoice] = await desk.rows("SELECT owed FROM invoice")
    assert invoice["owed"] == OWED
    found = await desk.find(exception_id)
    assert (found.exception.state, found.exception.version) == (ExceptionState.OPEN, 3)
    assert found.decisions[0].reverted_by_id == found.decisions[1].id
    with pytest.raises(NothingToRevert):
        await desk.revert(exception_id, version=3)
    await desk.assign(exception_id, version=3, **await _invoice(desk, "LK0002"))
    await assert_books_are_right(desk.flow.context.database)


async def test_money_is_assigned_to_a_deposit_and_its_request(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    visit = await open_visit(desk.flow.context, "LK0009")
    request_id = await visit.request(UNKNOWN_PAID)

    await desk.assign(exception_id, visit_id=visit.visit_id, deposit_request_id=request_id)

    assert await desk.position(payment_id) == {"on_deposits": UNKNOWN_PAID}
    assert (await visit.request_as_stored(request_id)).state == "paid"
    await desk.revert(exception_id, version=2)
    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    assert ((await visit.deposit()).held, (await visit.request_as_stored(request_id)).received) == (0, 0)
    await assert_books_are_right(desk.flow.context.database)


@pytest.mark.parametrize(
    "fields", [{"amount": UNKNOWN_PAID - 1}, {"transaction": "T2"}, {"bank_reference": ""}], ids=str
)
async def test_other_amount_or_bank_reference_assigns_nothing(desk: ExceptionDesk, fields: dict[str, object]) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    target = await _invoice(desk)

    with pytest.raises(PaymentDiffers):
        await desk.assign(exception_id, **target, **fields)  # type: ignore[arg-type]

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    assert (await desk.find(exception_id)).exception.version == 1


async def test_second_person_learns_who_decided_and_when(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()
    target = await _invoice(desk)
    await desk.assign(exception_id, **target)

    with pytest.raises(ExceptionChanged, match=r"closed at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by Vũ Thị Đối") as late:
        await desk.assign(exception_id, actor=desk.second, **target)

    assert late.value.version == 2
    with pytest.raises(ExceptionChanged):
        await desk.assign(exception_id, version=2, actor=desk.second, **target)


async def test_program_without_person_decides_nothing(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()

    with pytest.raises(PersonNeeded):
        await desk.decide(exception_id, DecisionAction.NO_ACTION, actor=Actor.system())
    with pytest.raises(NotFound):
        await desk.decide(desk.flow.context.ids.new(), DecisionAction.NO_ACTION)
    with pytest.raises(InvalidValue):
        await desk.decide(exception_id, DecisionAction.CAUSE_GONE)


async def test_assignment_is_final_once_its_money_has_moved(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    visit = await open_visit(desk.flow.context, "LK0009")
    await desk.assign(exception_id, visit_id=visit.visit_id)
    new = NewRefund(amount=Dong(50_000), way=RefundWay.CASH, reason="hoàn ứng", visit_id=visit.visit_id)
    await request_refund(desk.flow.context, ORGANIZATION, new, actor=desk.first)

    with pytest.raises(DecisionFinal):
        await desk.revert(exception_id, version=2)

    assert await desk.position(payment_id) == {"on_deposits": UNKNOWN_PAID - 50_000, "refund_reserved": 50_000}
    await assert_books_are_right(desk.flow.context.database)


async def test_decision_of_a_closed_day_is_final(
    hospital: DemoHospital, app_database: Database, database: DatabaseAddress
) -> None:
    clock = StandingClock()
    desk = await open_exception_desk(await open_flow(app_database, hospital, clock=clock), database)
    exception_id, _ = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.NO_ACTION)
    [decision] = (await desk.find(exception_id)).decisions
    clock.forward(timedelta(days=1))
    await close_books(desk.flow.context, ORGANIZATION, decision.accounting_date, actor=Actor.system())

    with pytest.raises(DecisionFinal, match=str(decision.accounting_date)):
        await desk.revert(exception_id, version=2)

    assert (await desk.find(exception_id)).exception.state is ExceptionState.CLOSED


async def test_no_action_needs_a_reason_and_is_reverted(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    with pytest.raises(InvalidValue):
        await desk.decide(exception_id, DecisionAction.NO_ACTION, reason=" x ")

    await desk.decide(exception_id, DecisionAction.NO_ACTION)
    await desk.revert(exception_id, version=2)

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN


async def test_refund_of_unknown_money_closes_and_opens_again_once_cancelled(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()
    with pytest.raises(InvalidValue):
        await desk.decide(exception_id, DecisionAction.REFUND)
    account = BankDestination(bank_bin="970436", account_number="0123456789", holder="NGUYEN VAN A")
    await desk.decide(exception_id, DecisionAction.REFUND, way=RefundWay.MANUAL_TRANSFER, destination=account)
    assert await desk.position(payment_id) == {"refund_reserved": UNKNOWN_PAID}
    [decision] = (await desk.find(exception_id)).decisions
    assert decision.refund_id is not None
    with pytest.raises(DecisionFinal):
        await desk.revert(exception_id, version=2)

    await cancel_refund(desk.flow.context, ORGANIZATION, decision.refund_id, actor=desk.first)
    await desk.revert(exception_id, version=2)

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    await assert_books_are_right(desk.flow.context.database)


async def test_refund_of_a_part_leaves_the_exception_open_for_the_rest(desk: ExceptionDesk) -> None:
    exception_id, payment_id = await desk.receive_without_code()

    await desk.decide(exception_id, DecisionAction.REFUND, way=RefundWay.CASH, amount=Dong(50_000))

    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID - 50_000, "refund_reserved": 50_000}
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN
    await desk.decide(exception_id, DecisionAction.REFUND, way=RefundWay.CASH, version=2)
    assert await desk.position(payment_id) == {"refund_reserved": UNKNOWN_PAID}
    assert (await desk.find(exception_id)).exception.state is ExceptionState.CLOSED
    await assert_books_are_right(desk.flow.context.database)


async def test_over_paid_money_is_refunded_from_its_credit(desk: ExceptionDesk) -> None:
    started = await desk.flow.start_intent()
    await desk.flow.deliver(desk.flow.notice("T1", f"CT {started.code}", amount=OWED + 50_000))
    exception_id, payment_id = await desk.exception_of(ExceptionReason.OVER_PAID)

    await desk.decide(exception_id, DecisionAction.REFUND, way=RefundWay.CASH)

    assert await desk.position(payment_id) == {"on_invoices": OWED, "refund_reserved": 50_000}
    await assert_books_are_right(desk.flow.context.database)


async def test_declared_duplicate_leaves_clearing_and_is_reverted(
    desk: ExceptionDesk, database: DatabaseAddress
) -> None:
    await add_second_channel(desk.flow, database)
    exception_id, payment_id = await desk.receive_twice()
    with pytest.raises(PaymentHeld):
        await desk.decide(exception_id, DecisionAction.REFUND, way=RefundWay.CASH)

    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE)

    assert await desk.position(payment_id) == {"refunded": UNKNOWN_PAID}
    await assert_books_are_right(desk.flow.context.database)
    await desk.revert(exception_id, version=2)
    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    await assert_books_are_right(desk.flow.context.database)
    await desk.decide(exception_id, DecisionAction.DECLARE_DUPLICATE, version=3)
    await assert_books_are_right(desk.flow.context.database)


async def test_held_money_is_released_or_assigned_by_its_own_exception_alone(
    desk: ExceptionDesk, database: DatabaseAddress
) -> None:
    await add_second_channel(desk.flow, database)
    exception_id, payment_id = await desk.receive_twice()
    [held] = await desk.rows(
        "SELECT id FROM exception_case WHERE payment_id = $1 AND id <> $2", payment_id, exception_id
    )
    target = await _invoice(desk)
    with pytest.raises(PaymentHeld):
        await desk.assign(held["id"], bank_reference="", **target)

    await desk.assign(exception_id, bank_reference="", **target)

    assert (await desk.find(held["id"])).exception.state is ExceptionState.CLOSED, "its money has a place"
    assert await desk.rows("SELECT FROM payment_hold WHERE released_at IS NULL") == []
    await desk.revert(exception_id, version=2)
    assert len(await desk.rows("SELECT FROM payment_hold WHERE released_at IS NULL")) == 1
    await desk.decide(exception_id, DecisionAction.RELEASE_HOLD, version=3)
    assert await desk.position(payment_id) == {"unallocated": UNKNOWN_PAID}
    assert (await desk.find(exception_id)).exception.state is ExceptionState.OPEN, "no other exception has the money"
    with pytest.raises(ActionNotPossible):
        await desk.decide(exception_id, DecisionAction.RELEASE_HOLD, version=4)
    await assert_books_are_right(desk.flow.context.database)


async def test_comments_and_assignment_are_recorded(desk: ExceptionDesk) -> None:
    one, _ = await desk.receive_without_code("T1")
    two, _ = await desk.receive_without_code("T2", 70_000)
    context = desk.flow.context
    due_at = context.clock() + timedelta(hours=1)
    assert desk.second.person is not None
    await comment_exception(context, ORGANIZATION, one, text="đã gọi người nộp", actor=desk.first)

    await assign_exceptions(
        context, ORGANIZATION, [one, two], owner_id=desk.second.person, due_at=due_at, actor=desk.first
    )

    found = await desk.find(one)
    assert [(each.text, each.person) for each in found.comments] == [("đã gọi người nộp", "Vũ Thị Đối")]
    assert [(each.owner, each.due_at, each.person) for each in found.assignments] == [
        ("Đỗ Văn Soát", due_at, "Vũ Thị Đối")
    ]
    assert (found.exception.owner, found.exception.version) == ("Đỗ Văn Soát", 2)
    of_second = ExceptionFilter(owner_id=desk.second.person)
    owned = await list_exceptions(context, ORGANIZATION, of_second, after=None, limit=9)
    assert {each.id for each in owned} == {one, two}
    with pytest.raises(ExceptionChanged, match="changed"):
        await desk.decide(one, DecisionAction.NO_ACTION)
    await desk.decide(one, DecisionAction.NO_ACTION, version=2)
    with pytest.raises(ExceptionChanged, match="closed"):
        await assign_exceptions(context, ORGANIZATION, [one, two], owner_id=desk.second.person, actor=desk.first)
    with pytest.raises(NotFound):
        await assign_exceptions(
            context, ORGANIZATION, [two, context.ids.new()], owner_id=desk.second.person, actor=desk.first
        )
    assert (await desk.find(two)).exception.version == 2
