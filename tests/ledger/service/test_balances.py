"""Balances from snapshots, statements of account and the journal as a list, on a real PostgreSQL."""

import asyncio
import json
from datetime import date, timedelta
from typing import Any

import pytest

from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import EntryId
from billing.core.list_slice import ListSlice
from billing.db.database import Database
from billing.ledger.domain.accounts import AccountKey, AccountRole, clearing_account
from billing.ledger.domain.balances import AccountBalance
from billing.ledger.service import balances as balancing
from billing.ledger.service.balances import (
    find_entry,
    list_entries,
    read_balances,
    read_statement_of_account,
    snapshot_once,
)
from billing.ledger.store.balances import _BALANCES, _LOOK_UP_ONLY
from billing.ledger.store.balances import read_balances as read_stored_balances
from billing.ledger.store.journal import read_trial_balance
from tests.conftest import DatabaseAddress
from tests.flow import OWED, PaymentFlow, assert_books_are_right, find_mismatches

PATIENT = AccountKey(AccountRole.RECEIVABLE_PATIENT)


async def by_role(flow: PaymentFlow, on: date | None = None) -> dict[str, int]:
    rows = await read_balances(flow.context, flow.hospital.organization_id, on=on)
    return {row.role: row.balance for row in rows if row.debit or row.credit}


async def recomputed(flow: PaymentFlow) -> list[AccountBalance]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return list(await read_trial_balance(tx, on=business_date(flow.context.clock())))


async def test_balances_are_the_same_before_within_and_after_a_snapshot(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    before = await read_balances(flow.context, organization_id)

    taken = await snapshot_once(flow.context, organization_id)
    snapshot_only = await read_balances(flow.context, organization_id)
    await flow.deliver(flow.notice("T1", started.code, amount=100_000))
    snapshot_and_later = await read_balances(flow.context, organization_id)
    taken_later = await snapshot_once(flow.context, organization_id)

    assert (taken, taken_later) == (2, 1)
    assert snapshot_only == before
    assert list(snapshot_and_later) == await recomputed(flow)
    assert list(await read_balances(flow.context, organization_id)) == await recomputed(flow)
    # Issued: 136 000 patient, 464 000 insurer; 100 000 of the patient's came in.
    assert await by_role(flow) == {
        "clearing": 100_000,
        "receivable_patient": OWED - 100_000,
        "receivable_insurer": 464_000,
        "revenue": 600_000,
    }
    await assert_books_are_right(flow.context.database)


async def test_nothing_is_written_where_nothing_was_finished(flow: PaymentFlow) -> None:
    await flow.start_intent()
    await snapshot_once(flow.context, flow.hospital.organization_id)

    assert await snapshot_once(flow.context, flow.hospital.organization_id) == 0


async def test_snapshots_are_taken_in_pieces_without_loss(flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing, "POSTINGS_MAX", 2)
    for number in range(4):
        await flow.start_intent(f"LK{number}")

    taken = await snapshot_once(flow.context, flow.hospital.organization_id)

    assert taken == 8
    assert list(await read_balances(flow.context, flow.hospital.organization_id)) == await recomputed(flow)
    await assert_books_are_right(flow.context.database)


async def test_two_snapshots_at_once_count_every_posting_once(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    await flow.deliver(*(flow.notice(f"T{number}", started.code, amount=1_000) for number in range(5)))
    organization_id = flow.hospital.organization_id

    taken = await asyncio.gather(*(snapshot_once(flow.context, organization_id) for _ in range(3)))

    assert sum(taken) == 7
    assert list(await read_balances(flow.context, organization_id)) == await recomputed(flow)
    await assert_books_are_right(flow.context.database)


async def test_a_running_transaction_is_neither_missed_nor_counted_twice(flow: PaymentFlow) -> None:
    """An entry written before the snapshot and committed after it lies beyond the watermark."""
    await flow.start_intent("LK1")
    organization_id = flow.hospital.organization_id
    async with flow.context.database.transaction(organization_id) as running:
        await running.fetchval("SELECT pg_current_xact_id()")  # holds back the oldest transaction
        await flow.start_intent("LK2")
        assert await snapshot_once(flow.context, organization_id) == 2
        assert list(await read_balances(flow.context, organization_id)) == await recomputed(flow)

    assert await snapshot_once(flow.context, organization_id) == 2
    assert list(await read_balances(flow.context, organization_id)) == await recomputed(flow)


async def test_balance_of_a_day_leaves_later_days_out(flow: PaymentFlow) -> None:
    today = business_date(flow.context.clock())
    await flow.start_intent()

    assert await by_role(flow, on=today - timedelta(days=1)) == {}
    assert (await by_role(flow, on=today))["receivable_patient"] == OWED
    await snapshot_once(flow.context, flow.hospital.organization_id)
    assert await by_role(flow, on=today - timedelta(days=1)) == {}
    assert (await by_role(flow, on=today))["receivable_patient"] == OWED


async def test_reading_a_balance_does_not_scan_all_postings(flow: PaymentFlow, database: DatabaseAddress) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    await book_many(flow, 5_000)
    await snapshot_once(flow.context, organization_id)
    await flow.deliver(flow.notice("T99", started.code, amount=100))
    owner = await Database.open(database.owner_url)
    async with owner.transaction(organization_id) as tx:
        await tx.execute("ANALYZE posting, journal_entry")
    await owner.close()

    async with flow.context.database.transaction(organization_id) as tx:
        await tx.fetchrow(_LOOK_UP_ONLY)
        plan = await tx.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {_BALANCES}", organization_id, date.max, date.max, None
        )
        postings = await tx.fetchval("SELECT count(*) FROM posting WHERE organization_id = $1", organization_id)

    journal = [node for node in nodes(plan) if node.get("Relation Name") in ("posting", "journal_entry")]
    assert postings == 5_003
    assert {node["Relation Name"] for node in journal} == {"posting", "journal_entry"}
    assert "Seq Scan" not in {node["Node Type"] for node in journal}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in journal) <= 4
    assert list(await read_balances(flow.context, organization_id)) == await recomputed(flow)


async def book_many(flow: PaymentFlow, number: int) -> None:
    """Entries of one posting each, as many as a busy day has."""
    async with flow.context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        await tx.execute(
            """
            WITH entries AS (
                INSERT INTO journal_entry (organization_id, id, kind, effective_at, recorded_at, accounting_date,
                    actor_kind)
                SELECT $1, gen_random_uuid(), 'invoice_issued', now(), now(), $2, 'system' FROM generate_series(1, $3)
                RETURNING id
            )
            INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount)
            SELECT $1, entries.id, 1, debited.id, credited.id, 1000 FROM entries
            JOIN ledger_account AS debited ON debited.role = 'receivable_other'
            JOIN ledger_account AS credited ON credited.role = 'revenue'
            """,
            tx.organization_id,
            business_date(flow.context.clock()),
            number,
        )


def nodes(plan: str) -> list[dict[str, Any]]:
    """Every node of a plan."""
    found = []
    waiting = [each["Plan"] for each in json.loads(plan)]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.get("Plans", [])
    return found


async def test_statement_of_account_opens_moves_and_closes(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code, amount=100_000), flow.notice("T2", started.code, amount=36_000))
    today = business_date(flow.context.clock())

    first = await read_statement_of_account(
        flow.context, organization_id, PATIENT, first_day=today, last_day=today, limit=2
    )
    second = await read_statement_of_account(
        flow.context, organization_id, PATIENT, first_day=today, last_day=today, after=first.next, limit=2
    )

    assert (first.opening, first.closing) == (0, 0)
    assert [(line.debit, line.credit) for line in first.lines] == [(OWED, 0), (0, 100_000)]
    assert [(line.debit, line.credit) for line in second.lines] == [(0, 36_000)]
    assert [line.other.role for line in first.lines] == [AccountRole.REVENUE, AccountRole.CLEARING]
    assert second.next is None
    assert first.account.number == "131"


async def test_statement_of_the_next_day_opens_with_what_the_day_before_left(flow: PaymentFlow) -> None:
    await flow.start_intent()
    today = business_date(flow.context.clock())
    tomorrow = today + timedelta(days=1)

    statement = await read_statement_of_account(
        flow.context, flow.hospital.organization_id, PATIENT, first_day=tomorrow, last_day=tomorrow
    )

    assert (statement.opening, statement.closing, statement.lines) == (OWED, OWED, ())


async def test_statement_refuses_unknown_accounts_and_turned_periods(flow: PaymentFlow) -> None:
    today = business_date(flow.context.clock())
    organization_id = flow.hospital.organization_id
    anonymous_client = AccountKey(AccountRole.CLEARING, "nobody")

    with pytest.raises(NotFound):
        await read_statement_of_account(
            flow.context, organization_id, anonymous_client, first_day=today, last_day=today
        )
    with pytest.raises(InvalidValue):
        await read_statement_of_account(
            flow.context, organization_id, PATIENT, first_day=today, last_day=today - timedelta(days=1)
        )


async def test_entries_are_listed_newest_first_and_page_by_page(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code, amount=1_000), flow.notice("T2", started.code, amount=2_000))

    first = await list_entries(flow.context, organization_id, ListSlice(limit=2))
    second = await list_entries(flow.context, organization_id, ListSlice(before=first[-1].id, limit=2))

    assert [entry.kind for entry in first] == ["payment_received", "payment_received"]
    assert [posting.amount for entry in first for posting in entry.postings] == [2_000, 1_000]
    assert [entry.kind for entry in second] == ["invoice_issued"]
    assert await find_entry(flow.context, organization_id, first[0].id) == first[0]


async def test_entries_of_an_account_leave_the_others_out(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))

    found = await list_entries(
        flow.context,
        flow.hospital.organization_id,
        ListSlice(limit=9),
        account=clearing_account(flow.hospital.account_id),
    )

    assert [entry.kind for entry in found] == ["payment_received"]


async def test_entry_that_is_none_is_not_found(flow: PaymentFlow) -> None:
    with pytest.raises(NotFound):
        await find_entry(flow.context, flow.hospital.organization_id, EntryId(flow.context.ids.new()))


async def test_tampered_snapshot_is_named(flow: PaymentFlow, database: DatabaseAddress) -> None:
    await flow.start_intent()
    await snapshot_once(flow.context, flow.hospital.organization_id)
    owner = await Database.open(database.owner_url)
    async with owner.transaction(flow.hospital.organization_id) as tx:
        await tx.execute("UPDATE balance_snapshot SET debit = debit + 1 WHERE debit > 0")
        rows = await read_stored_balances(tx, until=date.max, chart_on=date.max)
    await owner.close()

    assert sum(row.debit for row in rows) != sum(row.credit for row in rows)
    assert set(await find_mismatches(flow.context.database)) == {"snapshots-equal-recomputation"}
