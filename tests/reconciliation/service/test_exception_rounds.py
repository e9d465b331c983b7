"""Rounds of the worker: the first one examines every day, the others only what imports and matches have changed."""

from datetime import date, timedelta
from typing import Any

import pytest

from billing.db.database import Database
from billing.reconciliation.domain.match_rules import ItemKind
from billing.reconciliation.service import find_exceptions
from billing.reconciliation.service.decide_matches import ManualMatch, match_by_hand, revert_match
from billing.reconciliation.service.find_exceptions import ExceptionRounds, FoundExceptions
from billing.reconciliation.store.exception_causes import Cause, read_causes
from tests.builders import DemoHospital
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, open_flow
from tests.persons import actors
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.exceptions_desk import ORGANIZATION


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def own(hospital: DemoHospital, app_database: Database, clock: StandingClock) -> MatchingFlow:
    return MatchingFlow(await open_flow(app_database, hospital, clock=clock))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The first day of each round that read causes."""
    days: list[date] = []

    async def read(*arguments: Any, from_day: date, today: date) -> list[Cause]:
        days.append(from_day)
        return await read_causes(*arguments, from_day=from_day, today=today)

    monkeypatch.setattr(find_exceptions, "read_causes", read)
    return days


async def test_round_examines_the_days_that_changed(
    own: MatchingFlow, clock: StandingClock, examined: list[date]
) -> None:
    rounds, today = ExceptionRounds(own.flow.context), own.today
    await own.statement(own.line(1_000, days=-60))
    assert await rounds.run_once(ORGANIZATION) == FoundExceptions(1, 0)

    for _ in range(2):  # the first one examines again what was under way before it
        clock.forward(timedelta(minutes=10))
        assert await rounds.run_once(ORGANIZATION) == FoundExceptions(0, 0)
    await own.statement(own.line(2_000))
    assert await rounds.run_once(ORGANIZATION) == FoundExceptions(1, 0)
    clock.forward(find_exceptions.COMPLETE_EACH)
    assert await rounds.run_once(ORGANIZATION) == FoundExceptions(0, 0)

    every = today - find_exceptions.EXAMINED_FOR
    assert examined == [every, today - timedelta(days=70), today - timedelta(days=10), every]


async def test_item_that_becomes_due_is_found_by_the_first_round_of_its_day(
    own: MatchingFlow, clock: StandingClock
) -> None:
    rounds = ExceptionRounds(own.flow.context)
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", started.code))
    await own.statement(own.line(1_000, days=7))
    await rounds.run_once(ORGANIZATION)

    clock.forward(timedelta(days=7))

    assert await rounds.run_once(ORGANIZATION) == FoundExceptions(1, 0)
    [row] = await own.fetch("SELECT amount FROM exception_case WHERE reason = 'ledger_only'")
    assert row["amount"] == OWED


async def test_match_of_an_old_line_closes_its_exception_and_its_end_opens_one(
    own: MatchingFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    flow: PaymentFlow = own.flow
    [person] = await actors(database, flow.context, ("ke-toan", "Vũ Thị Đối"))
    await flow.deliver(flow.notice("T1", "NOP TIEN", occurred_at=clock() - timedelta(days=60)))
    await own.statement(own.line(OWED, "CHUYEN KHOAN", days=-45))
    rounds = ExceptionRounds(flow.context)
    await rounds.run_once(ORGANIZATION)
    clock.forward(timedelta(minutes=10))
    [line], [payment] = await own.fetch("SELECT id FROM statement_line"), await own.fetch("SELECT id FROM payment")

    new = ManualMatch(line_id=line["id"], items=[(ItemKind.PAYMENT, payment["id"])], reason="sao kê giấy")
    match_id = await match_by_hand(flow.context, ORGANIZATION, new, actor=person)
    assert (await rounds.run_once(ORGANIZATION)).closed >= 1
    assert await own.fetch("SELECT 1 FROM exception_case WHERE state = 'open' AND item_kind = 'statement_line'") == []

    await revert_match(flow.context, ORGANIZATION, match_id, reason="nhầm", actor=person)
    assert (await rounds.run_once(ORGANIZATION)).opened >= 1
    assert len(await own.fetch("SELECT 1 FROM exception_case WHERE state = 'open' AND item_id = $1", line["id"])) == 1
