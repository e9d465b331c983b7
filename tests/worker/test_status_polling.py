"""Status polls: an answer of the bank is applied like a callback; a missing answer is never a failure."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from billing.checkout.service.expire import expire_once
from billing.core.errors import CommitUnknown, Unavailable
from billing.payments.domain.intent import IntentState
from billing.payments.service.polls import poll_due_payments
from billing.payments.store.bookings import RowChangedMeanwhile
from providers.contract import Outcome
from providers.sandbox.bank_simulator import Behaviour
from providers.sandbox.message import SandboxMessage
from tests.flow import OWED, StartedIntent, assert_books_are_right
from tests.worker.polling_flow import PollingFlow


async def poll(flow: PollingFlow) -> int:
    return await poll_due_payments(flow.context, flow.hospital.organization_id)


async def expire(flow: PollingFlow) -> int:
    return await expire_once(flow.context, flow.hospital.organization_id)


async def expired_intent(flow: PollingFlow, ma_lk: str = "LK0001") -> StartedIntent:
    started = await flow.flow.start_intent(ma_lk)
    flow.clock.turn(minutes=31)
    await expire(flow)
    return started


async def unknown_intent(flow: PollingFlow) -> StartedIntent:
    started = await flow.flow.start_intent()
    code = {"reference": started.code, "movement_keys": frozenset()}
    notice = flow.flow.notice("T0", "", outcome=Outcome.UNKNOWN, status="?", **code)
    await flow.intake.submit(flow.flow.delivery(notice))
    assert (await flow.flow.read(started.intent_id)).state == "unknown"
    return started


async def test_payment_without_callback_is_found_by_a_poll_and_booked_after_expiry(
    polling_flow: PollingFlow,
) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=31)
    assert await expire(polling_flow) == 1
    assert (await polling_flow.flow.read(started.intent_id)).state == "expired"

    before_its_time = await poll(polling_flow)
    polling_flow.clock.turn(minutes=1)
    in_time = await poll(polling_flow)

    assert (before_its_time, in_time) == (0, 1)
    intent = await polling_flow.flow.read(started.intent_id)
    assert (intent.state, intent.received) == ("succeeded", OWED)
    (row,) = await polling_flow.status_polls()
    assert (row["due_at"], row["attempts"], row["last_outcome"]) == (None, 1, "succeeded")
    (body,) = await polling_flow.rows("SELECT method, body FROM delivery_body")
    assert body["method"] == "QUERY"
    assert started.code.encode() in body["body"], "the answer is kept as evidence"
    await assert_books_are_right(polling_flow.context.database)


@pytest.mark.parametrize("callback_first", [True, False])
async def test_answer_and_callback_of_one_transaction_are_booked_once(
    polling_flow: PollingFlow, callback_first: bool
) -> None:
    started = await polling_flow.flow.start_intent()
    # Half of it, so that the intent is still polled after the callback.
    message = polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.SHORT)
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.turn(minutes=1)

    if callback_first:
        verdicts = await polling_flow.call_back(message), await poll(polling_flow)
        assert verdicts == ("amount_differs", 1)
    else:
        verdicts = await poll(polling_flow), await polling_flow.call_back(message)
        assert verdicts[0] == 1

    assert (await polling_flow.flow.read(started.intent_id)).received == OWED // 2
    assert len(await polling_flow.rows("SELECT id FROM payment")) == 1
    assert len(await polling_flow.rows("SELECT id FROM delivery")) == 2
    assert await polling_flow.rows("SELECT reason FROM exception_case") == []
    await assert_books_are_right(polling_flow.context.database)


async def test_answer_and_callback_at_the_same_time_are_booked_once(polling_flow: PollingFlow) -> None:
    started = await polling_flow.flow.start_intent()
    message = polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.turn(minutes=1)

    await asyncio.gather(poll(polling_flow), polling_flow.call_back(message))

    assert len(await polling_flow.rows("SELECT id FROM payment")) == 1
    await assert_books_are_right(polling_flow.context.database)


@pytest.mark.parametrize("failure", [404, "hang"])
async def test_missing_authentic_answer_is_unknown_and_polled_again_never_a_failure(
    polling_flow: PollingFlow, failure: int | str
) -> None:
    """An unsigned 404 proves nothing. Other answers: the conformance suite of the sandbox, test_sandbox_query.py."""
    started = await unknown_intent(polling_flow)
    polling_flow.hang = failure == "hang"
    polling_flow.status = failure if isinstance(failure, int) else 200
    await poll(polling_flow)
    polling_flow.clock.turn(minutes=1)

    assert await poll(polling_flow) == 1

    (row,) = await polling_flow.status_polls()
    assert (row["attempts"], row["last_outcome"]) == (1, "unknown")
    assert row["due_at"] == row["started_at"] + timedelta(minutes=5)
    assert (await polling_flow.flow.read(started.intent_id)).state == "unknown"


async def test_unknown_is_polled_on_schedule_for_a_day_then_a_person_decides(polling_flow: PollingFlow) -> None:
    started = await unknown_intent(polling_flow)
    polling_flow.status = 500
    await poll(polling_flow)
    started_at = polling_flow.clock.now
    polled_after: list[timedelta] = []
    for _ in range(26 * 60):
        polling_flow.clock.turn(minutes=1)
        if await _is_due(polling_flow):
            await poll(polling_flow)
            polled_after.append(polling_flow.clock.now - started_at)

    minutes = [1, 5, 15, *(60 * hour for hour in range(1, 25))]
    assert [after // timedelta(minutes=1) for after in polled_after] == minutes
    (case,) = await polling_flow.rows("SELECT reason, intent_id, amount, state FROM exception_case")
    assert case == {"reason": "status_unresolved", "intent_id": started.intent_id, "amount": OWED, "state": "open"}
    assert (await polling_flow.flow.read(started.intent_id)).state == "unknown"


async def _is_due(flow: PollingFlow) -> bool:
    (row,) = await flow.status_polls()
    return row["due_at"] is not None and row["due_at"] <= flow.clock.now


async def test_answer_not_found_ends_the_polls_only_after_fifteen_minutes(
    polling_flow: PollingFlow,
) -> None:
    started = await unknown_intent(polling_flow)
    await poll(polling_flow)
    polling_flow.clock.turn(minutes=1)
    await poll(polling_flow)
    (early,) = await polling_flow.status_polls()
    polling_flow.clock.turn(minutes=15)
    await poll(polling_flow)
    (late,) = await polling_flow.status_polls()

    assert (early["last_outcome"], early["due_at"] is None) == ("not_found", False)
    assert (late["last_outcome"], late["due_at"]) == ("not_found", None)
    assert (await polling_flow.flow.read(started.intent_id)).state == "unknown"
    polling_flow.clock.turn(minutes=30)
    assert await expire(polling_flow) == 1, "a payment that its bank does not know expires"
    assert await polling_flow.rows("SELECT reason FROM exception_case") == []


async def test_unknown_intent_is_not_expired_by_the_clock_alone(polling_flow: PollingFlow) -> None:
    started = await unknown_intent(polling_flow)
    polling_flow.clock.turn(hours=5)

    assert await expire(polling_flow) == 0
    assert (await polling_flow.flow.read(started.intent_id)).state == IntentState.UNKNOWN


async def test_several_workers_send_each_query_once(polling_flow: PollingFlow) -> None:
    for number in range(6):
        await polling_flow.flow.start_intent(f"LK{number:04d}")
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.turn(minutes=1)

    counts = await asyncio.gather(*(poll(polling_flow) for _ in range(3)))

    assert sum(counts) == 6
    assert len(set(polling_flow.queries)) == len(polling_flow.queries) == 6


async def test_account_is_polled_within_its_rate_limit(
    polling_flow: PollingFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.sandbox.adapter._QUERIES_PER_MINUTE", 2)
    for number in range(3):
        await polling_flow.flow.start_intent(f"LK{number:04d}")
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.now = polling_flow.clock.now.replace(second=0) + timedelta(minutes=2)

    counts = [await poll(polling_flow), await poll(polling_flow)]
    polling_flow.clock.turn(minutes=1)
    counts.append(await poll(polling_flow))

    assert counts == [2, 0, 1]


async def test_query_of_a_worker_that_died_is_sent_again(polling_flow: PollingFlow) -> None:
    await expired_intent(polling_flow)
    polling_flow.hang = True
    polling_flow.clock.turn(minutes=1)
    dying = asyncio.create_task(poll(polling_flow))
    while not polling_flow.queries:
        await asyncio.sleep(0.01)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    polling_flow.hang = False

    assert await poll(polling_flow) == 0, "leased by the worker that died"
    polling_flow.clock.turn(minutes=3)
    assert await poll(polling_flow) == 1


@pytest.mark.parametrize(
    ("fault", "again_after"),
    [(asyncpg.NumericValueOutOfRangeError("one"), timedelta(minutes=4)), (Unavailable("busy"), timedelta(minutes=3))],
)
async def test_answer_that_cannot_be_written_is_queried_again_and_is_no_dead_letter(
    polling_flow: PollingFlow, monkeypatch: pytest.MonkeyPatch, fault: Exception, again_after: timedelta
) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.turn(minutes=1)

    async def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as broken, suppress(Unavailable):
        broken.setattr("billing.payments.service.polls.apply_deliveries", fail)
        await poll(polling_flow)
    polling_flow.clock.now += again_after
    await poll(polling_flow)

    assert (await polling_flow.flow.read(started.intent_id)).state == "succeeded"
    assert await polling_flow.rows("SELECT id FROM dead_letter") == []
    await assert_books_are_right(polling_flow.context.database)


async def test_account_that_cannot_be_polled_leaves_unknown_to_a_person_and_expired_alone(
    polling_flow: PollingFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.sandbox.adapter._QUERIES_PER_MINUTE", 0)
    unknown = await unknown_intent(polling_flow)
    await polling_flow.flow.start_intent("LK0002")
    await poll(polling_flow)
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.turn(minutes=1)

    await poll(polling_flow)
    await poll(polling_flow)

    assert polling_flow.queries == []
    assert [row["due_at"] for row in await polling_flow.status_polls()] == [None, None]
    cases = await polling_flow.rows("SELECT reason, intent_id FROM exception_case")
    assert cases == [{"reason": "status_unresolved", "intent_id": unknown.intent_id}]


def refund_of(paid: SandboxMessage, number: str) -> SandboxMessage:
    """A message of the bank that reverses a transfer."""
    return paid.model_copy(update={"transaction_id": number, "bank_reference": f"FTR-{number}", "direction": "debit"})


async def owed_by(flow: PollingFlow, started: StartedIntent) -> int:
    return int((await flow.rows(f"SELECT owed FROM invoice WHERE id = '{started.invoice_id}'"))[0]["owed"])


async def assert_nothing_is_unexplained(flow: PollingFlow) -> None:
    rows = await flow.rows(
        "SELECT coalesce(sum(CASE WHEN debit_account_id = account.id THEN amount ELSE -amount END), 0) AS net"
        " FROM posting JOIN ledger_account AS account ON account.id IN (debit_account_id, credit_account_id)"
        " WHERE account.role = 'unexplained_outflow'"
    )
    assert int(rows[0]["net"]) == 0
    await assert_books_are_right(flow.context.database)


@pytest.mark.parametrize("is_refund_first", [False, True])
@pytest.mark.parametrize("way", ["callback", "poll"])
async def test_payment_and_its_refund_owe_again_by_callback_or_poll(
    polling_flow: PollingFlow, way: str, is_refund_first: bool
) -> None:
    started = await polling_flow.flow.start_intent()
    qr = await polling_flow.qr_of(started.intent_id)
    paid = polling_flow.bank.transfer(qr, Behaviour.EXACT)
    messages = [paid, refund_of(paid, "R1")]
    polling_flow.bank.transactions.write(messages[1])

    if way == "callback":
        for message in reversed(messages) if is_refund_first else messages:
            await polling_flow.call_back(message)
    else:
        if is_refund_first:
            polling_flow.bank.transactions.transfers.reverse()
        polling_flow.clock.turn(minutes=31)
        await expire(polling_flow)
        polling_flow.clock.turn(minutes=2)
        await poll(polling_flow)

    assert await owed_by(polling_flow, started) == OWED
    assert (await polling_flow.flow.read(started.intent_id)).received == 0
    assert [row["reason"] for row in await polling_flow.rows("SELECT reason FROM exception_case")] == [
        "unexpected_reversal"
    ]
    await assert_nothing_is_unexplained(polling_flow)


@pytest.mark.parametrize("is_named", [False, True])
async def test_second_payment_and_refund_of_the_first_are_booked_by_the_first_query(
    polling_flow: PollingFlow, is_named: bool
) -> None:
    started = await polling_flow.flow.start_intent()
    qr = await polling_flow.qr_of(started.intent_id)
    first = polling_flow.bank.transfer(qr, Behaviour.SHORT)
    await polling_flow.call_back(first)
    polling_flow.bank.transfer(qr, Behaviour.SHORT)
    named = {"original_transaction_id": first.transaction_id if is_named else ""}
    polling_flow.bank.transactions.write(refund_of(first, "R1").model_copy(update=named))
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    polling_flow.clock.turn(minutes=2)

    await poll(polling_flow)

    assert await owed_by(polling_flow, started) == OWED // 2
    assert len(await polling_flow.rows("SELECT id FROM payment")) == 2
    if is_named:
        position = await polling_flow.rows(
            "SELECT refunded FROM payment_position JOIN payment ON payment.id = payment_id"
            f" WHERE provider_reference = '{first.transaction_id}'"
        )
        assert position == [{"refunded": OWED // 2}]
    await assert_nothing_is_unexplained(polling_flow)


@pytest.mark.parametrize("fault", [Unavailable, RowChangedMeanwhile, CommitUnknown])
async def test_answer_that_can_never_be_written_goes_to_a_person_after_a_day(
    polling_flow: PollingFlow, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    started = await polling_flow.flow.start_intent()
    polling_flow.bank.transfer(await polling_flow.qr_of(started.intent_id), Behaviour.EXACT)
    polling_flow.clock.turn(minutes=31)
    await expire(polling_flow)
    attempts: list[int] = []

    async def fail(*_: object) -> None:
        attempts.append(1)
        raise fault("again")

    monkeypatch.setattr("billing.payments.service.polls.apply_deliveries", fail)
    for _ in range(60):
        polling_flow.clock.turn(minutes=30)
        with suppress(Unavailable, CommitUnknown):
            await poll(polling_flow)

    assert 40 < len(attempts) < 50, "polled again within a day, and no longer"
    assert [row["due_at"] for row in await polling_flow.status_polls()] == [None]
    assert [row["reason"] for row in await polling_flow.rows("SELECT reason FROM exception_case")] == [
        "status_unresolved"
    ]
