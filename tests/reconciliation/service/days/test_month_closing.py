"""The closing of a month: its conditions, its certificate, and nothing is posted into it afterwards."""

import asyncio
import copy
import importlib.util
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import pytest

from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.ledger.service.seal_rows import seal_once
from billing.reconciliation.domain.day_result import MonthOpen
from billing.reconciliation.domain.month_closing import (
    EarlierMonthOpen,
    MonthAlreadyClosed,
    MonthClosing,
    MonthIncomplete,
    MonthNotSealed,
    last_day_of,
)
from billing.reconciliation.service.close_day import find_certificate
from billing.reconciliation.service.close_month import close_month, find_month_certificate, list_months
from tests.cli.commands import call, called
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.service.days.days import DAY, SYSTEM, close, fetch, pay, state
from tests.reconciliation.statement_file import Line

_DOCS = Path(__file__).parents[4] / "docs"


def _load_verifier() -> ModuleType:
    sys.path.insert(0, str(_DOCS))
    try:
        spec = importlib.util.spec_from_file_location("verify_month", _DOCS / "verify_month.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(_DOCS))
    return module


verify_month = _load_verifier()


@pytest.fixture
async def month(clock: StandingClock, flow: PaymentFlow) -> date:
    """The first day of the month before, whose tenth it is."""
    first = (business_date(clock()).replace(day=1) - DAY).replace(day=1)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await tx.fetchval("SELECT vienphi_make_partitions($1)", first)
    clock.now = datetime.combine(first.replace(day=10), datetime.min.time(), tzinfo=UTC) + timedelta(hours=3)
    return first


def _go_to_next_month(clock: StandingClock, month: date) -> None:
    clock.now += timedelta(days=(last_day_of(month) - month.replace(day=10)).days + 2)


async def _close_month(flow: PaymentFlow, month: date) -> MonthClosing:
    return await close_month(flow.context, flow.hospital.organization_id, month, actor=SYSTEM)


async def _close_its_day(flow: PaymentFlow, clock: StandingClock, month: date) -> None:
    """A payment on the tenth with its line, and its day closed in the month after."""
    await pay(flow, "T1")
    await state(flow, Line(amount=OWED, reference="FT-T1", day=month.replace(day=10)))
    _go_to_next_month(clock, month)
    await close(flow, month.replace(day=10))


async def test_month_closes_once_its_days_are_closed_and_its_statements_are_complete(
    flow: PaymentFlow, clock: StandingClock, month: date
) -> None:
    with pytest.raises(MonthOpen, match="not over"):
        await _close_month(flow, month)
    await pay(flow, "T1")
    await state(flow, Line(amount=OWED, reference="FT-T1", day=month.replace(day=10)))
    _go_to_next_month(clock, month)
    with pytest.raises(MonthOpen, match="close it first"):
        await _close_month(flow, month)
    await close(flow, month.replace(day=10))
    with pytest.raises(MonthIncomplete, match="covers"):
        await _close_month(flow, month)
    assert await list_months(flow.context, flow.hospital.organization_id) == []
    await state(flow, Line(amount=5, day=last_day_of(month)), opening=OWED)

    closing = await _close_month(flow, month)

    assert (closing.month, closing.days, closing.amount > 0) == (month, 1, True)
    assert await list_months(flow.context, flow.hospital.organization_id) == [closing]
    assert await fetch(flow, "SELECT action FROM audit WHERE action = 'month_closed'") == ["month_closed"]
    with pytest.raises(MonthAlreadyClosed):
        await _close_month(flow, month)
    await assert_books_are_right(flow.context.database)


async def test_gap_of_the_statements_keeps_a_month_open(flow: PaymentFlow, clock: StandingClock, month: date) -> None:
    await _close_its_day(flow, clock, month)
    await state(flow, Line(amount=5, day=last_day_of(month)), opening=OWED + 300)

    with pytest.raises(MonthIncomplete, match="300 đồng"):
        await _close_month(flow, month)


async def test_month_without_a_day_and_a_later_month_first_are_refused(
    flow: PaymentFlow, clock: StandingClock, month: date
) -> None:
    await _close_its_day(flow, clock, month)
    next_month = last_day_of(month) + DAY
    clock.now += timedelta(days=40)

    with pytest.raises(EarlierMonthOpen, match=f"{month:%Y-%m}"):
        await _close_month(flow, next_month)
    with pytest.raises(NotFound):
        await _close_month(flow, (month - DAY).replace(day=1))


async def test_nothing_is_posted_into_a_closed_month(
    flow: PaymentFlow, clock: StandingClock, month: date, database: DatabaseAddress
) -> None:
    await _close_its_day(flow, clock, month)
    await state(flow, Line(amount=5, day=last_day_of(month)), opening=OWED)
    await _close_month(flow, month)
    started = await flow.start_intent("LK9")
    late = clock() - timedelta(days=5)

    await flow.deliver(flow.notice("T9", started.code, occurred_at=late))

    days = await fetch(flow, "SELECT accounting_date FROM journal_entry WHERE effective_at < recorded_at ORDER BY id")
    assert days[-1] == business_date(clock())
    connection = await asyncpg.connect(database.owner_url)
    try:
        await connection.execute("SELECT set_config('vienphi.organization', '1', false)")
        with pytest.raises(asyncpg.RestrictViolationError, match="the month of the day is closed"):
            await connection.execute("INSERT INTO business_day VALUES (1, $1, 'open', now(), NULL)", last_day_of(month))
        await connection.execute(
            "UPDATE business_day SET state = 'closed', closed_at = now() WHERE day > $1", last_day_of(month)
        )
        with pytest.raises(asyncpg.RestrictViolationError, match="earlier month is open"):
            later = (last_day_of(month) + timedelta(days=40)).replace(day=1)
            await connection.execute(
                "INSERT INTO month_closing (organization_id, month, closed_at, actor_kind, days, entries, amount,"
                " content, content_hash) VALUES (1, $1, '2099-01-01', 'system', 1, 0, 0, '', sha256(''))",
                later,
            )
    finally:
        await connection.close()


async def test_two_closings_at_once_close_a_month_once(flow: PaymentFlow, clock: StandingClock, month: date) -> None:
    await _close_its_day(flow, clock, month)
    await state(flow, Line(amount=5, day=last_day_of(month)), opening=OWED)

    done = await asyncio.gather(_close_month(flow, month), _close_month(flow, month), return_exceptions=True)

    assert sorted(type(each).__name__ for each in done) == ["MonthAlreadyClosed", "MonthClosing"]


def _in_content(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda certificate: change(certificate["content"])


ALTERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "amount": _in_content(lambda content: content.update(amount=content["amount"] + 1)),
    "day left out": _in_content(lambda content: content["days"].clear()),
    "balance": _in_content(lambda content: content["balances"][0].update(closing=1)),
    "statement": _in_content(lambda content: content["bank_accounts"][0].update(closing=1)),
    "seal": lambda certificate: certificate["seal"].update(hash="0" * 64),
    "row": lambda certificate: certificate["sealed_rows"]["month_closing"].clear(),
}


async def test_certificate_is_checked_with_those_of_its_days(
    flow: PaymentFlow, clock: StandingClock, month: date
) -> None:
    organization_id = flow.hospital.organization_id
    await _close_its_day(flow, clock, month)
    await state(flow, Line(amount=5, day=last_day_of(month)), opening=OWED)
    await _close_month(flow, month)
    with pytest.raises(MonthNotSealed):
        await find_month_certificate(flow.context, organization_id, month)
    await seal_once(flow.context, organization_id)

    text = (await find_month_certificate(flow.context, organization_id, month)).decode()
    day = (await find_certificate(flow.context, organization_id, month.replace(day=10))).decode()

    certificate = verify_month.verify(text, [day])
    assert verify_month.verify(text, [day], certificate["seal"]["hash"]) == certificate
    [account] = certificate["content"]["bank_accounts"]
    assert (account["opening"], account["closing"]) == (0, OWED + 5)
    for name, alter in ALTERED.items():
        altered = copy.deepcopy(certificate)
        alter(altered)
        with pytest.raises(verify_month.Refused):
            verify_month.verify(json.dumps(altered), [day])
        assert altered != certificate, name
    with pytest.raises(verify_month.Refused):
        verify_month.verify(text, [])
    with pytest.raises(verify_month.Refused):
        verify_month.verify(text, [day], "0" * 64)
    await assert_books_are_right(flow.context.database)


async def test_commands_close_a_month_and_write_its_certificate(
    flow: PaymentFlow, clock: StandingClock, month: date, database: DatabaseAddress, tmp_path: Path
) -> None:
    """A command has its own event loop, so it runs in a thread."""
    file, settings = tmp_path / "month.json", {"VIENPHI_DATABASE_URL": database.app_url}
    named = (f"{month:%Y-%m}", "--organization", str(flow.hospital.organization_id))
    await _close_its_day(flow, clock, month)
    incomplete = await asyncio.to_thread(call, "ledger", "close-month", *named, **settings)
    await state(flow, Line(amount=5, day=last_day_of(month)), opening=OWED)

    printed = await asyncio.to_thread(called, "ledger", "close-month", *named, **settings)
    await asyncio.to_thread(called, "ledger", "month-certificate", *named, "--output", str(file), **settings)

    assert (incomplete.exit_code, "covers" in incomplete.stderr) == (1, True)
    assert printed.startswith(f"closed {month:%Y-%m}: 1 days, ")
    day = (await find_certificate(flow.context, flow.hospital.organization_id, month.replace(day=10))).decode()
    assert verify_month.verify(file.read_text(), [day])["content"]["month"] == f"{month:%Y-%m-%d}"
