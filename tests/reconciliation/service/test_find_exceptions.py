"""Exceptions of reconciliation: opened for what matching leaves, closed where the cause is gone, never twice."""

import asyncio
from datetime import timedelta

import pytest

from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.find_exceptions import FoundExceptions, find_exceptions_once
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, ExceptionDesk, open_exception_desk

A_MINUTE = timedelta(minutes=1)
NOTHING_CHANGED = FoundExceptions(0, 0)


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def _paid(own: MatchingFlow, transaction: str, ma_lk: str = "LK0001", **changes: object) -> str:
    started = await own.flow.start_intent(ma_lk)
    await own.flow.deliver(own.flow.notice(transaction, f"{started.code} VIEN PHI", **changes))
    return started.code


async def _find(own: MatchingFlow) -> FoundExceptions:
    """A round over what has changed, which a complete round confirms."""
    await own.match()
    found = await find_exceptions_once(own.flow.context, ORGANIZATION, since=own.flow.context.clock() - A_MINUTE)
    assert await find_exceptions_once(own.flow.context, ORGANIZATION) == NOTHING_CHANGED, "a round is repeated"
    return found


async def _open(own: MatchingFlow) -> list[tuple[str, str, int]]:
    """Reason, kind of item and amount of every open exception of reconciliation."""
    rows = await own.fetch(
        "SELECT reason, item_kind, amount FROM exception_case WHERE state = 'open' AND item_id IS NOT NULL "
        "ORDER BY reason, amount"
    )
    return [tuple(row) for row in rows]


async def test_matched_day_has_no_exception(own: MatchingFlow) -> None:
    await _paid(own, "T1")
    await own.statement(own.line(OWED, reference="FT-T1"))

    assert await _find(own) == NOTHING_CHANGED
    assert await _open(own) == []


@pytest.mark.parametrize(
    ("amount", "text", "reference", "reason"),
    [
        (OWED - 1_000, "VIEN PHI", "FT-T1", "amount_low"),
        (OWED + 1_000, "VIEN PHI", "FT-T1", "amount_high"),
        (OWED, "#####", "", "text_unreadable"),
        (77_000, "CHUYEN TIEN", "FT-X", "bank_only"),
    ],
)
async def test_line_next_to_a_payment_has_one_reason(
    own: MatchingFlow, amount: int, text: str, reference: str, reason: str
) -> None:
    await _paid(own, "T1")
    await _paid(own, "T2", "LK0002", bank_reference="", movement_keys=frozenset({"transaction:T2"}))
    await own.statement(own.line(amount, text, reference))

    assert await _find(own) == FoundExceptions(1, 0)
    assert await _open(own) == [(reason, "statement_line", amount)]


async def test_money_taken_back_by_the_bank_is_a_returned_transfer(own: MatchingFlow) -> None:
    await _paid(own, "T1")
    await own.statement(
        own.line(OWED, reference="FT-T1"), own.line(-OWED, "HOAN TRA GD FT-T1 VIEN PHI", reference="FT-T1R")
    )

    await _find(own)

    assert await _open(own) == [("returned_transfer", "statement_line", OWED)]


async def test_line_of_a_report_without_payment_is_of_the_provider_only(own: MatchingFlow) -> None:
    await own.report(own.report_row("P1", 90_000))

    await _find(own)

    assert await _open(own) == [("provider_only", "settlement_line", 90_000)]


async def test_payment_that_the_bank_does_not_show_is_of_the_ledger_only_after_its_term(own: MatchingFlow) -> None:
    await _paid(own, "T1")
    now = own.flow.context.clock()
    await own.statement(own.line(5_000, reference="FT-X"))
    assert await _find(own) == FoundExceptions(1, 0), "only the line: the payment is not due"
    own.flow.context.clock = lambda: now + timedelta(days=5)
    await own.statement(own.line(6_000, reference="FT-Y"))

    await _find(own)

    assert ("ledger_only", "payment", OWED) in await _open(own)


async def test_exception_closes_itself_once_its_line_is_matched(own: MatchingFlow) -> None:
    await own.statement(own.line(OWED, reference="FT-T1"))
    await _find(own)
    assert await _open(own) == [("bank_only", "statement_line", OWED)]

    await _paid(own, "T1")

    assert await _find(own) == FoundExceptions(0, 1)
    [row] = await own.fetch(
        "SELECT action, acting_for, actor_kind FROM exception_decision JOIN exception_case AS one "
        "ON one.id = exception_id WHERE one.reason = 'bank_only'"
    )
    assert tuple(row) == ("cause_gone", None, "system")


async def test_decided_exception_is_not_opened_again_unless_it_is_reverted(
    own: MatchingFlow, desk: ExceptionDesk
) -> None:
    await own.statement(own.line(OWED, reference="FT-T1"))
    await _find(own)
    [row] = await own.fetch("SELECT id FROM exception_case WHERE reason = 'bank_only'")

    await desk.decide(row["id"], DecisionAction.NO_ACTION)

    assert await _find(own) == NOTHING_CHANGED
    await desk.revert(row["id"], version=2)
    assert await _find(own) == NOTHING_CHANGED
    assert (await desk.find(row["id"])).exception.state is ExceptionState.OPEN


async def test_rounds_at_once_open_one_exception(own: MatchingFlow) -> None:
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.match()

    await asyncio.gather(*(find_exceptions_once(own.flow.context, ORGANIZATION) for _ in range(3)))

    assert await _open(own) == [("bank_only", "statement_line", OWED)]
