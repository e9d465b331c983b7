"""Asking the bank: what it knows enters like a callback, what it does not say is never a failure."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from billing.checkout.service.expire import expire_once
from billing.core.errors import CommitUnknown, Unavailable
from billing.payments.domain.intent import IntentState
from billing.payments.service.polls import ask_once
from billing.payments.store.bookings import RowChangedMeanwhile
from providers.contract import Outcome
from providers.sandbox.bank import Behaviour
from providers.sandbox.message import SandboxMessage
from tests.services.road import OWED, Bill, assert_books_are_right
from tests.worker.asking_road import AskingRoad


async def ask(road: AskingRoad) -> int:
    return await ask_once(road.context, road.hospital.organization_id)


async def expire(road: AskingRoad) -> int:
    return await expire_once(road.context, road.hospital.organization_id)


async def expired_bill(road: AskingRoad, ma_lk: str = "LK0001") -> Bill:
    bill = await road.road.bill(ma_lk)
    road.clock.turn(minutes=31)
    await expire(road)
    return bill


async def unknown_bill(road: AskingRoad) -> Bill:
    bill = await road.road.bill()
    code = {"reference": bill.code, "fact_keys": frozenset()}
    told = road.road.notice("T0", "", outcome=Outcome.UNKNOWN, status="?", **code)
    await road.intake.submit(road.road.delivery(told))
    assert (await road.road.read(bill.intent_id))["state"] == "unknown"
    return bill


async def test_payment_that_nobody_told_of_is_found_by_asking_and_booked_after_expiry(asking_road: AskingRoad) -> None:
    bill = await asking_road.road.bill()
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=31)
    assert await expire(asking_road) == 1
    assert (await asking_road.road.read(bill.intent_id))["state"] == "expired"

    before_its_time = await ask(asking_road)
    asking_road.clock.turn(minutes=1)
    in_time = await ask(asking_road)

    assert (before_its_time, in_time) == (0, 1)
    intent = await asking_road.road.read(bill.intent_id)
    assert (intent["state"], intent["received"]) == ("succeeded", OWED)
    (row,) = await asking_road.asking()
    assert (row["due_at"], row["asked"], row["last_outcome"]) == (None, 1, "succeeded")
    (body,) = await asking_road.rows("SELECT method, body FROM delivery_body")
    assert body["method"] == "QUERY"
    assert bill.code.encode() in body["body"], "the answer is kept as evidence"
    await assert_books_are_right(asking_road.context.database)


@pytest.mark.parametrize("callback_first", [True, False])
async def test_answer_and_callback_of_one_transaction_are_booked_once(
    asking_road: AskingRoad, callback_first: bool
) -> None:
    bill = await asking_road.road.bill()
    # Half of it, so that the intent is still asked about after the callback.
    message = asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.SHORT)
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.turn(minutes=1)

    if callback_first:
        verdicts = await asking_road.call_back(message), await ask(asking_road)
        assert verdicts == ("amount_differs", 1)
    else:
        verdicts = await ask(asking_road), await asking_road.call_back(message)
        assert verdicts[0] == 1

    assert (await asking_road.road.read(bill.intent_id))["received"] == OWED // 2
    assert len(await asking_road.rows("SELECT id FROM payment")) == 1
    assert len(await asking_road.rows("SELECT id FROM delivery")) == 2
    assert await asking_road.rows("SELECT reason FROM exception_case") == []
    await assert_books_are_right(asking_road.context.database)


async def test_answer_and_callback_at_the_same_moment_are_booked_once(asking_road: AskingRoad) -> None:
    bill = await asking_road.road.bill()
    message = asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.turn(minutes=1)

    await asyncio.gather(ask(asking_road), asking_road.call_back(message))

    assert len(await asking_road.rows("SELECT id FROM payment")) == 1
    await assert_books_are_right(asking_road.context.database)


@pytest.mark.parametrize("failure", [500, 503, 404, 302, "hang"])
async def test_no_authentic_answer_is_unknown_and_asked_again_never_a_failure(
    asking_road: AskingRoad, failure: int | str
) -> None:
    """An unsigned 404 is nobody's word."""
    bill = await unknown_bill(asking_road)
    asking_road.hang = failure == "hang"
    asking_road.status = failure if isinstance(failure, int) else 200
    await ask(asking_road)
    asking_road.clock.turn(minutes=1)

    assert await ask(asking_road) == 1

    (row,) = await asking_road.asking()
    assert (row["asked"], row["last_outcome"]) == (1, "unknown")
    assert row["due_at"] == row["begun_at"] + timedelta(minutes=5)
    assert (await asking_road.road.read(bill.intent_id))["state"] == "unknown"


async def test_unknown_is_asked_about_at_its_times_for_a_day_then_a_person_decides(asking_road: AskingRoad) -> None:
    bill = await unknown_bill(asking_road)
    asking_road.status = 500
    await ask(asking_road)
    begun_at = asking_road.clock.now
    asked_after: list[timedelta] = []
    for _ in range(26 * 60):
        asking_road.clock.turn(minutes=1)
        if await _is_due(asking_road):
            await ask(asking_road)
            asked_after.append(asking_road.clock.now - begun_at)

    minutes = [1, 5, 15, *(60 * hour for hour in range(1, 25))]
    assert [after // timedelta(minutes=1) for after in asked_after] == minutes
    (case,) = await asking_road.rows("SELECT reason, intent_id, amount, state FROM exception_case")
    assert case == {"reason": "asked_in_vain", "intent_id": bill.intent_id, "amount": OWED, "state": "open"}
    assert (await asking_road.road.read(bill.intent_id))["state"] == "unknown"


async def _is_due(road: AskingRoad) -> bool:
    (row,) = await road.asking()
    return row["due_at"] is not None and row["due_at"] <= road.clock.now


async def test_payment_the_bank_does_not_know_ends_the_asking_only_after_fifteen_minutes(
    asking_road: AskingRoad,
) -> None:
    bill = await unknown_bill(asking_road)
    await ask(asking_road)
    asking_road.clock.turn(minutes=1)
    await ask(asking_road)
    (early,) = await asking_road.asking()
    asking_road.clock.turn(minutes=15)
    await ask(asking_road)
    (late,) = await asking_road.asking()

    assert (early["last_outcome"], early["due_at"] is None) == ("not_found", False)
    assert (late["last_outcome"], late["due_at"]) == ("not_found", None)
    assert (await asking_road.road.read(bill.intent_id))["state"] == "unknown"
    asking_road.clock.turn(minutes=30)
    assert await expire(asking_road) == 1, "what its bank has never heard of expires"
    assert await asking_road.rows("SELECT reason FROM exception_case") == []


async def test_unknown_intent_is_not_expired_by_the_clock_alone(asking_road: AskingRoad) -> None:
    bill = await unknown_bill(asking_road)
    asking_road.clock.turn(hours=5)

    assert await expire(asking_road) == 0
    assert (await asking_road.road.read(bill.intent_id))["state"] == IntentState.UNKNOWN


async def test_several_workers_ask_each_question_once(asking_road: AskingRoad) -> None:
    for number in range(6):
        await asking_road.road.bill(f"LK{number:04d}")
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.turn(minutes=1)

    counts = await asyncio.gather(*(ask(asking_road) for _ in range(3)))

    assert sum(counts) == 6
    assert len(set(asking_road.questions)) == len(asking_road.questions) == 6


async def test_account_is_asked_within_its_budget_of_the_minute(
    asking_road: AskingRoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.sandbox.adapter._QUERIES_PER_MINUTE", 2)
    for number in range(3):
        await asking_road.road.bill(f"LK{number:04d}")
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.now = asking_road.clock.now.replace(second=0) + timedelta(minutes=2)

    counts = [await ask(asking_road), await ask(asking_road)]
    asking_road.clock.turn(minutes=1)
    counts.append(await ask(asking_road))

    assert counts == [2, 0, 1]


async def test_question_of_a_worker_that_died_is_asked_again(asking_road: AskingRoad) -> None:
    await expired_bill(asking_road)
    asking_road.hang = True
    asking_road.clock.turn(minutes=1)
    dying = asyncio.create_task(ask(asking_road))
    while not asking_road.questions:
        await asyncio.sleep(0.01)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    asking_road.hang = False

    assert await ask(asking_road) == 0, "claimed by the dead"
    asking_road.clock.turn(minutes=3)
    assert await ask(asking_road) == 1


@pytest.mark.parametrize(
    ("fault", "again_after"),
    [(asyncpg.NumericValueOutOfRangeError("one"), timedelta(minutes=4)), (Unavailable("busy"), timedelta(minutes=3))],
)
async def test_answer_that_cannot_be_written_is_asked_for_again_and_is_no_dead_letter(
    asking_road: AskingRoad, monkeypatch: pytest.MonkeyPatch, fault: Exception, again_after: timedelta
) -> None:
    bill = await asking_road.road.bill()
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.turn(minutes=1)

    async def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as broken, suppress(Unavailable):
        broken.setattr("billing.payments.service.polls.apply_deliveries", fail)
        await ask(asking_road)
    asking_road.clock.now += again_after
    await ask(asking_road)

    assert (await asking_road.road.read(bill.intent_id))["state"] == "succeeded"
    assert await asking_road.rows("SELECT id FROM dead_letter") == []
    await assert_books_are_right(asking_road.context.database)


async def test_account_that_cannot_be_asked_leaves_unknown_to_a_person_and_expired_alone(
    asking_road: AskingRoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.sandbox.adapter._QUERIES_PER_MINUTE", 0)
    unknown = await unknown_bill(asking_road)
    await asking_road.road.bill("LK0002")
    await ask(asking_road)
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.turn(minutes=1)

    await ask(asking_road)
    await ask(asking_road)

    assert asking_road.questions == []
    assert [row["due_at"] for row in await asking_road.asking()] == [None, None]
    cases = await asking_road.rows("SELECT reason, intent_id FROM exception_case")
    assert cases == [{"reason": "asked_in_vain", "intent_id": unknown.intent_id}]


def refund_of(paid: SandboxMessage, number: str) -> SandboxMessage:
    """The bank takes a transfer back; its book and its text say so."""
    return paid.model_copy(update={"transaction_id": number, "bank_reference": f"FTR-{number}", "direction": "debit"})


async def owed_by(road: AskingRoad, bill: Bill) -> int:
    return int((await road.rows(f"SELECT owed FROM invoice WHERE id = '{bill.invoice_id}'"))[0]["owed"])


async def assert_nothing_is_unexplained(road: AskingRoad) -> None:
    rows = await road.rows(
        "SELECT coalesce(sum(CASE WHEN debit_account_id = account.id THEN amount ELSE -amount END), 0) AS net"
        " FROM posting JOIN ledger_account AS account ON account.id IN (debit_account_id, credit_account_id)"
        " WHERE account.role = 'unexplained_outflow'"
    )
    assert int(rows[0]["net"]) == 0
    await assert_books_are_right(road.context.database)


@pytest.mark.parametrize("is_refund_first", [False, True])
@pytest.mark.parametrize("way", ["called back", "asked"])
async def test_payment_and_its_refund_owe_again_called_back_or_asked(
    asking_road: AskingRoad, way: str, is_refund_first: bool
) -> None:
    bill = await asking_road.road.bill()
    qr = await asking_road.qr_of(bill.intent_id)
    paid = asking_road.bank.transfer(qr, Behaviour.EXACT)
    told = [paid, refund_of(paid, "R1")]
    asking_road.bank.book.write(told[1])

    if way == "called back":
        for message in reversed(told) if is_refund_first else told:
            await asking_road.call_back(message)
    else:
        if is_refund_first:
            asking_road.bank.book._messages.reverse()
        asking_road.clock.turn(minutes=31)
        await expire(asking_road)
        asking_road.clock.turn(minutes=2)
        await ask(asking_road)

    assert await owed_by(asking_road, bill) == OWED
    assert (await asking_road.road.read(bill.intent_id))["received"] == 0
    assert [row["reason"] for row in await asking_road.rows("SELECT reason FROM exception_case")] == [
        "money_left_unasked"
    ]
    await assert_nothing_is_unexplained(asking_road)


@pytest.mark.parametrize("is_named", [False, True])
async def test_second_payment_and_refund_of_the_first_are_booked_by_the_first_question(
    asking_road: AskingRoad, is_named: bool
) -> None:
    bill = await asking_road.road.bill()
    qr = await asking_road.qr_of(bill.intent_id)
    first = asking_road.bank.transfer(qr, Behaviour.SHORT)
    await asking_road.call_back(first)
    asking_road.bank.transfer(qr, Behaviour.SHORT)
    named = {"original_transaction_id": first.transaction_id if is_named else ""}
    asking_road.bank.book.write(refund_of(first, "R1").model_copy(update=named))
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    asking_road.clock.turn(minutes=2)

    await ask(asking_road)

    assert await owed_by(asking_road, bill) == OWED // 2
    assert len(await asking_road.rows("SELECT id FROM payment")) == 2
    if is_named:
        position = await asking_road.rows(
            "SELECT refunded FROM payment_position JOIN payment ON payment.id = payment_id"
            f" WHERE provider_reference = '{first.transaction_id}'"
        )
        assert position == [{"refunded": OWED // 2}]
    await assert_nothing_is_unexplained(asking_road)


@pytest.mark.parametrize("fault", [Unavailable, RowChangedMeanwhile, CommitUnknown])
async def test_answer_that_can_never_be_written_goes_to_a_person_after_a_day(
    asking_road: AskingRoad, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    bill = await asking_road.road.bill()
    asking_road.bank.transfer(await asking_road.qr_of(bill.intent_id), Behaviour.EXACT)
    asking_road.clock.turn(minutes=31)
    await expire(asking_road)
    attempts: list[int] = []

    async def fail(*_: object) -> None:
        attempts.append(1)
        raise fault("again")

    monkeypatch.setattr("billing.payments.service.polls.apply_deliveries", fail)
    for _ in range(60):
        asking_road.clock.turn(minutes=30)
        with suppress(Unavailable, CommitUnknown):
            await ask(asking_road)

    assert 40 < len(attempts) < 50, "asked again within a day, and no longer"
    assert [row["due_at"] for row in await asking_road.asking()] == [None]
    assert [row["reason"] for row in await asking_road.rows("SELECT reason FROM exception_case")] == ["asked_in_vain"]
