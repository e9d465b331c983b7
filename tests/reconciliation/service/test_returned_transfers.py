"""Money that left and came back, and money received that the bank took back: what it was for is owed again."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from billing.core.errors import BillingError
from billing.core.ids import RefundId
from billing.payments.domain.refund import RefundState, RefundWay
from billing.reconciliation.domain.exception_case import ActionNotPossible, DecisionAction, DecisionFinal
from billing.reconciliation.domain.match_rules import ItemKind, MatchOfDecision
from billing.reconciliation.service.decide_exceptions import decide_exception, revert_decision
from billing.reconciliation.service.decide_matches import revert_match
from billing.reconciliation.service.deciding import NewDecision
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.match_lines import run_matching
from billing.visit_accounts.service.refunds import send_refund
from providers.contract import Movement
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import SYSTEM, MatchingFlow
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.refund_desk import BANK, approve, clock, desk, position
from tests.visit_accounts.refunds import DESTINATION, over_pay, refund_of, request_of

__all__ = ["clock", "desk"]

_AMOUNT = 20_000


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow, balance=1_000_000)


async def _send(desk: CashDesk, payment_id: Any) -> tuple[RefundId, str]:
    """A transfer by hand of the credit of a payment, recorded as sent; its id and its code."""
    refund_id = await request_of(
        desk.context, payment_id, _AMOUNT, RefundWay.MANUAL_TRANSFER, actor=desk.cashier, destination=DESTINATION
    )
    await approve(desk, refund_id)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        bank = await tx.fetchval(BANK)
    await send_refund(desk.context, ORGANIZATION, refund_id, bank_account_id=bank, actor=desk.treasurer)
    return refund_id, (await refund_of(desk.context, refund_id)).reference


async def _detect(own: MatchingFlow, amount: int) -> tuple[UUID, str]:
    """Match and detect; the open exception of the line of an amount, and its reason."""
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    [row] = await own.fetch(
        "SELECT one.id, one.reason FROM exception_case AS one JOIN statement_line AS line ON line.id = one.item_id "
        "WHERE line.amount = $1 AND one.state = 'open'",
        amount,
    )
    return row["id"], row["reason"]


async def _decide(desk: CashDesk, exception_id: UUID, *items: tuple[ItemKind, UUID], version: int = 1) -> None:
    new = NewDecision(
        action=DecisionAction.BOOK_RETURN, reason="ngân hàng báo sai tài khoản", version=version, items=items
    )
    await decide_exception(desk.context, ORGANIZATION, exception_id, new, actor=desk.head)


async def _outcome(deciding: Awaitable[None]) -> str:
    try:
        await deciding
    except BillingError as refusal:
        return refusal.code
    return "decided"


async def test_refund_that_the_bank_sends_back_is_owed_again(own: MatchingFlow, desk: CashDesk) -> None:
    payment_id = await over_pay(own.flow)
    credit, _, _ = await position(desk, payment_id)
    refund_id, code = await _send(desk, payment_id)
    await own.statement(own.line(-_AMOUNT, f"{code} HOAN TIEN", "FT-OUT-01"))
    await own.match()
    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE
    assert await position(desk, payment_id) == (credit - _AMOUNT, 0, _AMOUNT)
    await own.statement(own.line(_AMOUNT, f"TRA LAI LENH {code} SAI TAI KHOAN", "FT-BACK-01"))
    exception_id, reason = await _detect(own, _AMOUNT)

    await _decide(desk, exception_id)

    assert reason == "returned_transfer"
    returned = await refund_of(desk.context, refund_id)
    assert (returned.state, returned.returned_at is not None) == (RefundState.RETURNED, True)
    assert await position(desk, payment_id) == (credit, 0, 0)
    assert await own.balances("bank", "refund_in_transit") == [0, 0]
    assert ("returned", "live", (f"statement_line {_AMOUNT}",)) in await own.matches()
    await assert_books_are_right(desk.context.database)

    again, _ = await _send(desk, payment_id)
    assert (await refund_of(desk.context, again)).state is RefundState.SENT
    await assert_books_are_right(desk.context.database)


async def test_return_is_booked_once_and_stays(own: MatchingFlow, desk: CashDesk) -> None:
    payment_id = await over_pay(own.flow)
    refund_id, code = await _send(desk, payment_id)
    await own.statement(own.line(-_AMOUNT, f"{code} HOAN TIEN", "FT-OUT-01"))
    await own.match()
    await own.statement(own.line(_AMOUNT, f"TRA LAI {code}", "FT-BACK-01"))
    exception_id, _ = await _detect(own, _AMOUNT)
    await _decide(desk, exception_id)
    await own.statement(own.line(_AMOUNT, f"TRA LAI {code}", "FT-BACK-02"))
    second, reason = await _detect(own, _AMOUNT)

    with pytest.raises(ActionNotPossible, match="returns no item"):
        await _decide(desk, second, (ItemKind.REFUND, refund_id))
    with pytest.raises(DecisionFinal):
        await revert_decision(desk.context, ORGANIZATION, exception_id, version=2, reason="nhầm dòng", actor=desk.head)
    [match] = await own.fetch("SELECT id FROM match WHERE rule = 'returned'")
    with pytest.raises(MatchOfDecision):
        await revert_match(desk.context, ORGANIZATION, match["id"], reason="nhầm dòng", actor=desk.head)

    assert reason == "callback_missing", "money under a code of ours"
    await assert_books_are_right(desk.context.database)


async def test_line_that_names_no_item_returns_the_item_that_a_person_names(own: MatchingFlow, desk: CashDesk) -> None:
    first = await over_pay(own.flow)
    refund_id, code = await _send(desk, first)
    await own.statement(own.line(-_AMOUNT, f"{code} HOAN TIEN", "FT-OUT-01"))
    await own.match()
    await own.statement(own.line(_AMOUNT, "CHUYEN TRA", "FT-BACK-01"))
    exception_id, reason = await _detect(own, _AMOUNT)

    with pytest.raises(BillingError, match="name the item"):
        await _decide(desk, exception_id)
    with pytest.raises(ActionNotPossible):
        await _decide(desk, exception_id, (ItemKind.REFUND, UUID(int=7)))
    await _decide(desk, exception_id, (ItemKind.REFUND, refund_id))

    assert reason == "bank_only"
    assert (await refund_of(desk.context, refund_id)).state is RefundState.RETURNED
    await assert_books_are_right(desk.context.database)


async def test_transfer_that_did_not_leave_does_not_come_back(own: MatchingFlow, desk: CashDesk) -> None:
    refund_id, code = await _send(desk, await over_pay(own.flow))
    await own.statement(own.line(_AMOUNT, f"TRA LAI {code}", "FT-BACK-01"))
    exception_id, _ = await _detect(own, _AMOUNT)

    with pytest.raises(ActionNotPossible):
        await _decide(desk, exception_id, (ItemKind.REFUND, refund_id))

    assert (await refund_of(desk.context, refund_id)).state is RefundState.SENT
    await assert_books_are_right(desk.context.database)


async def test_outflow_without_a_payment_that_comes_back_is_explained(own: MatchingFlow, desk: CashDesk) -> None:
    out = own.flow.notice(
        "R9", "", amount=_AMOUNT, movement=Movement.REVERSED, reverses=frozenset({"transaction:GONE99"})
    )
    await own.flow.deliver(out)
    assert await own.balances("unexplained_outflow") == [_AMOUNT]
    await own.statement(own.line(_AMOUNT, "TRA LAI GD GONE99", "FT-BACK-01"))
    exception_id, reason = await _detect(own, _AMOUNT)

    await _decide(desk, exception_id)
    await own.flow.deliver(own.flow.notice("GONE99", "LATE", amount=_AMOUNT))

    assert reason == "returned_transfer"
    assert await own.balances("unexplained_outflow", "unallocated") == [0, -_AMOUNT]
    await assert_books_are_right(desk.context.database)


async def test_charge_that_the_bank_gives_back_is_no_cost(own: MatchingFlow, desk: CashDesk) -> None:
    await own.statement(own.line(-11_000, "PHI DICH VU", "FEE-000001"))
    charged, _ = await _detect(own, -11_000)
    new = NewDecision(action=DecisionAction.BOOK_CHARGE, reason="phí tháng", version=1)
    await decide_exception(desk.context, ORGANIZATION, charged, new, actor=desk.head)
    await own.statement(own.line(11_000, "HOAN PHI FEE-000001", "FEE-000002"))
    exception_id, reason = await _detect(own, 11_000)

    await _decide(desk, exception_id)

    assert reason == "returned_transfer"
    assert await own.balances("payment_fees", "bank") == [0, 0]
    await run_matching(desk.context, ORGANIZATION, actor=SYSTEM, rematched=(own.today, own.today))
    assert [(rule, state) for rule, state, _ in await own.matches()] == [("bank_charge", "live"), ("returned", "live")]
    assert await own.balances("payment_fees", "bank") == [0, 0]
    await assert_books_are_right(desk.context.database)


async def test_charge_is_given_back_once_and_stays_booked(own: MatchingFlow, desk: CashDesk) -> None:
    await own.statement(own.line(-11_000, "PHI DICH VU", "FEE-000001"))
    charged, _ = await _detect(own, -11_000)
    new = NewDecision(action=DecisionAction.BOOK_CHARGE, reason="phí tháng", version=1)
    await decide_exception(desk.context, ORGANIZATION, charged, new, actor=desk.head)
    [line] = await own.fetch("SELECT id FROM statement_line")
    charge = (ItemKind.STATEMENT_LINE, line["id"])
    returns = [own.line(11_000, f"HOAN PHI FEE-000001 LAN {number}", f"FEE-BACK-{number}") for number in (1, 2)]
    await own.statement(*returns)
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    found = await own.fetch("SELECT id FROM exception_case WHERE amount = 11000 AND state = 'open' ORDER BY id")

    outcomes = await asyncio.gather(*(_outcome(_decide(desk, row["id"], charge)) for row in found))

    assert sorted(outcomes) == ["action_not_possible", "decided"]
    assert await own.balances("payment_fees") == [0]
    with pytest.raises(DecisionFinal, match="returned this charge"):
        await revert_decision(desk.context, ORGANIZATION, charged, version=2, reason="nhầm dòng", actor=desk.head)
    await assert_books_are_right(desk.context.database)


async def test_two_lines_return_one_refund_once(own: MatchingFlow, desk: CashDesk) -> None:
    refund_id, code = await _send(desk, await over_pay(own.flow))
    await own.statement(own.line(-_AMOUNT, f"{code} HOAN TIEN", "FT-OUT-01"))
    await own.match()
    await own.statement(*(own.line(_AMOUNT, f"TRA LAI {code}", f"FT-BACK-0{number}") for number in (1, 2)))
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    found = await own.fetch("SELECT id FROM exception_case WHERE amount = $1 AND reason = 'returned_transfer'", _AMOUNT)

    outcomes = await asyncio.gather(*(_outcome(_decide(desk, row["id"])) for row in found))

    assert sorted(outcomes) == ["action_not_possible", "decided"]
    assert (await refund_of(desk.context, refund_id)).state is RefundState.RETURNED
    await assert_books_are_right(desk.context.database)


async def test_payment_that_the_bank_takes_back_is_owed_again_by_its_invoice(own: MatchingFlow, desk: CashDesk) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T000001", f"{started.code} VIEN PHI"))
    await own.statement(
        own.line(OWED, reference="FT-T000001"), own.line(-OWED, "HOAN TRA GD FT-T000001", reference="FT-BACK-01")
    )
    exception_id, reason = await _detect(own, -OWED)

    await _decide(desk, exception_id)
    late = own.flow.notice(
        "R1",
        "",
        movement=Movement.REVERSED,
        reverses=frozenset({"transaction:T000001"}),
        movement_keys=frozenset({"bank:FT-BACK-01"}),
        bank_reference="FT-BACK-01",
    )
    await own.flow.deliver(late)

    assert reason == "returned_transfer"
    [invoice] = await own.fetch("SELECT owed FROM invoice")
    assert invoice["owed"] == OWED
    assert await own.balances("bank", "clearing", "receivable_patient", "unexplained_outflow") == [0, 0, OWED, 0]
    states = await own.fetch("SELECT state FROM exception_case WHERE reason = 'unexpected_reversal'")
    assert [row["state"] for row in states] == ["closed"]
    await assert_books_are_right(desk.context.database)
