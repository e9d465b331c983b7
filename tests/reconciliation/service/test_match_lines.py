"""Statement lines matched with payments of a real database: by bank reference and by code, with the sweep."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.db.context import utc_now
from billing.db.database import Transaction
from billing.reconciliation.domain.match_rules import MatchingUnderWay
from billing.reconciliation.service import open_lines
from billing.reconciliation.service.match_lines import _Counts, _Run, match_arrived_lines
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow


@pytest.fixture
def own(flow: PaymentFlow) -> MatchingFlow:
    return MatchingFlow(flow)


async def paid(own: MatchingFlow, transaction: str, *, ma_lk: str = "LK0001", **changes: object) -> str:
    """A payment of the amount owed by callback; returns its code."""
    started = await own.flow.start_intent(ma_lk)
    await own.flow.deliver(own.flow.notice(transaction, f"{started.code} VIEN PHI", **changes))
    return started.code


MATCHED = ("bank_reference", "live", (f"payment {OWED}", f"statement_line {OWED}"))


async def test_line_with_reference_of_payment_moves_it_to_the_bank(own: MatchingFlow) -> None:
    await paid(own, "T1")
    import_id = await own.statement(own.line(OWED, reference="FT-T1"))

    run = await own.match(import_id)

    assert (run.state, run.matches, run.booked) == ("done", 1, 0)
    assert await own.matches() == [MATCHED]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_second_run_changes_nothing(own: MatchingFlow) -> None:
    await paid(own, "T1")
    import_id = await own.statement(own.line(OWED, reference="FT-T1"))

    assert [(await own.match(which)).matches for which in (import_id, import_id, None)] == [1, 0, 0]
    assert await own.balances("bank", "clearing") == [OWED, 0]


async def test_callback_after_the_statement_is_matched_by_the_next_run(own: MatchingFlow) -> None:
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.match()
    assert await own.matches() == []

    await paid(own, "T1")
    await own.match()

    assert await own.matches() == [MATCHED]


@pytest.mark.parametrize(
    ("amount", "reference", "days"),
    [(OWED - 1, "FT-T1", 0), (OWED, "FT-T", 0), (OWED, "T1", 0), (OWED, "", 0), (OWED, "FT-T1", -2)],
    ids=["amount differs", "part of the reference", "end of the reference", "no reference", "two days before"],
)
async def test_line_that_differs_from_the_payment_stays_open(
    own: MatchingFlow, amount: int, reference: str, days: int
) -> None:
    await paid(own, "T1")
    await own.statement(own.line(amount, reference=reference, days=days))

    await own.match()

    assert await own.matches() == []
    assert await own.balances("bank", "clearing") == [0, OWED]


async def test_reference_under_another_code_is_another_payment(own: MatchingFlow) -> None:
    await paid(own, "T1")
    other = await own.flow.start_intent("LK0002")
    await own.statement(own.line(OWED, f"{other.code} VIEN PHI", "FT-T1"))

    await own.match()

    # The line is under a code of ours without a payment: the bank confirms a further payment.
    assert [rule for rule, _, _ in await own.matches()] in ([], ["bank_confirmed"])
    assert (await own.fetch("SELECT count(*) AS n FROM match WHERE rule = 'bank_reference'"))[0]["n"] == 0


async def test_equal_references_of_two_days_are_distinguished_by_the_day(own: MatchingFlow) -> None:
    now = own.flow.context.clock()
    codes = []
    for number, days in enumerate((0, 1)):
        started = await own.flow.start_intent(f"LK{number}")
        notice = own.flow.notice(f"T{number}", "NOP TIEN", bank_reference="5212.1")
        keys = frozenset({f"transaction:T{number}", "bank:5212.1"})
        await own.flow.deliver(replace(notice, movement_keys=keys, occurred_at=now - timedelta(days=days)))
        codes.append(started.code)
    await own.statement(own.line(OWED, reference="5212.1", days=-1), own.line(OWED, reference="5212.1"))

    await own.match()

    assert await own.matches() == [MATCHED, MATCHED]
    days = await own.fetch(
        """
        SELECT line.booked_on - (payment.occurred_at AT TIME ZONE interval '7 hours')::date AS days
        FROM match_item AS own
        JOIN statement_line AS line ON line.id = own.item_id
        JOIN match_item AS other ON other.match_id = own.match_id AND other.item_kind = 'payment'
        JOIN payment ON payment.id = other.item_id
        """
    )
    assert [row["days"] for row in days] == [0, 0]


async def test_two_lines_that_fit_one_payment_equally_stay_open(own: MatchingFlow) -> None:
    await paid(own, "T1")
    await own.statement(own.line(OWED, "A", "FT-T1"), own.line(OWED, "B", "FT-T1"))

    await own.match()

    assert await own.matches() == []


async def test_line_under_the_code_is_matched_without_a_reference(own: MatchingFlow) -> None:
    code = await paid(own, "T1")
    await own.statement(own.line(OWED, f"NOP {code}"))

    await own.match()

    assert await own.matches() == [("reference_code", "live", (f"payment {OWED}", f"statement_line {OWED}"))]
    await assert_books_are_right(own.flow.context.database)


async def test_line_under_another_code_or_amount_is_not_matched(own: MatchingFlow) -> None:
    code = await paid(own, "T1")
    other = await own.flow.start_intent("LK0002")
    await own.statement(own.line(OWED, f"NOP {other.code}"), own.line(OWED - 1, f"NOP {code}"))

    await own.match()

    assert await own.matches() == []


async def test_three_equal_payments_of_a_day_are_matched_by_their_codes(own: MatchingFlow) -> None:
    codes = [await paid(own, f"T{number}", ma_lk=f"LK{number}") for number in range(3)]
    await own.statement(*(own.line(OWED, f"NOP {code}") for code in reversed(codes)))

    await own.match()

    pairs = await own.fetch(
        """
        SELECT line.codes[1] = intent.reference_code AS is_right
        FROM match_item AS own
        JOIN statement_line AS line ON line.id = own.item_id
        JOIN match_item AS other ON other.match_id = own.match_id AND other.item_kind = 'payment'
        JOIN payment ON payment.id = other.item_id
        JOIN intent ON intent.id = payment.intent_id
        """
    )
    assert [row["is_right"] for row in pairs] == [True] * 3


async def test_tentative_line_is_matched_and_posts_once_it_is_confirmed(own: MatchingFlow) -> None:
    await paid(own, "T1")
    line = own.line(OWED, reference="FT-T1")
    await own.match(await own.statement(line, is_intraday=True))
    assert await own.matches() == [("!" + MATCHED[0], *MATCHED[1:])]
    assert await own.balances("bank", "clearing") == [0, OWED]

    await own.match(await own.statement(line))

    assert await own.matches() == [MATCHED]
    assert await own.balances("bank", "clearing") == [OWED, 0]
    await assert_books_are_right(own.flow.context.database)


async def test_worker_matches_new_imports_and_then_late_payments(own: MatchingFlow) -> None:
    context, organization = own.flow.context, own.flow.hospital.organization_id
    await paid(own, "T1", ma_lk="LK1")
    await own.statement(own.line(OWED, reference="FT-T1"), own.line(OWED, reference="FT-T2"))

    assert await match_arrived_lines(context, organization) == 2  # the import, and all open lines for the first time
    assert await own.matches() == [MATCHED]
    assert await match_arrived_lines(context, organization) == 0

    await paid(own, "T2", ma_lk="LK2")
    assert await match_arrived_lines(context, organization) == 0  # ten minutes after the last one
    context.clock = lambda: utc_now() + timedelta(minutes=11)
    assert await match_arrived_lines(context, organization) == 1
    assert await own.matches() == [MATCHED, MATCHED]


async def test_two_runs_at_once_match_each_line_once(own: MatchingFlow) -> None:
    for number in range(5):
        await paid(own, f"T{number}", ma_lk=f"LK{number}")
    await own.statement(*(own.line(OWED, reference=f"FT-T{number}") for number in range(5)))

    results = await asyncio.gather(own.match(), own.match(), return_exceptions=True)

    assert [type(each) for each in results if isinstance(each, BaseException)] == [MatchingUnderWay]
    assert await own.matches() == [MATCHED] * 5
    assert await own.balances("bank", "clearing") == [5 * OWED, 0]


async def test_run_that_was_killed_is_abandoned_and_its_matches_stay(
    own: MatchingFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends after the first committed chunk: nothing of the run runs any more."""
    for number in range(3):
        await paid(own, f"T{number}", ma_lk=f"LK{number}")
    await own.statement(*(own.line(OWED, reference=f"FT-T{number}") for number in range(3)))
    monkeypatch.setattr(open_lines, "CHUNK", 1)
    written = _Run._write

    async def write_once(run: _Run, write: Callable[[Transaction], Awaitable[_Counts]]) -> _Counts:
        if await own.fetch("SELECT FROM match"):
            raise _KilledError
        return await written(run, write)

    monkeypatch.setattr(_Run, "_write", write_once)
    with pytest.raises(_KilledError):
        await own.match()
    monkeypatch.setattr(_Run, "_write", written)
    assert await own.matches() == [MATCHED]

    await own.match()

    assert await own.matches() == [MATCHED] * 3
    states = await own.fetch("SELECT state FROM match_run ORDER BY id")
    assert [row["state"] for row in states] == ["abandoned", "done"]
    assert await own.balances("bank", "clearing") == [3 * OWED, 0]
    await assert_books_are_right(own.flow.context.database)


class _KilledError(Exception):
    """Stands for the end of the process."""
