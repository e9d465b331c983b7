"""The dashboard of finance, its payouts, and the journal in words."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from billing.core.clock import business_date
from billing.core.errors import InvalidValue
from billing.core.list_slice import ListSlice
from billing.core.money import Dong
from billing.reconciliation.domain.dashboard import DayMoney, MethodHour
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.service.acts import ActSubject, list_acts
from billing.reconciliation.service.dashboard import read_dashboard
from billing.reconciliation.service.list_payouts import list_payouts
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow
from tests.reconciliation.service.exceptions_desk import (
    ORGANIZATION,
    UNKNOWN_PAID,
    ExceptionDesk,
    open_exception_desk,
)


@pytest.fixture
async def desk(flow: PaymentFlow, database: DatabaseAddress) -> ExceptionDesk:
    return await open_exception_desk(flow, database)


async def test_day_counts_its_payments_and_what_waits(desk: ExceptionDesk) -> None:
    started = await desk.flow.start_intent()
    await desk.flow.deliver(desk.flow.notice("T0", f"{started.code} VIEN PHI"))
    await desk.receive_without_code()
    context = desk.flow.context
    day = business_date(context.clock())

    board = await read_dashboard(context, ORGANIZATION, day)
    later = await read_dashboard(context, ORGANIZATION, day + timedelta(days=7))

    assert (board.today.amount, board.today.count) == (OWED + UNKNOWN_PAID, 2)
    assert (board.today.of_method("provider"), board.methods) == (OWED + UNKNOWN_PAID, ["provider"])
    assert (board.waiting.count, board.waiting.amount) == (1, UNKNOWN_PAID)
    assert (board.lag.count, board.change_permille, board.unmatched) == (2, None, [])
    assert (later.today.amount, later.former.amount, later.change_permille) == (0, OWED + UNKNOWN_PAID, -1000)


@pytest.mark.parametrize(("today", "permille"), [(1_061, 61), (1_000, 0), (939, -61), (0, -1000)])
async def test_change_against_the_same_weekday(desk: ExceptionDesk, today: int, permille: int) -> None:
    board = await read_dashboard(desk.flow.context, ORGANIZATION, date(2026, 11, 28))

    def money(amount: int) -> DayMoney:
        row = MethodHour(hour=9, method="cash", count=1, amount=Dong(amount))
        return DayMoney(day=date(2026, 11, 28), rows=[row])

    changed = replace(board, today=money(today), former=money(1_000))

    assert (changed.change_permille, list(changed.hours)) == (permille, [9])


async def test_acts_name_person_amount_and_reason_the_newest_first(desk: ExceptionDesk) -> None:
    exception_id, _ = await desk.receive_without_code()
    await desk.decide(exception_id, DecisionAction.NO_ACTION, reason="đã trả tại quầy")

    found = await list_acts(desk.flow.context, ORGANIZATION, ListSlice(limit=10))
    of_payments = await list_acts(desk.flow.context, ORGANIZATION, ListSlice(limit=10), subject=ActSubject.PAYMENT)

    newest = found[0]
    assert (newest.action, newest.person, newest.reason) == ("exception_no_action", "Vũ Thị Đối", "đã trả tại quầy")
    assert (newest.subject_id, newest.amount) == (exception_id, UNKNOWN_PAID)
    assert [(each.action, each.person, each.amount) for each in of_payments] == [
        ("payment_received", None, UNKNOWN_PAID)
    ]


async def test_payouts_of_a_period_without_reports_are_none(desk: ExceptionDesk) -> None:
    today = business_date(desk.flow.context.clock())

    assert await list_payouts(desk.flow.context, ORGANIZATION, today, today) == []
    with pytest.raises(InvalidValue):
        await list_payouts(desk.flow.context, ORGANIZATION, today, today - timedelta(days=1))
