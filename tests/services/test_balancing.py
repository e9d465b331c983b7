"""Balances from snapshots, statements of account and the journal as a list, on a real PostgreSQL."""

import asyncio
import json
from datetime import date, timedelta
from typing import Any

import pytest

from billing.core.clock import business_date
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import EntryId
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
from tests.services.road import OWED, Road, assert_books_are_right, find_doubts

PATIENT = AccountKey(AccountRole.RECEIVABLE_PATIENT)


async def by_role(road: Road, on: date | None = None) -> dict[str, int]:
    rows = await read_balances(road.context, road.hospital.organization_id, on=on)
    return {row.role: row.balance for row in rows if row.debit or row.credit}


async def recomputed(road: Road) -> list[AccountBalance]:
    async with road.context.database.transaction(road.hospital.organization_id) as tx:
        return list(await read_trial_balance(tx, on=business_date(road.context.clock())))


async def test_balances_are_the_same_before_within_and_after_a_snapshot(road: Road) -> None:
    organization_id = road.hospital.organization_id
    bill = await road.bill()
    before = await read_balances(road.context, organization_id)

    taken = await snapshot_once(road.context, organization_id)
    snapshot_only = await read_balances(road.context, organization_id)
    await road.deliver(road.notice("T1", bill.code, amount=100_000))
    snapshot_and_later = await read_balances(road.context, organization_id)
    taken_later = await snapshot_once(road.context, organization_id)

    assert (taken, taken_later) == (2, 1)
    assert snapshot_only == before
    assert list(snapshot_and_later) == await recomputed(road)
    assert list(await read_balances(road.context, organization_id)) == await recomputed(road)
    # Issued: 136 000 patient, 464 000 insurer; 100 000 of the patient's came in.
    assert await by_role(road) == {
        "clearing": 100_000,
        "receivable_patient": OWED - 100_000,
        "receivable_insurer": 464_000,
        "revenue": 600_000,
    }
    await assert_books_are_right(road.context.database)


async def test_nothing_is_written_where_nothing_was_finished(road: Road) -> None:
    await road.bill()
    await snapshot_once(road.context, road.hospital.organization_id)

    assert await snapshot_once(road.context, road.hospital.organization_id) == 0


async def test_snapshots_are_taken_in_pieces_without_loss(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing, "POSTINGS_MAX", 2)
    for number in range(4):
        await road.bill(f"LK{number}")

    taken = await snapshot_once(road.context, road.hospital.organization_id)

    assert taken == 8
    assert list(await read_balances(road.context, road.hospital.organization_id)) == await recomputed(road)
    await assert_books_are_right(road.context.database)


async def test_two_snapshots_at_once_count_every_posting_once(road: Road) -> None:
    bill = await road.bill()
    await road.deliver(*(road.notice(f"T{number}", bill.code, amount=1_000) for number in range(5)))
    organization_id = road.hospital.organization_id

    taken = await asyncio.gather(*(snapshot_once(road.context, organization_id) for _ in range(3)))

    assert sum(taken) == 7
    assert list(await read_balances(road.context, organization_id)) == await recomputed(road)
    await assert_books_are_right(road.context.database)


async def test_a_running_transaction_is_neither_missed_nor_counted_twice(road: Road) -> None:
    """An entry written before the snapshot and committed after it lies beyond the watermark."""
    await road.bill("LK1")
    organization_id = road.hospital.organization_id
    async with road.context.database.transaction(organization_id) as running:
        await running.fetchval("SELECT pg_current_xact_id()")  # holds the horizon
        await road.bill("LK2")
        assert await snapshot_once(road.context, organization_id) == 2
        assert list(await read_balances(road.context, organization_id)) == await recomputed(road)

    assert await snapshot_once(road.context, organization_id) == 2
    assert list(await read_balances(road.context, organization_id)) == await recomputed(road)


async def test_balance_of_a_day_leaves_later_days_out(road: Road) -> None:
    today = business_date(road.context.clock())
    await road.bill()

    assert await by_role(road, on=today - timedelta(days=1)) == {}
    assert (await by_role(road, on=today))["receivable_patient"] == OWED
    await snapshot_once(road.context, road.hospital.organization_id)
    assert await by_role(road, on=today - timedelta(days=1)) == {}
    assert (await by_role(road, on=today))["receivable_patient"] == OWED


async def test_reading_a_balance_does_not_scan_all_postings(road: Road, database: DatabaseAddress) -> None:
    organization_id = road.hospital.organization_id
    bill = await road.bill()
    await book_many(road, 5_000)
    await snapshot_once(road.context, organization_id)
    await road.deliver(road.notice("T99", bill.code, amount=100))
    owner = await Database.open(database.owner_url)
    async with owner.transaction(organization_id) as tx:
        await tx.execute("ANALYZE posting, journal_entry")
    await owner.close()

    async with road.context.database.transaction(organization_id) as tx:
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
    assert list(await read_balances(road.context, organization_id)) == await recomputed(road)


async def book_many(road: Road, number: int) -> None:
    """Entries of one posting each, as many as a busy day has."""
    async with road.context.database.transaction(road.hospital.organization_id, posting=True) as tx:
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
            business_date(road.context.clock()),
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


async def test_statement_of_account_opens_moves_and_closes(road: Road) -> None:
    organization_id = road.hospital.organization_id
    bill = await road.bill()
    await road.deliver(road.notice("T1", bill.code, amount=100_000), road.notice("T2", bill.code, amount=36_000))
    today = business_date(road.context.clock())

    first = await read_statement_of_account(
        road.context, organization_id, PATIENT, first_day=today, last_day=today, limit=2
    )
    second = await read_statement_of_account(
        road.context, organization_id, PATIENT, first_day=today, last_day=today, after=first.next, limit=2
    )

    assert (first.opening, first.closing) == (0, 0)
    assert [(line.debit, line.credit) for line in first.lines] == [(OWED, 0), (0, 100_000)]
    assert [(line.debit, line.credit) for line in second.lines] == [(0, 36_000)]
    assert [line.other.role for line in first.lines] == [AccountRole.REVENUE, AccountRole.CLEARING]
    assert second.next is None
    assert first.account.number == "131"


async def test_statement_of_the_next_day_opens_with_what_the_day_before_left(road: Road) -> None:
    await road.bill()
    today = business_date(road.context.clock())
    tomorrow = today + timedelta(days=1)

    statement = await read_statement_of_account(
        road.context, road.hospital.organization_id, PATIENT, first_day=tomorrow, last_day=tomorrow
    )

    assert (statement.opening, statement.closing, statement.lines) == (OWED, OWED, ())


async def test_statement_refuses_unknown_accounts_and_turned_periods(road: Road) -> None:
    today = business_date(road.context.clock())
    organization_id = road.hospital.organization_id
    stranger = AccountKey(AccountRole.CLEARING, "nobody")

    with pytest.raises(NotFound):
        await read_statement_of_account(road.context, organization_id, stranger, first_day=today, last_day=today)
    with pytest.raises(InvalidValue):
        await read_statement_of_account(
            road.context, organization_id, PATIENT, first_day=today, last_day=today - timedelta(days=1)
        )


async def test_entries_are_listed_newest_first_and_page_by_page(road: Road) -> None:
    organization_id = road.hospital.organization_id
    bill = await road.bill()
    await road.deliver(road.notice("T1", bill.code, amount=1_000), road.notice("T2", bill.code, amount=2_000))

    first = await list_entries(road.context, organization_id, limit=2)
    second = await list_entries(road.context, organization_id, after=first.next, limit=2)

    assert [entry.kind for entry in first.rows] == ["payment_received", "payment_received"]
    assert [posting.amount for entry in first.rows for posting in entry.postings] == [2_000, 1_000]
    assert [entry.kind for entry in second.rows] == ["invoice_issued"]
    assert second.next is None
    assert await find_entry(road.context, organization_id, first.rows[0].id) == first.rows[0]


async def test_entries_of_an_account_leave_the_others_out(road: Road) -> None:
    bill = await road.bill()
    await road.deliver(road.notice("T1", bill.code))

    found = await list_entries(
        road.context, road.hospital.organization_id, account=clearing_account(road.hospital.account_id)
    )

    assert [entry.kind for entry in found.rows] == ["payment_received"]


async def test_entry_that_is_none_is_not_found(road: Road) -> None:
    with pytest.raises(NotFound):
        await find_entry(road.context, road.hospital.organization_id, EntryId(road.context.ids.new()))
    with pytest.raises(InvalidValue):
        await list_entries(road.context, road.hospital.organization_id, limit=0)


async def test_tampered_snapshot_is_named(road: Road, database: DatabaseAddress) -> None:
    await road.bill()
    await snapshot_once(road.context, road.hospital.organization_id)
    owner = await Database.open(database.owner_url)
    async with owner.transaction(road.hospital.organization_id) as tx:
        await tx.execute("UPDATE balance_snapshot SET debit = debit + 1 WHERE debit > 0")
        rows = await read_stored_balances(tx, until=date.max, chart_on=date.max)
    await owner.close()

    assert sum(row.debit for row in rows) != sum(row.credit for row in rows)
    assert set(await find_doubts(road.context.database)) == {"snapshots-equal-recomputation"}
