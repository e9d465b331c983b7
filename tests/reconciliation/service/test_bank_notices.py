"""Lines that the bank confirms and no callback reported: booked by the rules of callbacks, once, with their match."""

from datetime import timedelta

import pytest

from billing.payments.domain.intent import IntentState
from providers.contract import Verdict
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


CONFIRMED = ("bank_confirmed", "live", (f"payment {OWED}", f"statement_line {OWED}"))


async def test_line_under_a_code_without_a_callback_pays_the_invoice(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))

    run = await own.match()

    assert (run.booked, await own.matches()) == (1, [CONFIRMED])
    assert (await own.flow.read(started.intent_id)).state is IntentState.SUCCEEDED
    assert await own.balances("bank", "clearing", "receivable_patient") == [OWED, 0, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_callback_that_comes_after_the_line_was_booked_is_a_duplicate(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))
    await own.match()

    [answer] = await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    await own.match()

    assert answer.verdict is Verdict.DUPLICATE
    assert len(await own.fetch("SELECT id FROM payment")) == 1
    assert await own.matches() == [CONFIRMED]
    await assert_books_are_right(own.flow.context.database)


async def test_second_run_books_nothing(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    import_id = await own.statement(own.line(OWED, f"{started.code} VIEN PHI", "FT-T1"))

    assert [(await own.match(which)).booked for which in (import_id, import_id, None)] == [1, 0, 0]
    assert len(await own.fetch("SELECT id FROM payment")) == 1


async def test_duplicate_transfer_of_the_payer_is_booked_as_credit(own: MatchingFlow) -> None:
    started = await own.flow.start_intent()
    await own.flow.deliver(own.flow.notice("T1", f"{started.code} VIEN PHI"))
    text = f"{started.code} VIEN PHI"
    await own.statement(own.line(OWED, text, "FT-T1"), own.line(OWED, text, "FT-T2"))

    await own.match()

    assert [rule for rule, _, _ in await own.matches()] == ["bank_reference", "bank_confirmed"]
    assert await own.balances("bank", "clearing", "patient_credit") == [2 * OWED, 0, -OWED]
    await assert_books_are_right(own.flow.context.database)


@pytest.mark.parametrize("case", ["no reference", "placeholder", "no code", "two codes", "money out", "tentative"])
async def test_line_that_is_not_ours_to_book_stays_open(own: MatchingFlow, case: str) -> None:
    started = await own.flow.start_intent()
    other = await own.flow.start_intent("LK0002")
    text = {"no code": "CHUYEN KHOAN", "two codes": f"{started.code} {other.code}"}.get(case, started.code)
    reference = {"no reference": "", "placeholder": "NONREF"}.get(case, "FT-T1")
    amount = -OWED if case == "money out" else OWED
    own.balance = OWED
    await own.statement(own.line(amount, text, reference), is_intraday=case == "tentative")

    run = await own.match()

    assert (run.booked, await own.matches()) == (0, [])
    assert await own.fetch("SELECT id FROM payment") == []


async def test_channel_whose_notices_carry_no_bank_reference_books_no_line(own: MatchingFlow) -> None:
    first = await own.flow.start_intent()
    await own.flow.deliver(
        own.flow.notice("T0", first.code, bank_reference="", movement_keys=frozenset({"transaction:T0"}))
    )
    started = await own.flow.start_intent("LK0002")
    await own.statement(own.line(OWED, started.code, "FT-T1"))

    run = await own.match()

    assert run.booked == 0


async def test_open_payment_of_the_same_code_and_amount_is_not_booked_again(own: MatchingFlow) -> None:
    """Two lines fit one payment equally: the payment waits for a person, and no second one is booked."""
    started = await own.flow.start_intent()
    occurred_at = own.flow.context.clock() - timedelta(hours=1)
    await own.flow.deliver(own.flow.notice("T1", started.code, occurred_at=occurred_at))
    await own.statement(own.line(OWED, started.code, "A1"), own.line(OWED, f"{started.code} B", "A2"))

    run = await own.match()

    assert (run.booked, await own.matches()) == (0, [])
