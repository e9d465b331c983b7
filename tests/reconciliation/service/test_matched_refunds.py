"""A transfer of a refund whose line of the bank is matched has left: each way of matching completes it."""

from datetime import timedelta

import pytest

from billing.core.ids import RefundId
from billing.payments.domain.refund import RefundState, RefundWay
from billing.payments.service.provider_refunds import run_due_refunds
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service.decide_matches import match_by_hand
from billing.reconciliation.service.matching_by_hand import ManualMatch
from billing.visit_accounts.service.refunds import send_refund
from providers.contract import Outcome
from tests.flow import PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.visit_accounts.cashiers import ORGANIZATION, CashDesk
from tests.visit_accounts.refund_desk import BANK, Clock, approve, clock, desk, flow, log, position
from tests.visit_accounts.refunds import DESTINATION, RefundLog, answered, over_pay, refund_of, request_of

__all__ = ["clock", "desk", "flow", "log"]

_AMOUNT = 20_000


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow, balance=1_000_000)


async def _sent(desk: CashDesk, flow: PaymentFlow, name: str = "T1") -> tuple[RefundId, str]:
    """A transfer by hand that was recorded as sent, and its reference."""
    payment_id = await over_pay(flow, name=name)
    refund_id = await request_of(
        desk.context, payment_id, _AMOUNT, RefundWay.MANUAL_TRANSFER, actor=desk.cashier, destination=DESTINATION
    )
    await approve(desk, refund_id)
    async with desk.context.database.transaction(ORGANIZATION) as tx:
        bank = await tx.fetchval(BANK)
    await send_refund(desk.context, ORGANIZATION, refund_id, bank_account_id=bank, actor=desk.treasurer)
    return refund_id, (await refund_of(desk.context, refund_id)).reference


async def _assert_left(own: MatchingFlow, desk: CashDesk, refund_id: RefundId) -> None:
    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE
    assert await own.balances("bank", "refund_in_transit") == [-_AMOUNT, 0]
    await assert_books_are_right(desk.context.database)


async def test_transfer_that_is_matched_by_hand_is_done(own: MatchingFlow, desk: CashDesk) -> None:
    refund_id, _ = await _sent(desk, own.flow)
    await own.statement(own.line(-_AMOUNT, "CHUYEN TIEN", "FT-OUT"))
    [line] = await own.fetch("SELECT id FROM statement_line")
    new = ManualMatch(line_id=line["id"], items=[(ItemKind.REFUND, refund_id)], reason="sao kê giấy")

    await match_by_hand(desk.context, ORGANIZATION, new, actor=desk.head)

    await _assert_left(own, desk, refund_id)


@pytest.mark.parametrize(("first", "second"), [("FT-OUT", "ft - out"), ("-", "-")])
async def test_two_transfers_whose_lines_have_one_reference_are_done(
    own: MatchingFlow, desk: CashDesk, first: str, second: str
) -> None:
    """Banks repeat references, and state none: the line of each transfer names it by our code."""
    refunds = [await _sent(desk, own.flow, name) for name in ("T1", "T2")]
    lines = [
        own.line(-_AMOUNT, f"{reference} HOAN TIEN", written)
        for (_, reference), written in zip(refunds, (first, second), strict=True)
    ]
    await own.match(await own.statement(*lines))

    states = [(await refund_of(desk.context, refund_id)).state for refund_id, _ in refunds]
    assert states == [RefundState.DONE, RefundState.DONE]
    assert await own.balances("bank", "refund_in_transit") == [-2 * _AMOUNT, 0]
    await assert_books_are_right(desk.context.database)


async def test_transfer_on_a_tentative_line_is_done_once_the_line_is_confirmed(
    own: MatchingFlow, desk: CashDesk
) -> None:
    refund_id, reference = await _sent(desk, own.flow)
    line = own.line(-_AMOUNT, f"{reference} HOAN TIEN", "FT-OUT")
    await own.match(await own.statement(line, is_intraday=True))
    assert (await refund_of(desk.context, refund_id)).state is RefundState.SENT

    await own.match(await own.statement(line))

    await _assert_left(own, desk, refund_id)


async def test_refund_that_the_bank_shows_is_done_whatever_its_provider_answers_later(
    own: MatchingFlow, desk: CashDesk, log: RefundLog, clock: Clock
) -> None:
    """The call timed out; the bank shows the money out; the provider then denies it. It is not given back twice."""
    payment_id = await over_pay(own.flow)
    log.answers = [TimeoutError(), answered(Outcome.FAILED)]
    refund_id = await request_of(desk.context, payment_id, _AMOUNT, RefundWay.PROVIDER, actor=desk.cashier)
    await run_due_refunds(desk.context, ORGANIZATION)
    unknown = await refund_of(desk.context, refund_id)
    assert unknown.state is RefundState.UNKNOWN
    await own.statement(own.line(-_AMOUNT, f"{unknown.reference} HOAN TIEN", "FT-OUT"))

    await own.match()
    clock.now += timedelta(days=1)
    await run_due_refunds(desk.context, ORGANIZATION)

    assert (await refund_of(desk.context, refund_id)).state is RefundState.DONE
    assert await own.balances("bank", "refund_in_transit") == [-_AMOUNT, 0]
    assert await position(desk, payment_id) == (30_000, 0, _AMOUNT)
    await assert_books_are_right(desk.context.database)
