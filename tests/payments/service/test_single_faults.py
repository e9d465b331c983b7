"""Faults while a single payment is written: one of our side is no dead letter, and the next delivery is exact.

`test_delivery_faults.py` has the same faults in the general path.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncpg
import pytest

from billing.core.errors import Unavailable
from billing.db.database import Database, DatabaseLimits
from billing.payments.service import apply_single as apply_single_module
from billing.payments.service import intake as intake_module
from billing.payments.service.apply_single import apply_single
from billing.payments.service.context import PaymentContext
from billing.payments.service.payment_events import Answer, Delivery
from providers.contract import Verdict
from tests.builders import DemoHospital
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, StartedIntent, assert_books_are_right, open_flow
from tests.payments.service.test_delivery_faults import BREAK_AND_CURE, ERRORS, as_owner, dead_letters, deliver_all


@pytest.fixture
async def flow(hospital: DemoHospital, database: DatabaseAddress) -> AsyncIterator[PaymentFlow]:
    """A flow whose day is open and whose reference data are cached: its next payment is a single one."""
    opened = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=4, lock_timeout_ms=200))
    made = await open_flow(opened, hospital)
    await made.deliver(made.notice("DAY", "opens the day", amount=1_000))
    yield made
    await opened.close()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each delivery ended in the path of single payments: "booked", "left" to the general path, or its error."""
    found: list[str] = []

    async def observe(delivery: Delivery, context: PaymentContext) -> Answer | None:
        try:
            answer = await apply_single(delivery, context)
        except Exception as error:
            found.append(type(error).__name__)
            raise
        found.append("left" if answer is None else "booked")
        return answer

    monkeypatch.setattr(intake_module, "apply_single", observe)
    return found


async def assert_booked_once(flow: PaymentFlow, started: StartedIntent) -> None:
    assert (await flow.read(started.intent_id)).received == OWED
    assert await dead_letters(flow) == 0
    await assert_books_are_right(flow.context.database)


BREAKS = {
    **BREAK_AND_CURE,
    "a table is away": ("ALTER TABLE payment_origin RENAME TO away", "ALTER TABLE away RENAME TO payment_origin"),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_fault_of_the_database_is_no_dead_letter(
    flow: PaymentFlow, database: DatabaseAddress, ended: list[str], name: str
) -> None:
    breaks, cures = BREAKS[name]
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)
    await as_owner(database, breaks)

    before = await deliver_all(flow, [notice])
    await as_owner(database, cures)
    after = await deliver_all(flow, [notice])

    assert (before, after) == ([Unavailable], [Verdict.ACCEPTED])
    assert ended[-1] == "booked"
    await assert_booked_once(flow, started)


async def test_table_locked_too_long_is_no_dead_letter(
    flow: PaymentFlow, database: DatabaseAddress, ended: list[str]
) -> None:
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
        before = await deliver_all(flow, [notice])
    await owner.close()

    after = await deliver_all(flow, [notice])

    assert (before, after) == ([Unavailable], [Verdict.ACCEPTED])
    assert ended == ["DatabaseBusy", "booked"]
    await assert_booked_once(flow, started)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("step", ["read_single_targets", "write_single_payment"])
async def test_error_of_our_side_is_no_dead_letter(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch, ended: list[str], step: str, name: str
) -> None:
    async def fail(*_arguments: object, **_named: object) -> None:
        error: Callable[[], BaseException] = ERRORS[name]
        raise error()

    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)
    with monkeypatch.context() as patched:
        patched.setattr(apply_single_module, step, fail)
        before = await deliver_all(flow, [notice])
    after = await deliver_all(flow, [notice])

    assert (before, after) == ([Unavailable], [Verdict.ACCEPTED])
    assert ended == [type(ERRORS[name]()).__name__, "booked"]
    await assert_booked_once(flow, started)


@pytest.mark.parametrize("text", ["a text with \x00 in it", "half a character \ud800", "\udfff"])
async def test_text_that_cannot_be_stored_is_a_dead_letter(flow: PaymentFlow, ended: list[str], text: str) -> None:
    started = await flow.start_intent()

    [answer] = await deliver_all(flow, [replace(flow.notice("T1", "x"), transfer_text=f"{started.code} {text}")])

    assert answer is Verdict.STORED
    assert len(ended) == 1
    assert await dead_letters(flow) == 1
    assert await deliver_all(flow, [flow.notice("T2", started.code)]) == [Verdict.ACCEPTED]
    await assert_books_are_right(flow.context.database)
