"""The closing of days: what keeps a day open, who closes it, and what a kill leaves."""

import asyncio
import signal
import sys
from datetime import date, timedelta

import pytest

from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.money import Dong
from billing.ledger.service.close_day import DayAlreadyClosed, DayIncomplete
from billing.reconciliation.domain.day_result import (
    DayResult,
    ItemKind,
    MonthOpen,
)
from billing.reconciliation.service.close_day import find_month, find_shifts
from billing.reconciliation.service.staging import lock_imports
from billing.visit_accounts.service.hand_overs import accept_hand_over, hand_over_cash
from billing.visit_accounts.service.shifts import close_shift, end_shift
from tests.builders import add_demo_hospital
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.service.days.days import (
    DAY,
    accounts_of,
    close,
    execute,
    fetch,
    listed,
    pay,
    state,
)
from tests.reconciliation.statement_file import Line
from tests.released_locks import wait_for_released_locks
from tests.visit_accounts.cashiers import ORGANIZATION, open_desk


async def test_day_without_a_statement_is_incomplete_and_stays_open(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    clock.forward(DAY)

    with pytest.raises(DayIncomplete, match="no statement of bank account 0110000001 covers"):
        await close(flow, day)

    bank, provider = await accounts_of(flow, day)
    assert (bank.result, bank.statement_closing) == (DayResult.INCOMPLETE, None)
    assert listed(provider) == [(ItemKind.PAYMENT_HELD, OWED)]
    await state(flow, Line(amount=OWED, day=day))
    await close(flow, day)


async def test_staged_import_keeps_the_day_incomplete(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    await execute(
        flow,
        "INSERT INTO reconciliation_import (organization_id, id, kind, file_name, file_hash, state, actor_kind,"
        " started_at) VALUES (1, $1, 'statement', 'a.csv', $2, 'staging', 'system', now())",
        flow.context.ids.new(),
        bytes(32),
    )
    clock.forward(DAY)

    with pytest.raises(DayIncomplete, match="import of a file did not end"):
        await close(flow, day)

    await execute(
        flow, "UPDATE reconciliation_import SET state = 'discarded', ended_at = now() WHERE state = 'staging'"
    )
    await close(flow, day)


async def test_other_organization_sees_no_result_and_has_its_own(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    other = await add_demo_hospital(database.owner_url, organization=2, facility_code="79002", clock=clock)
    clock.forward(DAY)
    await close(flow, day)

    async with flow.context.database.transaction(other.organization_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM day_result") == 0
    assert await fetch(flow, "SELECT count(*) FROM day_result") == [2]


async def test_shift_and_hand_over_of_the_day_are_ended_first(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    desk = await open_desk(database, flow.context)
    shift = await desk.open(50_000)
    day = business_date(clock())
    clock.forward(DAY)
    with pytest.raises(DayIncomplete, match=r"the shift of desk Quầy 1 of .* is open; end and close it"):
        await close(flow, day)

    sent = await hand_over_cash(flow.context, ORGANIZATION, shift, Dong(50_000), actor=desk.cashier)
    await end_shift(flow.context, ORGANIZATION, shift, {}, actor=desk.cashier)
    with pytest.raises(DayIncomplete, match="is ended"):
        await close(flow, day)
    await close_shift(flow.context, ORGANIZATION, shift, actor=desk.head)
    await close(flow, day)

    clock.forward(DAY)
    with pytest.raises(DayIncomplete, match="1 hand-overs of cash wait"):
        await close(flow, day + DAY)
    await accept_hand_over(flow.context, ORGANIZATION, sent, actor=desk.treasurer)
    await close(flow, day + DAY)


async def test_two_persons_close_at_once_and_the_second_is_informed(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    clock.forward(DAY)

    done = await asyncio.gather(close(flow, day), close(flow, day), return_exceptions=True)

    [refused] = [each for each in done if each is not None]
    assert isinstance(refused, DayAlreadyClosed), refused
    assert await fetch(flow, "SELECT count(*) FROM day_closing") == [1]
    assert await fetch(flow, "SELECT count(*) FROM day_result") == [2]


async def test_day_is_not_closed_while_a_file_is_imported(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    clock.forward(DAY)

    async with lock_imports(flow.context, flow.hospital.organization_id):
        with pytest.raises(DayIncomplete, match="a file is imported now"):
            await close(flow, day)

    await close(flow, day)


_CLOSE_AND_DIE = """
import asyncio, os, signal, sys
from datetime import date, datetime
from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.reconciliation.service import close_day as closing
from tests.builders import build_context

async def main() -> None:
    add_results = closing.add_results
    async def die(tx, *given):
        await add_results(tx, *given)
        print("written", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    closing.add_results = die
    database = await Database.open(sys.argv[1])
    context = build_context(database, clock=lambda: datetime.fromisoformat(sys.argv[3]))
    await closing.close_day(context, OrganizationId(1), date.fromisoformat(sys.argv[2]), actor=Actor.system())

asyncio.run(main())
"""


async def test_closing_that_is_killed_leaves_the_day_open_and_closes_again(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    clock.forward(DAY)

    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CLOSE_AND_DIE,
        database.app_url,
        day.isoformat(),
        clock().isoformat(),
        stdout=asyncio.subprocess.PIPE,
    )
    written, _ = await killed.communicate()

    assert (written, killed.returncode) == (b"written\n", -signal.SIGKILL)
    await wait_for_released_locks(database.app_url)
    assert await fetch(flow, "SELECT state FROM business_day WHERE day = (SELECT min(day) FROM business_day)") == [
        "open"
    ]
    assert await fetch(flow, "SELECT count(*) FROM day_closing") == [0]
    assert await fetch(flow, "SELECT count(*) FROM day_result") == [0]
    await close(flow, day)
    bank, _ = await accounts_of(flow, day)
    assert listed(bank) == [(ItemKind.LINE_UNMATCHED, OWED)]
    await assert_books_are_right(flow.context.database)


async def test_month_is_closed_with_its_last_open_day(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    organization_id = flow.hospital.organization_id
    with pytest.raises(MonthOpen, match="not over"):
        await find_month(flow.context, organization_id, day.replace(day=1))
    await state(flow, Line(amount=OWED, day=day))
    clock.forward(timedelta(days=32))
    with pytest.raises(MonthOpen, match=f"{day} is open"):
        await find_month(flow.context, organization_id, day.replace(day=1))

    await close(flow, day)

    [closing] = await find_month(flow.context, organization_id, day.replace(day=1))
    assert (closing.day, closing.entries) == (day, 2)
    with pytest.raises(NotFound):
        await find_month(flow.context, organization_id, date(2020, 1, 1))


async def test_closing_paper_has_the_shifts_of_the_day(
    flow: PaymentFlow, clock: StandingClock, database: DatabaseAddress
) -> None:
    desk = await open_desk(database, flow.context)
    shift = await desk.open(50_000)
    day = business_date(clock())
    clock.forward(DAY)
    assert await find_shifts(flow.context, ORGANIZATION, day) == []
    await end_shift(flow.context, ORGANIZATION, shift, {"50000": 1}, actor=desk.cashier)
    await close_shift(flow.context, ORGANIZATION, shift, actor=desk.head)

    [found] = await find_shifts(flow.context, ORGANIZATION, day)

    assert (found.desk, found.counted_cash, found.difference) == ("Quầy 1", 50_000, 0)
    assert await find_shifts(flow.context, ORGANIZATION, day + DAY) == []
