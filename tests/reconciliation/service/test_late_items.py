"""Exceptions of what is late: payments after the cut-off, and days that no statement states."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from billing.payments.domain.exception import ExceptionState
from billing.reconciliation.domain.day_result import AccountDay, AccountKind, DayResult
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.day_results import compute_results
from billing.reconciliation.service.find_exceptions import FoundExceptions, find_exceptions_once
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION, open_exception_desk

NOTHING_CHANGED = FoundExceptions(0, 0)
VIETNAM = timedelta(hours=7)


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A time of day in Vietnam."""
    return datetime.combine(day, time(hour, minute), tzinfo=UTC) - VIETNAM


async def _pay(own: MatchingFlow, transaction: str, occurred_at: datetime, ma_lk: str = "LK0001") -> None:
    started = await own.flow.start_intent(ma_lk)
    notice = own.flow.notice(transaction, f"{started.code} VIEN PHI", occurred_at=occurred_at)
    await own.flow.deliver(notice)


async def _find(own: MatchingFlow) -> None:
    await own.match()
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    await find_exceptions_once(own.flow.context, ORGANIZATION)
    assert await find_exceptions_once(own.flow.context, ORGANIZATION) == NOTHING_CHANGED, "a round is repeated"


async def _cases(own: MatchingFlow, *reasons: str) -> list[tuple[str, str, str, int]]:
    rows = await own.fetch(
        "SELECT reason, state, item_kind, amount FROM exception_case WHERE reason = ANY ($1) ORDER BY opened_at, id",
        list(reasons),
    )
    return [tuple(row) for row in rows]


async def _bank_on(own: MatchingFlow, day: date) -> AccountDay:
    async with own.flow.context.database.transaction(ORGANIZATION, read_only=True) as tx:
        results = await compute_results(tx, day)
    [bank] = [each for each in results.accounts if each.kind is AccountKind.BANK_ACCOUNT]
    return bank


async def _reason_of_closing(own: MatchingFlow, reason: str) -> Any:
    [row] = await own.fetch(
        "SELECT decision.reason FROM exception_decision AS decision JOIN exception_case AS one "
        "ON one.id = decision.exception_id WHERE one.reason = $1 AND decision.action = 'cause_gone'",
        reason,
    )
    return row["reason"]


async def test_payment_after_the_cut_off_waits_for_the_statement_of_the_next_day(own: MatchingFlow) -> None:
    yesterday = own.today - timedelta(days=1)
    await _pay(own, "T1", at(yesterday, 23, 30))
    await _pay(own, "T2", at(yesterday, 22, 59), "LK0002")
    await own.statement(own.line(5_000, reference="FT-X", days=-1))

    await _find(own)

    assert await _cases(own, "after_cut_off", "ledger_only") == [("after_cut_off", "open", "payment", OWED)]
    assert (await _bank_on(own, yesterday)).open_exceptions == 1, "only the line: a late payment is pending"

    await own.statement(own.line(OWED, reference="FT-T1"), own.line(OWED, reference="FT-T2"))
    await _find(own)

    assert await _cases(own, "after_cut_off", "ledger_only") == [("after_cut_off", "closed", "payment", OWED)]
    assert await _reason_of_closing(own, "after_cut_off") == "the statement, report or ledger agrees now"


async def test_payment_after_the_cut_off_is_of_the_ledger_only_past_its_term(own: MatchingFlow) -> None:
    await _pay(own, "T1", at(own.today - timedelta(days=1), 23, 30))
    await own.statement(own.line(5_000, reference="FT-X", days=-1))
    await _find(own)
    now = own.flow.context.clock()
    own.flow.context.clock = lambda: now + timedelta(days=5)
    await own.statement(own.line(6_000, reference="FT-Y"))

    await _find(own)

    assert await _cases(own, "after_cut_off", "ledger_only") == [
        ("after_cut_off", "closed", "payment", OWED),
        ("ledger_only", "open", "payment", OWED),
    ]
    assert await _reason_of_closing(own, "after_cut_off") == "another reason holds now"


async def test_payment_after_the_cut_off_of_a_provider_is_in_its_next_report(own: MatchingFlow) -> None:
    yesterday = own.today - timedelta(days=1)
    await _pay(own, "T1", at(yesterday, 23, 30))
    await own.report(own.report_row("P1", 90_000, paid_out_on=own.today))

    await _find(own)

    assert await _cases(own, "after_cut_off") == [("after_cut_off", "open", "payment", OWED)]
    await own.report(own.report_row("T1", OWED, paid_out_on=own.today))
    await _find(own)
    assert await _cases(own, "after_cut_off") == [("after_cut_off", "closed", "payment", OWED)]


async def test_gap_of_the_statements_is_open_until_the_missing_one_is_imported(own: MatchingFlow) -> None:
    await own.statement(own.line(1_000, days=-3))
    own.balance += 300
    await own.statement(own.line(70, days=0))

    await _find(own)

    assert await _cases(own, "statement_gap") == [("statement_gap", "open", "bank_statement", 300)]
    [row] = await own.fetch("SELECT business_day FROM exception_case WHERE reason = 'statement_gap'")
    assert row["business_day"] == own.today

    own.balance = 1_000
    await own.statement(own.line(200, days=-2))
    await _find(own)

    assert await _cases(own, "statement_gap") == [
        ("statement_gap", "closed", "bank_statement", 300),
        ("statement_gap", "open", "bank_statement", 100),
    ]
    await own.statement(own.line(100, days=-1))
    await _find(own)
    assert [state for _, state, _, _ in await _cases(own, "statement_gap")] == ["closed", "closed"]


async def test_decided_gap_stays_decided_and_its_day_stays_a_break(
    own: MatchingFlow, database: DatabaseAddress
) -> None:
    desk = await open_exception_desk(own.flow, database)
    yesterday = own.today - timedelta(days=1)
    await own.statement(own.line(1_000, days=-3))
    own.balance += 300
    await own.statement(own.line(70, days=-1))
    await _find(own)
    [row] = await own.fetch("SELECT id FROM exception_case WHERE reason = 'statement_gap'")

    await desk.decide(row["id"], DecisionAction.NO_ACTION)
    await _find(own)

    assert await _cases(own, "statement_gap") == [("statement_gap", "closed", "bank_statement", 300)]
    assert (await _bank_on(own, yesterday)).result is DayResult.BREAKS
    await desk.revert(row["id"], version=2)
    assert (await desk.find(row["id"])).exception.state is ExceptionState.OPEN
