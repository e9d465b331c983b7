"""From delivery to ledger on a real PostgreSQL: nothing lost, nothing doubled, whatever the order."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.core.clock import business_date
from billing.core.errors import Unavailable
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.invoices.service.issue import find_invoice
from billing.ledger.store.journal import read_trial_balance
from billing.payments.service.intake import Intake, IntakeLimits, QueueFull
from providers.contract import Movement, Outcome, Verdict
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right, find_mismatches


async def balances(flow: PaymentFlow, *, organization: OrganizationId | None = None) -> dict[str, int]:
    """Debits less credits of each role that moved."""
    async with flow.context.database.transaction(organization or flow.hospital.organization_id) as tx:
        rows = await read_trial_balance(tx, on=business_date(flow.context.clock()))
    return {row.role: row.debit - row.credit for row in rows if row.debit or row.credit}


async def count(flow: PaymentFlow, table: str) -> int:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return int(await tx.fetchval(f"SELECT count(*) FROM {table}"))


async def reasons(flow: PaymentFlow) -> list[str]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return [row["reason"] for row in await tx.fetch("SELECT reason FROM exception_case ORDER BY id")]


async def test_payment_settles_the_invoice_and_stands_in_the_ledger(flow: PaymentFlow) -> None:
    started = await flow.start_intent()

    (answer,) = await flow.deliver(flow.notice("T1", f"MBVCB.1.{started.code}.CT tu 01"))

    assert answer.verdict is Verdict.ACCEPTED
    assert await balances(flow) == {
        "clearing": OWED,
        "receivable_patient": 0,
        "receivable_insurer": 464_000,
        "revenue": -600_000,
    }
    invoice = await find_invoice(flow.context, flow.hospital.organization_id, started.invoice_id)
    assert (invoice.owed, invoice.allocated, invoice.version) == (0, OWED, 2)
    assert (await flow.read(started.intent_id)).state == "succeeded"
    await assert_books_are_right(flow.context.database)


async def test_callback_received_twice_posts_once_and_keeps_its_receipt(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)

    first, second = await flow.deliver(notice, notice)

    assert (first.verdict, second.verdict) == (Verdict.ACCEPTED, Verdict.DUPLICATE)
    assert first.receipt_id == second.receipt_id
    assert await count(flow, "payment") == 1
    assert await count(flow, "delivery") == 2
    await assert_books_are_right(flow.context.database)


async def test_callback_twice_in_one_batch_posts_once(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)

    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        answers = await asyncio.gather(*(intake.submit(flow.delivery(notice)) for _ in range(20)))

    assert sorted(answer.verdict for answer in answers) == ["accepted"] + ["duplicate"] * 19
    assert len({answer.receipt_id for answer in answers}) == 1
    assert await count(flow, "payment") == 1
    await assert_books_are_right(flow.context.database)


async def test_two_processes_claim_one_key_once(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)

    async with Intake(flow.context) as here, Intake(flow.context) as there:
        answers = await asyncio.gather(
            *(intake.submit(flow.delivery(notice)) for _ in range(10) for intake in (here, there))
        )

    assert [answer.verdict for answer in answers].count(Verdict.ACCEPTED) == 1
    assert await count(flow, "payment") == 1
    await assert_books_are_right(flow.context.database)


async def test_two_intents_for_one_invoice_at_once_never_take_more_than_is_owed(flow: PaymentFlow) -> None:
    first = await flow.start_intent()
    second = await flow.intent([first.invoice_id])

    async with Intake(flow.context) as here, Intake(flow.context) as there:
        await asyncio.gather(
            here.submit(flow.delivery(flow.notice("T1", first.code))),
            there.submit(flow.delivery(flow.notice("T2", second.code))),
        )

    found = await balances(flow)
    assert found["clearing"] == 2 * OWED
    assert found["receivable_patient"] == 0
    assert found["patient_credit"] == -OWED
    assert await reasons(flow) == ["already_paid"]
    await assert_books_are_right(flow.context.database)


async def test_rejoined_code_is_booked_with_the_exact_amount_and_proposed_without(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    split = f"{started.code[:4]} {started.code[4:7]}\n{started.code[7:]}"

    other, exact = await flow.deliver(flow.notice("T1", split, amount=OWED - 1), flow.notice("T2", split))

    assert (other.verdict, exact.verdict) == (Verdict.ACCEPTED, Verdict.ACCEPTED)
    assert await reasons(flow) == ["split_reference_amount_mismatch"]
    assert (await balances(flow))["unallocated"] == -(OWED - 1)
    assert (await flow.read(started.intent_id)).received == OWED


async def test_short_then_the_rest_settles(flow: PaymentFlow) -> None:
    started = await flow.start_intent()

    short, rest = await flow.deliver(
        flow.notice("T1", started.code, amount=100_000), flow.notice("T2", started.code, amount=36_000)
    )

    assert (short.verdict, rest.verdict) == (Verdict.AMOUNT_DIFFERS, Verdict.ACCEPTED)
    assert (await flow.read(started.intent_id)).state == "succeeded"
    assert (await balances(flow))["receivable_patient"] == 0
    await assert_books_are_right(flow.context.database)


async def test_failure_reported_after_success_changes_nothing(flow: PaymentFlow) -> None:
    started = await flow.start_intent()

    await flow.deliver(
        flow.notice("T1", started.code),
        flow.notice("T1", started.code, status="FAILED", outcome=Outcome.FAILED),
    )

    assert (await flow.read(started.intent_id)).state == "succeeded"
    assert (await balances(flow))["clearing"] == OWED


async def test_success_reported_after_failure_is_booked(flow: PaymentFlow) -> None:
    started = await flow.start_intent()

    await flow.deliver(
        flow.notice("T1", started.code, status="FAILED", outcome=Outcome.FAILED),
        flow.notice("T1", started.code),
    )

    assert (await flow.read(started.intent_id)).state == "succeeded"
    assert (await balances(flow))["clearing"] == OWED


async def test_changed_redelivery_never_shadows_money_still_to_come(flow: PaymentFlow) -> None:
    """A repeated event with other content claims no key: the money it wrongly names can still be booked."""
    started = await flow.start_intent()
    first = flow.notice("T1", started.code, amount=100_000)
    changed = replace(first, movement_keys=frozenset({"transaction:T2"}), fingerprint=b"changed")
    real = flow.notice("T2", started.code, amount=36_000)

    await flow.deliver(first, changed, real)

    assert (await balances(flow))["clearing"] == OWED
    assert await reasons(flow) == ["event_content_changed"]


async def test_money_that_leaves_unasked_is_in_the_ledger_and_with_a_person(flow: PaymentFlow) -> None:
    started = await flow.start_intent()

    await flow.deliver(flow.notice("T1", started.code), flow.notice("R1", "hoan tien", movement=Movement.REFUNDED))

    found = await balances(flow)
    assert found["clearing"] == 0
    assert found["unexplained_outflow"] == OWED
    assert await reasons(flow) == ["unexpected_reversal"]


@pytest.mark.parametrize("movement", [Movement.REFUNDED, Movement.REVERSED])
async def test_money_that_leaves_is_owed_again(flow: PaymentFlow, movement: Movement) -> None:
    """An unrequested reversal under the payment's own key: booked, reversed, and an exception for a person."""
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)

    await flow.deliver(
        notice, replace(notice, movement=movement, fingerprint=b"back"), replace(notice, movement=movement)
    )

    found = await balances(flow)
    assert (found["clearing"], found["receivable_patient"]) == (0, OWED)
    row = await flow.read(started.intent_id)
    assert (row.state, row.received) == ("pending", 0)
    assert await count(flow, "allocation") == 2
    await flow.deliver(flow.notice("T2", started.code))
    assert (await balances(flow))["receivable_patient"] == 0
    await assert_books_are_right(flow.context.database)


async def test_part_that_leaves_is_taken_from_the_newest_allocation(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    over = flow.notice("T1", started.code, amount=OWED + 50_000)

    await flow.deliver(over, flow.notice("R1", started.code, amount=60_000, movement=Movement.REFUNDED))

    found = await balances(flow)
    assert (found["clearing"], found["patient_credit"], found["receivable_patient"]) == (OWED - 10_000, 0, 10_000)
    await assert_books_are_right(flow.context.database)


async def test_payment_and_its_reversal_in_one_batch_cancel_each_other_out(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    notice = flow.notice("T1", started.code)
    back = replace(notice, movement=Movement.REVERSED)

    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        await asyncio.gather(*(intake.submit(flow.delivery(one)) for one in (back, notice)))

    assert (await balances(flow))["receivable_patient"] == OWED
    await assert_books_are_right(flow.context.database)


async def test_event_of_yesterday_is_booked_today_when_yesterday_was_never_open(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    yesterday = flow.context.clock() - timedelta(days=1)

    await flow.deliver(flow.notice("T1", started.code, occurred_at=yesterday))

    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        row = await tx.fetchrow(
            "SELECT effective_at, accounting_date FROM journal_entry WHERE kind = 'payment_received'"
        )
    assert row is not None
    assert row["effective_at"] == yesterday
    assert row["accounting_date"] == business_date(flow.context.clock())


async def test_one_delivery_at_fault_is_kept_claims_nothing_and_does_not_hold_up_its_batch(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    broken = flow.notice("T0", "a text with \x00 in it")
    good = [flow.notice(f"T{number}", started.code, amount=1_000) for number in range(1, 8)]

    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        answers = await asyncio.gather(
            *(intake.submit(flow.delivery(notice)) for notice in [*good[:3], broken, *good[3:]])
        )

    assert [answer.verdict for answer in answers].count(Verdict.STORED) == 1
    assert answers[3].verdict is Verdict.STORED
    assert (await balances(flow))["clearing"] == 7_000
    assert await count(flow, "dead_letter") == 1
    assert await count(flow, "event_key") == await count(flow, "delivery") == 7
    await assert_books_are_right(flow.context.database)


async def test_account_that_brings_too_many_dead_letters_is_answered_try_later(flow: PaymentFlow) -> None:
    broken = [flow.notice(f"T{number}", "\x00") for number in range(7)]

    async with Intake(flow.context, IntakeLimits(queues=1)) as intake:
        answers = [await intake.submit(flow.delivery(notice)) for notice in broken[:5]]
        assert intake.throttled_accounts() == {flow.account.id}
        with pytest.raises(Unavailable):
            await intake.submit(flow.delivery(broken[5]))
        with pytest.raises(Unavailable):
            await intake.submit(flow.delivery(flow.notice("T8", "right")))

    assert {answer.verdict for answer in answers} == {Verdict.STORED}
    assert await count(flow, "dead_letter") == 5


async def test_full_queue_refuses_and_the_next_delivery_is_exact(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    notices = [flow.notice(f"T{number}", started.code, amount=1_000) for number in range(10)]

    async with Intake(flow.context, IntakeLimits(queues=1, waiting_max=4)) as intake:
        answers = await asyncio.gather(
            *(intake.submit(flow.delivery(notice)) for notice in notices), return_exceptions=True
        )
        refused = [notice for notice, answer in zip(notices, answers, strict=True) if isinstance(answer, QueueFull)]
        assert len(refused) == 6
        assert not intake.is_full(flow.hospital.organization_id)
        for notice in refused + notices:
            await intake.submit(flow.delivery(notice))

    assert (await balances(flow))["clearing"] == 10_000


@pytest.mark.parametrize("seed", range(6))
async def test_any_interleaving_over_the_database_gives_the_sum_of_the_distinct_payments(
    flow: PaymentFlow, seed: int
) -> None:
    """Duplicates, reorderings and payment events of one intent, through two intakes with small batches at once."""
    chance = random.Random(seed)
    intents = [await flow.start_intent(f"LK{number}") for number in range(3)]
    distinct = [
        flow.notice(f"T{number}", chance.choice(intents).code, amount=chance.randint(1, 90_000)) for number in range(12)
    ]
    pending = [
        replace(one, event_key=one.event_key + "P", outcome=Outcome.PENDING, provider_status="PENDING")
        for one in distinct
    ]
    stream = distinct + chance.choices(distinct + pending, k=40)
    chance.shuffle(stream)

    limits = IntakeLimits(queues=1, batch_max=chance.randint(1, 9), wait_max_ms=60_000)
    async with Intake(flow.context, limits) as here, Intake(flow.context, limits) as there:
        await asyncio.gather(*(chance.choice([here, there]).submit(flow.delivery(notice)) for notice in stream))

    assert (await balances(flow))["clearing"] == sum(notice.amount for notice in distinct)
    assert await count(flow, "payment") == len(distinct)
    await assert_books_are_right(flow.context.database)


async def test_rows_of_another_organization_do_not_exist(flow: PaymentFlow, database: DatabaseAddress) -> None:
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    anonymous_client = OrganizationId(2)

    async with flow.context.database.transaction(anonymous_client) as tx:
        tables = await tx.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND relname <> 'schema_migration'"
        )
        seen = {row["relname"]: await tx.fetchval(f"SELECT count(*) FROM {row['relname']}") for row in tables}

    assert len(seen) > 25
    assert {name for name, rows in seen.items() if rows} == set()


async def test_proofs_name_what_somebody_tampered_with(flow: PaymentFlow, database: DatabaseAddress) -> None:
    """The proofs can fail: an invoice, a position and an intent changed behind the ledger's back are all named."""
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    owner = await Database.open(database.owner_url)
    async with owner.transaction(flow.hospital.organization_id) as tx:
        await tx.execute("UPDATE invoice SET allocated = allocated - 1, owed = owed + 1")
        await tx.execute("UPDATE payment_position SET on_invoices = on_invoices - 1, credit = credit + 1")
        await tx.execute("UPDATE intent SET received = received + 1")
    await owner.close()

    assert set(await find_mismatches(flow.context.database)) == {
        "invoices-owe-their-receivable",
        "invoices-hold-their-allocations",
        "payments-are-placed-once",
        "intents-count-their-money",
        "credit-and-unallocated-agree",
    }
