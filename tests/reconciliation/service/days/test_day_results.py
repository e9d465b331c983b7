"""The results of days: bridges with residual zero or the items that make it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.core.clock import business_date
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, account_subject
from billing.ledger.domain.day_blocker import DayBlocker, DayBlockerKind
from billing.ledger.service.close_day import DayIncomplete
from billing.ledger.service.posting import post_entry
from billing.reconciliation.domain.day_result import (
    AccountDay,
    AccountKind,
    BridgeItem,
    DayResult,
    ExceptionsWithoutOwner,
    ItemKind,
)
from tests.clock import StandingClock
from tests.flow import OWED, PaymentFlow, assert_books_are_right
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.days.days import (
    DAY,
    SYSTEM,
    accounts_of,
    close,
    execute,
    fetch,
    listed,
    match,
    pay,
    state,
)
from tests.reconciliation.statement_file import Line


async def test_matched_day_is_reconciled_with_residual_zero(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    [line] = await fetch(flow, "SELECT id FROM statement_line")
    [payment] = await fetch(flow, "SELECT id FROM payment")
    await match(flow, line, payment)
    clock.forward(DAY)

    await close(flow, day)

    bank, provider = await accounts_of(flow, day)
    assert (bank.result, bank.statement_closing, bank.ledger_balance) == (DayResult.RECONCILED, OWED, OWED)
    assert (bank.items, bank.residual) == ((), 0)
    assert (provider.result, provider.ledger_balance, provider.items) == (DayResult.RECONCILED, 0, ())
    await assert_books_are_right(flow.context.database)


async def test_line_that_is_posted_on_the_next_day_is_pending(flow: PaymentFlow, clock: StandingClock) -> None:
    """The sweep is booked after the day: the day waits for it, and the next day has neither line nor payment left."""
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    [line] = await fetch(flow, "SELECT id FROM statement_line")
    [payment] = await fetch(flow, "SELECT id FROM payment")
    clock.forward(DAY)
    await match(flow, line, payment)

    bank, provider = await accounts_of(flow, day)
    await close(flow, day)

    assert (bank.result, listed(bank), bank.residual) == (
        DayResult.RECONCILED_WITH_PENDING,
        [(ItemKind.LINE_POSTED_LATER, OWED)],
        0,
    )
    assert (provider.result, listed(provider)) == (
        DayResult.RECONCILED_WITH_PENDING,
        [(ItemKind.PAYMENT_HELD, OWED)],
    )
    assert (await accounts_of(flow, day)) == (bank, provider)  # as stored with the closing
    await state(flow, Line(amount=5, day=day + DAY), opening=OWED)
    bank, provider = await accounts_of(flow, day + DAY)
    assert listed(bank) == [(ItemKind.LINE_UNMATCHED, 5)]
    assert (bank.statement_closing, bank.ledger_balance, bank.residual) == (OWED + 5, OWED, 0)
    assert (provider.ledger_balance, provider.items) == (0, ())


async def test_unmatched_lines_and_a_gap_are_breaks_that_make_the_difference(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    before = day - 3 * DAY
    await state(flow, Line(amount=1_000, day=before), opening=500)
    await state(flow, Line(amount=70, day=day), Line(amount=-20, day=day), opening=1_600)
    clock.forward(DAY)

    bank, _ = await accounts_of(flow, day)

    assert sorted(listed(bank)) == sorted(
        [
            (ItemKind.LINE_UNMATCHED, 1_000),
            (ItemKind.LINE_UNMATCHED, 70),
            (ItemKind.LINE_UNMATCHED, -20),
            (ItemKind.OPENING_DIFFERENCE, 500),
            (ItemKind.STATEMENT_GAP, 100),
        ]
    )
    assert (bank.statement_closing, bank.ledger_balance, bank.residual) == (1_650, 0, 0)
    assert bank.result is DayResult.BREAKS


async def test_sweep_that_differs_from_its_line_leaves_a_residual(flow: PaymentFlow, clock: StandingClock) -> None:
    """A fault that no item explains: the entry of the match moved another amount than the line."""
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    [line] = await fetch(flow, "SELECT id FROM statement_line")
    [payment] = await fetch(flow, "SELECT id FROM payment")
    await match(flow, line, payment, amount=OWED - 7)

    bank, provider = await accounts_of(flow, day)

    assert (bank.items, bank.residual, bank.result) == ((), 7, DayResult.BREAKS)
    assert listed(provider) == [(ItemKind.PAYMENT_HELD, 7)]


async def test_reverted_match_of_a_closed_day_is_a_break_of_the_day_of_its_reversal(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=OWED, day=day))
    [line] = await fetch(flow, "SELECT id FROM statement_line")
    [payment] = await fetch(flow, "SELECT id FROM payment")
    found = await match(flow, line, payment)
    clock.forward(DAY)
    await close(flow, day)
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        bank_id = await tx.fetchval("SELECT id FROM bank_account")
        reversing = Posting(
            debit=AccountKey(AccountRole.CLEARING, account_subject(flow.account.id)),
            credit=AccountKey(AccountRole.BANK, account_subject(bank_id)),
            amount=Dong(OWED),
        )
        entry = await post_entry(tx, flow.context, EntryKind.PAYMENT_REVERSED, [reversing], actor=SYSTEM)
        await tx.execute(
            "UPDATE match SET state = 'reverted', ended_at = $2, ended_reason = 'wrong', ending_entry_id = $3"
            " WHERE id = $1",
            found,
            clock(),
            entry,
        )
        await tx.execute("UPDATE match_item SET is_live = false")
    await state(flow, Line(amount=1, day=day + DAY), opening=OWED)

    closed, _ = await accounts_of(flow, day)
    bank, provider = await accounts_of(flow, day + DAY)

    assert closed.result is DayResult.RECONCILED
    assert listed(bank) == [(ItemKind.LINE_UNMATCHED, OWED), (ItemKind.LINE_UNMATCHED, 1)]
    assert (bank.ledger_balance, bank.residual) == (0, 0)
    assert listed(provider) == [(ItemKind.PAYMENT_HELD, OWED)]


async def test_late_line_of_a_closed_day_is_an_item_of_the_next_day(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await state(flow, Line(amount=10, day=day))
    clock.forward(DAY)
    await close(flow, day)
    clock.forward(timedelta(minutes=1))
    await state(flow, Line(amount=3, day=day), Line(amount=4, day=day + DAY), opening=10)
    await pay(flow, "T2", "LK2")

    bank, _ = await accounts_of(flow, day + DAY)

    assert [item.amount for item in bank.items] == [10, 3, 4]
    assert (bank.statement_closing, bank.residual) == (17, 0)


async def test_day_between_two_statements_that_connect_is_covered(flow: PaymentFlow, clock: StandingClock) -> None:
    """A bank states no days without movements; the next statement proves that nothing moved."""
    day = business_date(clock())
    await state(flow, Line(amount=10, day=day - DAY))
    await pay(flow, "T1")
    clock.forward(DAY)
    with pytest.raises(DayIncomplete):
        await close(flow, day)

    await state(flow, Line(amount=4, day=day + DAY), opening=10)

    await close(flow, day)
    bank, _ = await accounts_of(flow, day)
    assert bank.statement_closing == 10


async def test_confirmed_transfer_and_its_line_cancel_each_other(flow: PaymentFlow, clock: StandingClock) -> None:
    """An entry that moved 1121 itself, as a confirmed refund does; the match of its line posts nothing."""
    await pay(flow, "T1")
    day = business_date(clock())
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        bank_id = await tx.fetchval("SELECT id FROM bank_account")
        out = Posting(
            debit=AccountKey(AccountRole.UNEXPLAINED_OUTFLOW),
            credit=AccountKey(AccountRole.BANK, account_subject(bank_id)),
            amount=Dong(50),
        )
        await post_entry(tx, flow.context, EntryKind.REFUND_SENT, [out], actor=SYSTEM)
    await state(flow, Line(amount=80, day=day))
    waiting, _ = await accounts_of(flow, day)
    await state(flow, Line(amount=-50, day=day), opening=80)
    [line] = await fetch(flow, "SELECT id FROM statement_line WHERE amount < 0")
    await match(flow, line, flow.context.ids.new(), amount=-50, is_swept=False)

    bank, _ = await accounts_of(flow, day)

    assert listed(waiting) == [(ItemKind.LINE_UNMATCHED, 80), (ItemKind.DIRECT_ENTRY, 50)]
    assert listed(bank) == [(ItemKind.LINE_UNMATCHED, 80)]
    assert (bank.statement_closing, bank.ledger_balance, bank.residual) == (30, -50, 0)


async def test_open_exception_without_an_owner_keeps_the_day_open(flow: PaymentFlow, clock: StandingClock) -> None:
    await pay(flow, "T1")
    day = business_date(clock())
    await flow.deliver(flow.notice("T2", "no code of ours", amount=900))
    await state(flow, Line(amount=OWED, day=day))
    await execute(
        flow,
        "INSERT INTO exception_case (organization_id, id, reason, state, amount, provider_account_id, opened_at,"
        " due_at) VALUES (1, $1, 'amount_low', 'open', 900, $2, $3, $3)",
        flow.context.ids.new(),
        flow.account.id,
        clock(),
    )
    clock.forward(DAY)
    with pytest.raises(ExceptionsWithoutOwner, match="open exceptions"):
        await close(flow, day)

    [person] = await fetch(flow, "SELECT id FROM person")
    await execute(flow, "UPDATE exception_case SET owner_id = $1", person)
    await close(flow, day)

    _, provider = await accounts_of(flow, day)
    assert (provider.result, provider.open_exceptions > 0) == (DayResult.BREAKS, True)


ITEM = BridgeItem(ItemKind.PAYMENT_HELD, UUID(int=1), OWED)  # type: ignore[arg-type]


def _account(**changes: Any) -> AccountDay:
    account = AccountDay(
        kind=AccountKind.PROVIDER_ACCOUNT,
        account_id=UUID(int=1),
        name="a",
        statement_closing=None,
        ledger_balance=OWED,  # type: ignore[arg-type]
        items=(ITEM,),
        open_exceptions=0,
    )
    return replace(account, **changes)


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (_account(), DayResult.RECONCILED_WITH_PENDING),
        (_account(items=(), ledger_balance=0), DayResult.RECONCILED),
        (_account(items=()), DayResult.BREAKS),  # a residual
        (_account(open_exceptions=1), DayResult.BREAKS),
        (_account(blockers=(DayBlocker(kind=DayBlockerKind.MISSING_STATEMENT),)), DayResult.INCOMPLETE),
        (_account(items=(ITEM, replace(ITEM, kind=ItemKind.SETTLEMENT_LINE_UNMATCHED))), DayResult.BREAKS),
    ],
)
def test_result_follows_from_residual_items_and_exceptions(account: AccountDay, expected: DayResult) -> None:
    assert account.result is expected


async def test_run_of_matching_leaves_a_reconciled_day(flow: PaymentFlow, clock: StandingClock) -> None:
    """By bank reference: the sweep of the run empties 113 and explains the whole statement."""
    await pay(flow, "T1")
    day = business_date(clock())
    matching = MatchingFlow(flow)
    await matching.statement(matching.line(OWED, reference="FT-T1"))
    await matching.match()

    bank, provider = await accounts_of(flow, day)

    assert (bank.result, bank.items, bank.residual, bank.ledger_balance) == (DayResult.RECONCILED, (), 0, OWED)
    assert (provider.result, provider.items, provider.residual) == (DayResult.RECONCILED, (), 0)


async def test_payout_sweeps_the_payments_of_its_report(flow: PaymentFlow, clock: StandingClock) -> None:
    """Two payments, one payout net of a fee of 1 000; the third payment is still held by the provider."""
    for number in range(3):
        await pay(flow, f"T{number}", f"LK{number}")
    day = business_date(clock())
    matching = MatchingFlow(flow)
    rows = [matching.report_row(each, OWED, fee=500, paid_out_on=day) for each in ("T0", "T1")]
    await matching.report(*rows)
    await matching.statement(matching.line(2 * OWED - 1_000))
    await matching.match()

    bank, provider = await accounts_of(flow, day)

    assert (bank.result, bank.items, bank.residual) == (DayResult.RECONCILED, (), 0)
    assert (provider.result, listed(provider), provider.residual) == (
        DayResult.RECONCILED_WITH_PENDING,
        [(ItemKind.PAYMENT_HELD, OWED)],
        0,
    )
