"""Seals cover every finished row once, and whatever is changed behind them is named."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from billing.db.database import Database
from billing.ledger.domain.seal import PartDigest
from billing.ledger.service import seal_rows as sealing
from billing.ledger.service.seal_rows import seal_once
from billing.ledger.service.verify import find_unsealed, verify
from billing.ledger.store import sealed_rows
from billing.ledger.store.seals import read_seals
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow, assert_books_are_right, find_mismatches
from tests.tampering import edit

TAMPERINGS = {
    "a posting's amount": "UPDATE posting SET amount = amount + 1",
    "an entry's day of effect": "UPDATE journal_entry SET effective_at = effective_at + interval '1 microsecond'",
    "a payment's reference": "UPDATE payment SET bank_reference = 'X'",
    "an allocation's reason": "UPDATE allocation SET reason = 'X'",
    "who did it": "UPDATE audit SET actor_id = gen_random_uuid() WHERE actor_id IS NOT NULL",
    "an audit row removed": "DELETE FROM audit WHERE action = 'payment_received'",
}


async def seals(flow: PaymentFlow) -> list[tuple[int, int, int]]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return [(seal.number, seal.covers_from, seal.covers_until) for seal in await read_seals(tx, after=0, limit=99)]


async def test_seals_follow_each_other_from_the_beginning_without_gap(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    started = await flow.start_intent()
    first = await seal_once(flow.context, organization_id)
    await flow.deliver(flow.notice("T1", started.code))
    second = await seal_once(flow.context, organization_id)

    chain = await seals(flow)

    assert (first, second) == (1, 1)
    assert [number for number, _, _ in chain] == [1, 2]
    assert chain[0][1] == 0
    assert chain[0][2] == chain[1][1]
    assert await seal_once(flow.context, organization_id) == 0
    await assert_books_are_right(flow.context.database)


async def test_long_work_is_sealed_in_pieces(flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "ROWS_MAX", 2)
    for number in range(4):
        await flow.start_intent(f"LK{number}")

    blocks = await seal_once(flow.context, flow.hospital.organization_id)

    assert blocks >= 4
    chain = await seals(flow)
    assert all(before[2] == after[1] for before, after in pairwise(chain))
    await assert_books_are_right(flow.context.database)


async def test_digests_are_computed_outside_the_event_loop(flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()

    def add(digest: PartDigest, rows: Sequence[asyncpg.Record]) -> None:
        threads.add(threading.current_thread())
        digest_add(digest, rows)

    digest_add = PartDigest.add
    monkeypatch.setattr(PartDigest, "add", add)
    await flow.start_intent()
    assert await seal_once(flow.context, flow.hospital.organization_id) == 1
    assert threads
    assert threading.main_thread() not in threads


async def test_a_running_transaction_is_sealed_after_it_has_ended(flow: PaymentFlow) -> None:
    organization_id = flow.hospital.organization_id
    async with flow.context.database.transaction(organization_id) as running:
        await running.fetchval("SELECT pg_current_xact_id()")  # holds back the oldest transaction
        await flow.start_intent()
        blocks = await seal_once(flow.context, organization_id)
        # What was set up before it may be sealed; the bill, whose transaction is younger, may not.
        async with flow.context.database.transaction(organization_id) as tx:
            assert await tx.fetchval("SELECT count(*) FROM seal WHERE parts ? 'entry'") == 0

    assert await seal_once(flow.context, organization_id) == 1
    async with flow.context.database.transaction(organization_id) as tx:
        assert await tx.fetchval("SELECT sum((parts -> 'entry' ->> 0)::int) FROM seal") == 1
    assert blocks <= 1
    await assert_books_are_right(flow.context.database)


async def test_two_sealers_at_once_make_one_chain(flow: PaymentFlow) -> None:
    started = await flow.start_intent()
    await flow.deliver(*(flow.notice(f"T{number}", started.code, amount=1_000) for number in range(5)))

    blocks = await asyncio.gather(*(seal_once(flow.context, flow.hospital.organization_id) for _ in range(4)))

    assert sum(blocks) == len(await seals(flow)) >= 1
    await assert_books_are_right(flow.context.database)


@pytest.mark.own_server
@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_whatever_is_changed_under_a_seal_is_named(
    flow: PaymentFlow, database: DatabaseAddress, statement: str
) -> None:
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    await seal_once(flow.context, flow.hospital.organization_id)

    await edit(database, statement)

    assert "seals-hold-their-rows" in await find_mismatches(flow.context.database)


@pytest.mark.own_server
async def test_a_row_slipped_under_an_old_seal_is_named(flow: PaymentFlow, database: DatabaseAddress) -> None:
    await flow.start_intent()
    await seal_once(flow.context, flow.hospital.organization_id)
    slipped = (
        "INSERT INTO audit (organization_id, id, recorded_at, actor_kind, action, subject_kind, subject_id,"
        " transaction_id) SELECT organization_id, id, now(), 'system', 'x', 'entry', id, transaction_id"
        " FROM journal_entry"
    )

    await edit(database, slipped)

    mismatches = [mismatch async for result in verify(flow.context.database) for mismatch in result.mismatches]

    assert [(mismatch.expected, mismatch.found) for mismatch in mismatches] == [("3 rows of audit", "4 rows of audit")]


@pytest.mark.own_server
async def test_parts_of_a_block_are_under_its_hash(flow: PaymentFlow, database: DatabaseAddress) -> None:
    await flow.start_intent()
    await seal_once(flow.context, flow.hospital.organization_id)

    await edit(database, "DELETE FROM audit", "UPDATE seal SET parts = parts - 'audit'")

    assert set(await find_mismatches(flow.context.database)) == {"seals-hold-their-rows"}


async def test_rows_of_a_kind_beyond_one_piece_have_the_same_digest(
    flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await flow.start_intent(f"LK{number}")
    await seal_once(flow.context, flow.hospital.organization_id)

    monkeypatch.setattr(sealed_rows, "PIECE", 2)

    await assert_books_are_right(flow.context.database)


@pytest.mark.own_server
async def test_deliveries_that_left_with_their_partition_take_nothing_from_the_other_rows(
    flow: PaymentFlow, database: DatabaseAddress
) -> None:
    started = await flow.start_intent()
    await flow.deliver(flow.notice("T1", started.code))
    await seal_once(flow.context, flow.hospital.organization_id)
    owner = await asyncpg.connect(database.superuser_url or database.owner_url)
    month = await owner.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')")
    # As a month later, after the retention of deliveries: the seal is then of before the oldest partition.
    await owner.execute(f"DROP TABLE delivery_{month}")
    await owner.close()

    await assert_books_are_right(flow.context.database)

    await edit(database, "DELETE FROM event_key")
    assert set(await find_mismatches(flow.context.database)) == {"seals-hold-their-rows"}


async def test_app_role_cannot_state_which_transaction_wrote_a_row(flow: PaymentFlow) -> None:
    """Else it could slip rows under an old seal, or hide them beyond the watermark."""
    tables = "journal_entry posting payment allocation audit day_closing outbox event_key movement_key delivery invoice"
    for table in [*tables.split(), "exception_case", "dead_letter", "approval", "ledger_account"]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
                await tx.execute(f"INSERT INTO {table} (transaction_id) VALUES ('1')")


@pytest.mark.own_server
async def test_a_seal_taken_out_of_the_chain_is_named(flow: PaymentFlow, database: DatabaseAddress) -> None:
    for number in range(3):
        await flow.start_intent(f"LK{number}")
        await seal_once(flow.context, flow.hospital.organization_id)

    await edit(database, "DELETE FROM seal WHERE number = 2")

    assert set(await find_mismatches(flow.context.database)) == {"seals-leave-no-gap"}


async def test_database_refuses_a_seal_that_leaves_a_gap(flow: PaymentFlow) -> None:
    await flow.start_intent()
    await seal_once(flow.context, flow.hospital.organization_id)

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
            await tx.execute(
                "INSERT INTO seal SELECT organization_id, 2, 1, hash, (covers_until::text::bigint + 1)::text::xid8,"
                " (covers_until::text::bigint + 9)::text::xid8, hash, parts, sealed_at FROM seal"
            )


async def test_rows_not_sealed_yet_are_listed_and_are_no_mismatch(flow: PaymentFlow) -> None:
    await flow.start_intent()
    now = flow.context.clock()
    database: Database = flow.context.database

    young = await find_unsealed(database, recorded_before=now - timedelta(minutes=5))
    ((organization_id, old),) = await find_unsealed(database, recorded_before=now + timedelta(minutes=5))
    await seal_once(flow.context, flow.hospital.organization_id)

    assert young == []
    assert organization_id == flow.hospital.organization_id
    assert {unsealed.kind: unsealed.rows for unsealed in old}["entry"] == 1
    assert await find_unsealed(database, recorded_before=now + timedelta(minutes=5)) == []
    await assert_books_are_right(database)
