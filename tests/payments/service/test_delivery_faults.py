"""What counts as a dead letter: an error that the delivery caused. Faults of our side are rejected and retried."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import InvalidValue, Unavailable
from billing.db.database import Database, DatabaseLimits, Transaction
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.context import PaymentContext
from billing.payments.service.intake import Intake, IntakeLimits
from billing.payments.service.payment_events import Delivery
from providers.contract import Notice, Verdict
from tests.builders import ACCOUNT_NAME, add_demo_hospital, build_context
from tests.closing import close_books
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, apply_in_batches, assert_books_are_right


async def deliver_all(flow: PaymentFlow, notices: Sequence[Notice]) -> list[object]:
    """One batch or several, as they come; an error stands in the place of an answer."""
    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        answers = await asyncio.gather(
            *(intake.submit(flow.delivery(notice)) for notice in notices), return_exceptions=True
        )
    return [getattr(answer, "verdict", type(answer)) for answer in answers]


async def dead_letters(flow: PaymentFlow) -> int:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return int(await tx.fetchval("SELECT count(*) FROM dead_letter"))


async def as_owner(database: DatabaseAddress, *statements: str) -> None:
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute("SELECT set_config('vienphi.organization', '1', false)")
        for statement in statements:
            await owner.execute(statement)
    finally:
        await owner.close()


async def test_day_closed_by_a_clock_that_is_ahead_loses_no_delivery(
    database: DatabaseAddress, app_database: Database
) -> None:
    """The host that closes is two minutes ahead of the one that receives, near midnight."""
    midnight = datetime.now(UTC).replace(hour=17, minute=0, second=0, microsecond=0) + timedelta(days=1)  # UTC+7
    now = [midnight - timedelta(seconds=60)]
    hospital = await add_demo_hospital(database.owner_url, clock=lambda: now[0])
    web = build_context(app_database, clock=lambda: now[0])
    account = await web.accounts.find(hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    flow = PaymentFlow(web, hospital, account)
    intents = [await flow.start_intent(f"L{number}") for number in range(8)]
    await flow.deliver(flow.notice("T0", intents[0].code))
    closer = build_context(app_database, clock=lambda: now[0] + timedelta(minutes=2))
    await close_books(closer, hospital.organization_id, business_date(now[0]), actor=Actor.system())
    notices = [flow.notice(f"T{number}", intents[number].code) for number in range(1, 8)]

    before = await deliver_all(flow, notices)
    now[0] = midnight + timedelta(seconds=30)
    after = await deliver_all(flow, notices)

    assert before == [Unavailable] * 7
    assert after == [Verdict.ACCEPTED] * 7
    assert await dead_letters(flow) == 0
    await assert_books_are_right(app_database)


_MONTH = datetime.now(UTC).strftime("%Y%m")
BREAK_AND_CURE = {
    "no grant": ("REVOKE INSERT ON allocation FROM vienphi_app", "GRANT INSERT ON allocation TO vienphi_app"),
    "no grant to read": ("REVOKE SELECT ON intent FROM vienphi_app", "GRANT SELECT ON intent TO vienphi_app"),
    "a table is away": ("ALTER TABLE payment_hold RENAME TO away", "ALTER TABLE away RENAME TO payment_hold"),
    "a constraint that holds for nothing": (
        "ALTER TABLE event_key ADD CONSTRAINT too_narrow CHECK (length(key) < 1) NOT VALID",
        "ALTER TABLE event_key DROP CONSTRAINT too_narrow",
    ),
    "a trigger that refuses": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''check_violation''; END'; "
        "CREATE TRIGGER refuse BEFORE INSERT ON payment FOR EACH ROW EXECUTE FUNCTION refuse()",
        "DROP TRIGGER refuse ON payment",
    ),
    "a partition is away": (
        f"ALTER TABLE delivery DETACH PARTITION delivery_{_MONTH}",
        f"ALTER TABLE delivery ATTACH PARTITION delivery_{_MONTH} FOR VALUES FROM"
        " (vienphi_first_id(date_trunc('month', current_date)::date))"
        " TO (vienphi_first_id((date_trunc('month', current_date) + interval '1 month')::date))",
    ),
}


@pytest.mark.parametrize("name", BREAK_AND_CURE)
async def test_fault_of_the_database_is_no_dead_letter(flow: PaymentFlow, database: DatabaseAddress, name: str) -> None:
    breaks, cures = BREAK_AND_CURE[name]
    started = await flow.start_intent()
    notices = [flow.notice(f"T{number}", started.code, amount=10_000) for number in range(5)]
    await as_owner(database, breaks)

    before = await deliver_all(flow, notices)
    await as_owner(database, cures)
    after = await deliver_all(flow, notices)

    assert before == [Unavailable] * 5
    assert {str(each) for each in after} == {"accepted", "amount_differs"} or set(after) == {Verdict.AMOUNT_DIFFERS}
    assert await dead_letters(flow) == 0
    await assert_books_are_right(flow.context.database)


ERRORS = {
    "disk full": lambda: asyncpg.DiskFullError("no space left"),
    "out of memory": lambda: asyncpg.OutOfMemoryError("out of memory"),
    "serialization": lambda: asyncpg.SerializationError("could not serialize"),
    "deadlock": lambda: asyncpg.DeadlockDetectedError("deadlock"),
    "lock": lambda: asyncpg.LockNotAvailableError("lock timeout"),
    "cancelled statement": lambda: asyncpg.QueryCanceledError("statement timeout"),
    "lost": lambda: asyncpg.ConnectionDoesNotExistError("lost"),
    "shut down": lambda: asyncpg.AdminShutdownError("shut down"),
    "read only": lambda: asyncpg.ReadOnlySQLTransactionError("read only"),
    "corrupt index": lambda: asyncpg.IndexCorruptedError("corrupt"),
    "operating system": lambda: OSError(5, "input/output error"),
    "our code": lambda: KeyError("a key"),
    "no memory": MemoryError,
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("is_of_one", [True, False], ids=["one", "all"])
async def test_error_of_our_side_is_no_dead_letter(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch, name: str, is_of_one: bool
) -> None:
    async def fail(tx: Transaction, deliveries: Sequence[Delivery], context: PaymentContext) -> object:
        if not is_of_one or any(notice.event_key.startswith("T2:") for one in deliveries for notice in one.notices):
            raise ERRORS[name]()
        return await apply_deliveries(tx, deliveries, context)

    started = await flow.start_intent()
    notices = [flow.notice(f"T{number}", started.code, amount=10_000) for number in range(4)]
    with monkeypatch.context() as patched:
        apply_in_batches(patched, fail)
        before = await deliver_all(flow, notices)
    after = await deliver_all(flow, notices)

    assert before[2] is Unavailable
    assert Unavailable not in after
    assert await dead_letters(flow) == 0
    await assert_books_are_right(flow.context.database)


async def test_table_locked_too_long_is_no_dead_letter(flow: PaymentFlow, database: DatabaseAddress) -> None:
    started = await flow.start_intent()
    impatient = await Database.open(database.app_url, limits=DatabaseLimits(connections_max=4, lock_timeout_ms=200))
    context = build_context(impatient)
    account = await context.accounts.find(flow.hospital.organization_id, ACCOUNT_NAME)
    assert account is not None
    other = PaymentFlow(context, flow.hospital, account)
    owner = await asyncpg.connect(database.owner_url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
            before = await deliver_all(other, [flow.notice("T1", started.code)])
        after = await deliver_all(other, [flow.notice("T1", started.code)])
    finally:
        await owner.close()
        await impatient.close()

    assert (before, after) == ([Unavailable], [Verdict.ACCEPTED])
    assert await dead_letters(flow) == 0


@pytest.mark.parametrize("text", ["a text with \x00 in it", "half a character \ud800", "\udfff"])
async def test_delivery_whose_text_cannot_be_stored_is_a_dead_letter_and_the_others_are_booked(
    flow: PaymentFlow, text: str
) -> None:
    started = await flow.start_intent()
    notices = [flow.notice(f"T{number}", started.code, amount=1_000) for number in range(6)]
    notices[3] = replace(flow.notice("T3", "x"), transfer_text=text)

    answers = await deliver_all(flow, notices)

    assert answers[3] is Verdict.STORED
    assert Unavailable not in answers
    assert await dead_letters(flow) == 1
    await assert_books_are_right(flow.context.database)


async def test_error_that_passes_is_no_dead_letter(flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unique violation by a race, for example: the same delivery is tried once more before it is stored apart."""
    failures = iter([InvalidValue("once")])

    async def fail_once(tx: Transaction, deliveries: Sequence[Delivery], context: PaymentContext) -> object:
        for error in failures:
            raise error
        return await apply_deliveries(tx, deliveries, context)

    started = await flow.start_intent()
    apply_in_batches(monkeypatch, fail_once)

    assert await deliver_all(flow, [flow.notice("T1", started.code)]) == [Verdict.ACCEPTED]
    assert await dead_letters(flow) == 0
