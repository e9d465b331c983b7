"""Accounts with a locked row: moved with the entry, never below their floor, equal to their postings.

No use case takes cash yet; a till is made here as it will be with its desk, and entries are written as use cases do.
"""

import asyncio

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.ids import EntryId, LedgerAccountId
from billing.core.money import Dong
from billing.db.database import Database
from billing.ledger.domain.accounts import AccountKey, AccountRole, Entry, EntryKind, Posting
from billing.ledger.domain.balances import BalanceBelowFloor
from billing.ledger.service.balances import read_balances
from billing.ledger.store.journal import write_entries
from billing.ledger.store.ledger_accounts import add_ledger_accounts
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, find_mismatches

_NO_SHIFT = {"drawers-sum-their-events"}
"""The drawer of these tests has entries without the events of a shift."""

TILL = AccountKey(AccountRole.CASH_DRAWER, "desk 1")
PATIENT = AccountKey(AccountRole.RECEIVABLE_PATIENT)


@pytest.fixture
async def till(flow: PaymentFlow, database: DatabaseAddress) -> AccountKey:
    await flow.start_intent()
    owner = await Database.open(database.owner_url)
    async with owner.transaction(flow.hospital.organization_id) as tx:
        made = [(LedgerAccountId(flow.context.ids.new()), TILL)]
        await add_ledger_accounts(tx, made, valid_from=business_date(flow.context.clock()))
    await owner.close()
    return TILL


async def move(flow: PaymentFlow, *, into: AccountKey, out_of: AccountKey, amount: int) -> None:
    now = flow.context.clock()
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        reference_data = await flow.context.reference_data(tx, into, out_of)
        entry = Entry(
            id=EntryId(flow.context.ids.new()),
            kind=EntryKind.PAYMENT_RECEIVED,
            effective_at=now,
            recorded_at=now,
            accounting_date=business_date(now),
            actor=Actor.system(),
            postings=(Posting(debit=into, credit=out_of, amount=Dong(amount)),),
        )
        await write_entries(tx, [entry], reference_data.accounts)


async def stored(flow: PaymentFlow) -> int:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return int(await tx.fetchval("SELECT balance FROM inline_balance"))


async def test_balance_moves_with_its_entry_and_equals_its_postings(flow: PaymentFlow, till: AccountKey) -> None:
    await move(flow, into=till, out_of=PATIENT, amount=100_000)
    await move(flow, into=PATIENT, out_of=till, amount=30_000)

    (balance,) = [
        row for row in await read_balances(flow.context, flow.hospital.organization_id) if row.role == "cash_drawer"
    ]
    assert (balance.number, balance.kind, balance.balance) == ("1111", "inline", 70_000)
    assert await stored(flow) == 70_000
    assert set(await find_mismatches(flow.context.database)) == _NO_SHIFT


async def test_more_than_it_holds_is_refused_and_nothing_is_booked(flow: PaymentFlow, till: AccountKey) -> None:
    await move(flow, into=till, out_of=PATIENT, amount=100_000)

    with pytest.raises(BalanceBelowFloor):
        await move(flow, into=PATIENT, out_of=till, amount=100_001)

    assert await stored(flow) == 100_000
    assert set(await find_mismatches(flow.context.database)) == _NO_SHIFT


async def test_two_who_take_the_last_money_at_once_do_not_both_get_it(flow: PaymentFlow, till: AccountKey) -> None:
    await move(flow, into=till, out_of=PATIENT, amount=100_000)

    outcomes = await asyncio.gather(
        *(move(flow, into=PATIENT, out_of=till, amount=60_000) for _ in range(3)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["BalanceBelowFloor"] * 2 + ["NoneType"]
    assert await stored(flow) == 40_000
    assert set(await find_mismatches(flow.context.database)) == _NO_SHIFT


async def test_database_itself_holds_the_floor(flow: PaymentFlow, till: AccountKey) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
            await tx.execute("UPDATE inline_balance SET balance = -1")


async def test_locked_balance_that_left_its_postings_is_named(flow: PaymentFlow, till: AccountKey) -> None:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await tx.execute("UPDATE inline_balance SET balance = balance + 1")

    assert set(await find_mismatches(flow.context.database)) == {"inline-balances-equal-recomputation"}
