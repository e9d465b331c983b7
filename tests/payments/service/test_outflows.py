"""Money that leaves: taken out of its own payment, whichever of the two is known first, whoever brings them."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing.core.ids import PaymentId
from billing.db.connection_errors import DatabaseBusy
from billing.db.database import Transaction
from billing.payments.service import match_outflows
from billing.payments.service.apply_notices import apply_deliveries
from billing.payments.service.apply_outflows import apply_outflows
from billing.payments.service.intake import Intake, IntakeLimits
from billing.payments.service.match_outflows import match_outflows_once
from billing.payments.service.payment_events import Answer
from providers.contract import Movement, Notice, Verdict
from tests.flow import OWED, PaymentFlow, StartedIntent, assert_books_are_right
from tests.payments.service.test_callback_path import balances, count, reasons

HALF = OWED // 2


async def apply(flow: PaymentFlow, *deliveries: Sequence[Notice]) -> list[Answer]:
    """Apply deliveries in one batch, as every caller does."""
    made = [flow.delivery(*notices) for notices in deliveries]
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        answers = await apply_deliveries(tx, made, flow.context)
    return [answers[one.id] for one in made]


def back(flow: PaymentFlow, number: str, text: str = "hoan tien", *, amount: int = OWED, **changes: Any) -> Notice:
    """An unrequested refund."""
    return flow.notice(number, text, amount=amount, movement=Movement.REFUNDED, **changes)


def of(transaction: str) -> frozenset[str]:
    return frozenset({f"transaction:{transaction}"})


async def standing(flow: PaymentFlow, started: StartedIntent) -> dict[str, Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        owed = await tx.fetchval("SELECT owed FROM invoice WHERE id = $1", started.invoice_id)
        positions = await tx.fetch(
            "SELECT payment.provider_reference AS name, position.refunded FROM payment"
            " JOIN payment_position AS position ON position.payment_id = payment.id ORDER BY 1"
        )
    row = await flow.read(started.intent_id)
    return {
        "owed": owed,
        "intent": (row.state, row.received),
        "refunded": {position["name"]: position["refunded"] for position in positions},
    }


async def assert_all_is_explained(flow: PaymentFlow) -> None:
    assert (await balances(flow)).get("unexplained_outflow", 0) == 0
    await assert_books_are_right(flow.context.database)


async def add_name(flow: PaymentFlow, number: str, name: str) -> None:
    """As if a payment had had a further name all along, which no booking has seen."""
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await tx.execute(
            "INSERT INTO movement_key (organization_id, account_id, movement, key, movement_id, amount)"
            " SELECT organization_id, account_id, movement, $2, movement_id, amount FROM movement_key WHERE key = $1",
            f"transaction:{number}",
            f"transaction:{name}",
        )


@pytest.fixture
async def opened(flow: PaymentFlow) -> PaymentFlow:
    await flow.deliver(flow.notice("opens-the-day", "tien le", amount=1))
    return flow


@pytest.mark.parametrize("movement", [Movement.REFUNDED, Movement.REVERSED])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("shape", ["one delivery", "one batch", "two batches"])
@pytest.mark.parametrize("is_refund_first", [True, False])
async def test_payment_and_its_refund_owe_again_in_either_order(
    opened: PaymentFlow, movement: Movement, is_named: bool, shape: str, is_refund_first: bool
) -> None:
    started = await opened.start_intent()
    came = opened.notice("T1", started.code)
    left = back(opened, "R1", "hoan tien" if is_named else started.code, reverses=of("T1") if is_named else frozenset())
    left = replace(left, movement=movement)
    notices = [left, came] if is_refund_first else [came, left]

    if shape == "one delivery":
        await apply(opened, notices)
    elif shape == "one batch":
        await apply(opened, *([one] for one in notices))
    else:
        for one in notices:
            await apply(opened, [one])

    found = await standing(opened, started)
    assert (found["owed"], found["intent"]) == (OWED, ("pending", 0))
    assert found["refunded"]["T1"] == OWED
    assert "unexpected_reversal" in await reasons(opened)
    await assert_all_is_explained(opened)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_refund_is_taken_from_the_payment_it_names_in_any_order(
    opened: PaymentFlow, order: tuple[int, ...], is_one_batch: bool
) -> None:
    started = await opened.start_intent()
    notices = [
        opened.notice("T1", started.code, amount=HALF),
        opened.notice("T2", started.code, amount=HALF),
        back(opened, "R1", started.code, amount=HALF, reverses=of("T1")),
    ]
    shuffled = [notices[place] for place in order]

    for batch in [shuffled] if is_one_batch else [[one] for one in shuffled]:
        await apply(opened, batch)

    found = await standing(opened, started)
    assert (found["owed"], found["intent"]) == (HALF, ("pending", HALF))
    assert found["refunded"] == {"T1": HALF, "T2": 0, "opens-the-day": 0}
    await assert_all_is_explained(opened)


async def test_second_payment_and_refund_of_the_first_in_one_delivery_are_both_booked(opened: PaymentFlow) -> None:
    """The invoice is changed twice in one transaction, by what came and by what left."""
    started = await opened.start_intent()
    await apply(opened, [opened.notice("T1", started.code, amount=HALF)])

    (answer,) = await apply(
        opened,
        [
            opened.notice("T2", started.code, amount=HALF),
            back(opened, "R1", started.code, amount=HALF, reverses=of("T1")),
        ],
    )

    assert answer.verdict in {Verdict.ACCEPTED, Verdict.AMOUNT_DIFFERS}
    assert (await standing(opened, started))["owed"] == HALF
    await assert_all_is_explained(opened)


async def test_refund_that_names_a_payment_takes_no_other(opened: PaymentFlow) -> None:
    """The second payment is refunded before it is known: the first one stays whole."""
    started = await opened.start_intent()
    await apply(opened, [opened.notice("T1", started.code)])
    await apply(opened, [back(opened, "R2", started.code, reverses=of("T2"))])
    assert (await standing(opened, started))["owed"] == 0

    await apply(opened, [opened.notice("T2", started.code)])

    found = await standing(opened, started)
    assert (found["owed"], found["refunded"]["T1"], found["refunded"]["T2"]) == (0, 0, OWED)
    await assert_all_is_explained(opened)


async def test_refund_of_a_payment_without_a_code_is_found_by_its_name(opened: PaymentFlow) -> None:
    await apply(opened, [back(opened, "R1", reverses=of("T1"))])
    await apply(opened, [opened.notice("T1", "khong co ma")])

    assert (await balances(opened))["unallocated"] == -1
    await assert_all_is_explained(opened)


async def test_refund_waits_for_the_payment_whose_name_is_attached_later(opened: PaymentFlow) -> None:
    """The key that the refund names is in the second payment event of the payment."""
    started = await opened.start_intent()
    came = opened.notice("T1", started.code)
    await apply(opened, [came], [back(opened, "R1", reverses=of("S1"))])
    assert (await standing(opened, started))["owed"] == 0
    again = replace(came, event_key="listed", movement_keys=came.movement_keys | of("S1"), fingerprint=b"listed")

    await apply(opened, [again])

    assert (await standing(opened, started))["owed"] == OWED
    await assert_all_is_explained(opened)


async def test_partial_refunds_before_the_payment_add_up(opened: PaymentFlow) -> None:
    started = await opened.start_intent()
    for number, amount in enumerate((10_000, 20_000)):
        await apply(opened, [back(opened, f"R{number}", amount=amount, reverses=of("T1"))])

    await apply(opened, [opened.notice("T1", started.code)])

    found = await standing(opened, started)
    assert (found["owed"], found["intent"]) == (30_000, ("pending", OWED - 30_000))
    await assert_all_is_explained(opened)


async def test_more_than_its_payment_waits_for_a_person(opened: PaymentFlow) -> None:
    started = await opened.start_intent()
    await apply(opened, [back(opened, "R1", started.code, amount=OWED + 1)], [opened.notice("T1", started.code)])

    assert (await standing(opened, started))["owed"] == 0
    assert (await balances(opened))["unexplained_outflow"] == OWED + 1
    assert "unexpected_reversal" in await reasons(opened)
    await assert_books_are_right(opened.context.database)


async def test_refund_with_two_codes_of_ours_is_not_guessed(opened: PaymentFlow) -> None:
    intents = [await opened.start_intent("LK1"), await opened.start_intent("LK2")]
    await apply(opened, *([opened.notice(started.code, started.code)] for started in intents))

    await apply(opened, [back(opened, "R1", f"{intents[0].code} {intents[1].code}")])

    assert [(await standing(opened, started))["owed"] for started in intents] == [0, 0]
    assert (await balances(opened))["unexplained_outflow"] == OWED


async def test_refund_delivered_twice_before_its_payment_is_taken_once(opened: PaymentFlow) -> None:
    started = await opened.start_intent()
    left = back(opened, "R1", started.code)
    await apply(opened, [left], [left])
    await apply(opened, [opened.notice("T1", started.code)], [left])
    await apply(opened, [opened.notice("T1", started.code)], [left])

    assert (await standing(opened, started))["refunded"]["T1"] == OWED
    assert await count(opened, "payment") == 2
    await opened.deliver(opened.notice("T2", started.code))
    assert (await standing(opened, started))["owed"] == 0
    await assert_all_is_explained(opened)


async def test_exception_of_a_refund_names_its_payment(opened: PaymentFlow) -> None:
    started = await opened.start_intent()
    await apply(opened, [back(opened, "R1", started.code), opened.notice("T1", started.code)])

    async with opened.context.database.transaction(opened.hospital.organization_id) as tx:
        named = await tx.fetch(
            "SELECT payment.provider_reference FROM exception_case AS opened"
            " JOIN payment ON payment.id = opened.payment_id WHERE opened.reason = 'unexpected_reversal'"
        )
    assert [row["provider_reference"] for row in named] == ["T1"]


async def test_match_that_two_transactions_missed_is_found_later(opened: PaymentFlow) -> None:
    """A refund and its payment, neither of which saw the other: a round of the worker brings them together."""
    started = await opened.start_intent()
    await apply(opened, [back(opened, "R1", reverses=of("T9"))], [opened.notice("T1", started.code)])
    await add_name(opened, "T1", "T9")
    organization_id = opened.hospital.organization_id

    assert [await match_outflows_once(opened.context, organization_id) for _ in range(2)] == [1, 0]

    assert (await standing(opened, started))["owed"] == OWED
    await assert_all_is_explained(opened)


async def test_outflow_that_fails_does_not_stop_the_others(
    opened: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await opened.start_intent("LK1"), await opened.start_intent("LK2")
    await apply(opened, [back(opened, "R1", reverses=of("T8"))], [opened.notice("T1", first.code)])
    await apply(opened, [back(opened, "R2", reverses=of("T9"))], [opened.notice("T2", second.code)])
    await add_name(opened, "T1", "T8")
    await add_name(opened, "T2", "T9")
    tried: list[PaymentId] = []

    async def fail_first(tx: Transaction, new: Sequence[Any], waiting: Sequence[PaymentId], **known: Any) -> int:
        tried.extend(waiting)
        if len(tried) == 1:
            raise DatabaseBusy("another transaction holds the lock")
        return await apply_outflows(tx, new, waiting, **known)

    monkeypatch.setattr(match_outflows, "apply_outflows", fail_first)
    with pytest.raises(DatabaseBusy):
        await match_outflows_once(opened.context, opened.hospital.organization_id)

    assert len(tried) == 2
    assert await match_outflows_once(opened.context, opened.hospital.organization_id) == 1
    assert tried[2:] == tried[:1], "the other one is matched"
    await assert_all_is_explained(opened)


@pytest.mark.parametrize("seed", range(4))
async def test_refunds_and_payments_through_two_intakes_at_once_are_all_explained(flow: PaymentFlow, seed: int) -> None:
    """Batches with money in and out of the same invoices, in every order: no circle of locks, nothing unexplained."""
    intents = [await flow.start_intent(f"LK{number}") for number in range(3)]
    notices: list[Notice] = []
    for number in range(18):
        started = intents[number % 3]
        notices.append(flow.notice(f"T{number}", started.code, amount=1_000 + number))
        if number % 2:
            notices.append(back(flow, f"R{number}", started.code, amount=1_000 + number, reverses=of(f"T{number}")))
    notices = notices[seed::2] + notices[:seed] + notices[::-1]

    limits = IntakeLimits(queues=1, batch_max=5)
    async with Intake(flow.context, limits) as here, Intake(flow.context, limits) as there:
        await asyncio.gather(
            *((here, there)[place % 2].submit(flow.delivery(notice)) for place, notice in enumerate(notices))
        )
    await match_outflows_once(flow.context, flow.hospital.organization_id)

    kept = sum(1_000 + number for number in range(18) if not number % 2)
    assert (await balances(flow))["clearing"] == kept
    await assert_all_is_explained(flow)


async def test_refund_dated_on_an_earlier_day_is_matched_today(opened: PaymentFlow) -> None:
    started = await opened.start_intent()
    yesterday = opened.context.clock() - timedelta(days=1)
    await apply(opened, [back(opened, "R1", started.code, occurred_at=yesterday)])
    await apply(opened, [opened.notice("T1", started.code, occurred_at=yesterday)])

    assert (await standing(opened, started))["owed"] == OWED
    await assert_all_is_explained(opened)


def referenced(flow: PaymentFlow, number: str, text: str, reference: str = "FT1", **changes: Any) -> Notice:
    """Money received under its provider's id and a bank reference."""
    keys = frozenset({f"transaction:{number}", f"bank:{reference}"})
    return flow.notice(number, text, movement_keys=keys, bank_reference=reference, **changes)


def reversal(flow: PaymentFlow, number: str, text: str = "dao giao dich", **changes: Any) -> Notice:
    """Money that left under the same bank reference, without the name of a payment."""
    return replace(referenced(flow, number, text, **changes), movement=Movement.REVERSED)


@pytest.mark.parametrize("is_first", [True, False], ids=["payment-first", "reversal-first"])
async def test_reversal_under_the_bank_reference_of_its_payment_owes_again(opened: PaymentFlow, is_first: bool) -> None:
    started = await opened.start_intent()
    notices = [referenced(opened, "T1", started.code), reversal(opened, "R1")]
    for notice in notices if is_first else reversed(notices):
        await apply(opened, [notice])

    assert (await standing(opened, started))["owed"] == OWED
    await assert_all_is_explained(opened)


@pytest.mark.parametrize("is_first", [True, False], ids=["payment-first", "outflow-first"])
@pytest.mark.parametrize("difference", ["amount", "days", "code"])
async def test_outflow_with_a_repeated_bank_reference_takes_no_other_payment(
    opened: PaymentFlow, difference: str, is_first: bool
) -> None:
    """A bank reference is weak for money that left as well: another amount, day or code is another movement."""
    started, other = await opened.start_intent("LK1"), await opened.start_intent("LK2")
    came = referenced(opened, "T1", started.code)
    left = reversal(opened, "R1")
    if difference == "amount":
        left = reversal(opened, "R1", amount=HALF)
    elif difference == "days":
        came = replace(came, occurred_at=came.occurred_at - timedelta(days=5))
    else:
        left = reversal(opened, "R1", f"tra lai {other.code}")
    for notice in [came, left] if is_first else [left, came]:
        await apply(opened, [notice])
    await match_outflows_once(opened.context, opened.hospital.organization_id)

    assert (await standing(opened, started))["owed"] == 0
    assert (await balances(opened))["unexplained_outflow"] == left.amount
    assert "unexpected_reversal" in await reasons(opened)
    await assert_books_are_right(opened.context.database)
