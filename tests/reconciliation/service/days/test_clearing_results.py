"""What clearing accounts (113) hold at the end of a day: by payment and by entry, with residual zero."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.money import Dong
from billing.reconciliation.domain.day_result import AccountKind, DayResult, ItemKind
from billing.visit_accounts.domain.collection import CollectedPart
from billing.visit_accounts.domain.hand_over import NewBankDeposit
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.card_batches import NewBatch, NewTerminal, add_card_terminal, record_batch
from billing.visit_accounts.service.hand_overs import deposit_at_bank
from billing.visit_accounts.service.shifts import close_shift, end_shift
from providers.contract import Movement
from tests.builders import FACILITY_CODE
from tests.clock import StandingClock
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow
from tests.persons import actors
from tests.reconciliation.builders import MatchingFlow
from tests.reconciliation.service.days.days import (
    DAY,
    accounts_of,
    clearing_of_bank,
    close,
    fetch,
    find_accounts,
    listed,
    pay,
)
from tests.visit_accounts.accounts import open_visit
from tests.visit_accounts.cashiers import ORGANIZATION, open_desk
from tests.visit_accounts.service.test_collections import take, terminal

_LEFT = (ItemKind.PAYMENT_HELD, -OWED)


async def test_outflow_and_its_line_leave_nothing_held(flow: PaymentFlow, clock: StandingClock) -> None:
    """First only the payment is at the bank, then its refund is, too."""
    day, own = business_date(clock()), MatchingFlow(flow)
    await pay(flow, "T1")
    notice = flow.notice("R1", "HOAN TIEN", reverses=frozenset({"transaction:T1"}))
    await flow.deliver(replace(notice, movement=Movement.REFUNDED))
    await own.statement(own.line(OWED, reference="FT-T1"))
    await own.match()
    _, provider = await accounts_of(flow, day)
    assert (listed(provider), provider.residual) == ([_LEFT], 0)

    await own.statement(own.line(-OWED, reference="FT-R1"))
    await own.match()

    bank, provider = await accounts_of(flow, day)
    assert [(each.items, each.residual) for each in (bank, provider)] == [((), 0)] * 2


async def test_outflow_of_an_unknown_payment_is_held_by_its_entry_until_its_line(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    day, own = business_date(clock()), MatchingFlow(flow, balance=OWED)
    await flow.deliver(replace(flow.notice("R1", "HOAN TIEN"), movement=Movement.REFUNDED))
    await own.statement(own.line(-OWED, reference="FT-OTHER"))
    _, provider = await accounts_of(flow, day)
    assert (listed(provider), provider.residual) == ([(ItemKind.ENTRY_HELD, -OWED)], 0)

    await own.statement(own.line(-OWED, reference="FT-R1"))
    await own.match()

    _, provider = await accounts_of(flow, day)
    assert (provider.items, provider.residual) == ((), 0)


async def test_reported_line_of_a_payout_without_a_payment_is_listed(flow: PaymentFlow, clock: StandingClock) -> None:
    """The payout holds T2, which no callback reported: 113 is credited with it, and the entry is named."""
    day, own = business_date(clock()), MatchingFlow(flow)
    await pay(flow, "T1")
    await own.report(*(own.report_row(each, OWED, paid_out_on=day) for each in ("T1", "T2")))
    await own.statement(own.line(2 * OWED))
    await own.match()

    _, provider = await accounts_of(flow, day)

    assert (provider.ledger_balance, provider.residual) == (-OWED, 0)
    assert sorted(listed(provider)) == [
        (ItemKind.ENTRY_HELD, -OWED),
        (ItemKind.SETTLEMENT_LINE_UNMATCHED, OWED),
    ]


async def test_line_that_a_report_adds_to_a_posted_payout_is_held_until_its_own_credit(
    flow: PaymentFlow, clock: StandingClock
) -> None:
    """The entry of the payout moved T1 alone: T2 stays on 113 until the bank shows the further payout."""
    day, own = business_date(clock()), MatchingFlow(flow)
    for number in (1, 2):
        await pay(flow, f"T{number}", f"LK{number}")
    await own.report(own.report_row("T1", OWED, fee=500, paid_out_on=day))
    await own.statement(own.line(OWED - 500))
    await own.match()

    await own.report(own.report_row("T2", OWED, fee=500, paid_out_on=day))
    await own.match()

    _, provider = await accounts_of(flow, day)
    assert (provider.ledger_balance, provider.residual) == (OWED, 0)
    assert listed(provider) == [(ItemKind.PAYMENT_HELD, OWED)]
    await own.statement(own.line(OWED - 500, "THANH TOAN", "PO2"))
    await own.match()
    _, provider = await accounts_of(flow, day)
    assert (provider.ledger_balance, provider.items) == (0, ())


async def _bank_account(flow: PaymentFlow) -> UUID:
    [found] = await fetch(flow, "SELECT id FROM bank_account")
    return UUID(str(found))


async def _deposit_and_batch(flow: PaymentFlow, database: DatabaseAddress, day: date) -> None:
    """500 000 of cash paid in at the bank, and a card batch of 200 000 less a fee of 2 000."""
    bank, organization = await _bank_account(flow), flow.hospital.organization_id
    [treasurer] = await actors(database, flow.context, ("thu-quy", "Phạm Văn Quỹ"))
    new = NewBankDeposit(amount=Dong(500_000), bank_account_id=bank, slip="GN-1")
    await deposit_at_bank(flow.context, organization, new, actor=treasurer)
    terminal = NewTerminal(facility_code=FACILITY_CODE, name="POS 1", terminal_number="T1", bank_account_id=bank)
    terminal_id = await add_card_terminal(flow.context, organization, terminal, actor=Actor.system())
    batch = NewBatch(
        terminal_id=terminal_id,
        day=day,
        batch_number="007",
        count=1,
        gross=Dong(200_000),
        fee=Dong(2_000),
        slips={"A1": Dong(200_000)},
    )
    await record_batch(flow.context, organization, batch, actor=treasurer)


async def test_clearing_of_the_bank_account_lists_what_the_bank_has_not_shown(
    flow: PaymentFlow, database: DatabaseAddress, clock: StandingClock
) -> None:
    day, own = business_date(clock()), MatchingFlow(flow)
    await _deposit_and_batch(flow, database, day)
    await own.statement(own.line(500_000, "NOP TIEN MAT GN-1"))
    clearing = await clearing_of_bank(flow, day)
    assert (clearing.ledger_balance, sorted(listed(clearing))) == (
        698_000,
        [(ItemKind.ENTRY_HELD, 198_000), (ItemKind.ENTRY_HELD, 500_000)],
    )

    await own.match()

    clearing = await clearing_of_bank(flow, day)
    assert (clearing.result, listed(clearing)) == (
        DayResult.RECONCILED_WITH_PENDING,
        [(ItemKind.ENTRY_HELD, 198_000)],
    )
    clock.forward(DAY)
    await close(flow, day)
    assert await clearing_of_bank(flow, day) == clearing  # as stored with the closing
    await own.statement(own.line(198_000, "LO 007"))
    await own.match()
    clearing = await clearing_of_bank(flow, day + DAY)
    assert (clearing.result, clearing.ledger_balance, clearing.items) == (DayResult.RECONCILED, 0, ())


async def test_card_terminal_lists_payments_that_no_batch_states_and_differences_of_batches(
    flow: PaymentFlow, database: DatabaseAddress, clock: StandingClock
) -> None:
    """Three payments; the batch states the first, and a slip of 50 000 that we do not have."""
    day, own = business_date(clock()), MatchingFlow(flow)
    desk = await open_desk(database, flow.context)
    visit = await open_visit(flow.context)
    shift = await desk.open()
    terminal_id = await terminal(desk)
    for code, amount in (("A1", 100_000), ("A2", 200_000), ("A3", 300_000)):
        card = CollectedPart(method=PartMethod.CARD, amount=Dong(amount), terminal_id=terminal_id, approval_code=code)
        await take(desk, visit, card, amount=Dong(amount))
    await own.statement(own.line(1_000))

    [found] = await find_accounts(flow, day, AccountKind.CARD_TERMINAL)

    assert (found.account_id, found.name, found.result) == (
        terminal_id,
        "POS 1",
        DayResult.RECONCILED_WITH_PENDING,
    )
    assert (found.ledger_balance, found.residual) == (600_000, 0)
    assert sorted(listed(found)) == [(ItemKind.PAYMENT_HELD, each) for each in (100_000, 200_000, 300_000)]

    await end_shift(flow.context, ORGANIZATION, shift, {}, actor=desk.cashier)
    await close_shift(flow.context, ORGANIZATION, shift, actor=desk.head)
    clock.forward(DAY)
    await close(flow, day)
    assert await find_accounts(flow, day, AccountKind.CARD_TERMINAL) == [found]  # as stored with the closing
    slips = {"A1": Dong(100_000), "X9": Dong(50_000)}
    batch = NewBatch(
        terminal_id=terminal_id, day=day, batch_number="1", count=2, gross=Dong(150_000), fee=Dong(500), slips=slips
    )
    await record_batch(flow.context, ORGANIZATION, batch, actor=desk.treasurer)

    [found] = await find_accounts(flow, day + DAY, AccountKind.CARD_TERMINAL)

    assert (found.ledger_balance, found.residual, found.result) == (450_000, 0, DayResult.BREAKS)
    assert sorted(listed(found)) == [
        (ItemKind.CARD_BATCH_DIFFERENCE, -50_000),
        (ItemKind.PAYMENT_HELD, 200_000),
        (ItemKind.PAYMENT_HELD, 300_000),
    ]
