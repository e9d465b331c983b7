"""The judge of a generated month finds each kind of wrong match: it is tested with matches made from the truth."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from billing.db.context import Ids, utc_now
from tests.bench.reconcile_import import STATEMENT, import_month
from tests.bench.reconcile_judge import judge
from tests.bench.reconcile_server import MonthServer, generated_month

pytestmark = pytest.mark.own_server
LINES = 1_000

_SET_UP = """
    SET session_replication_role = replica;
    INSERT INTO match_rule_set (organization_id, version, rules, created_at) VALUES (1, 1, '{}', now());
"""
_MATCH = """
    INSERT INTO match (organization_id, id, rule, rule_set, run_id, state, actor_kind, matched_at)
    VALUES (1, $1, 'truth', 1, $1, 'live', 'system', now())
"""
_ITEMS = """
    INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount)
    SELECT 1, $1, kind, id, 1 FROM bench_named WHERE name = $2 AND kind = ANY ($3)
"""
_POSTED = """
    WITH entry AS (SELECT id FROM journal_entry LIMIT 1), bank AS (
        INSERT INTO ledger_account (organization_id, id, role, subject, kind, normal_side)
        SELECT 1, gen_random_uuid(), 'bank', id::text, 'rollup', 'debit' FROM bank_account RETURNING id)
    INSERT INTO posting (organization_id, entry_id, line, debit_account_id, credit_account_id, amount)
    SELECT 1, entry.id, 1000, bank.id, clearing.id, (SELECT sum(line.amount) FROM statement_line AS line
        JOIN match_item AS item ON item.item_kind = 'statement_line' AND item.item_id = line.id)
    FROM entry, bank, (SELECT id FROM ledger_account WHERE role = 'clearing' LIMIT 1) AS clearing
"""
_PLAIN = "SELECT n::text FROM bench_item WHERE fault = '' AND NOT is_gateway ORDER BY n"


@pytest.fixture(scope="module")
def matched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonthServer]:
    """A month whose items are matched as the truth states, where both sides exist."""

    async def started(folder: Path) -> AsyncIterator[MonthServer]:
        async with generated_month(LINES, folder) as server:
            files = [
                (STATEMENT, str(server.files.statement)),
                *((kind, str(path)) for kind, path in server.files.reports),
            ]
            await import_month(server.app_url, files)
            connection = await server.connect()
            await judge(connection)
            await connection.execute(_SET_UP)
            await _match_by_truth(connection)
            await judge(connection)
            await connection.close()
            yield server

    with asyncio.Runner() as runner:
        server = started(tmp_path_factory.mktemp("month"))
        yield runner.run(anext(server))
        runner.run(server.aclose())


async def _match_by_truth(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    ids = Ids(utc_now)
    kinds = await connection.fetch(
        """
        SELECT name, array_agg(kind) AS kinds FROM bench_named LEFT JOIN bench_item USING (n)
        WHERE NOT (kind = 'statement_line' AND coalesce(fault, '') IN ('amount_low', 'amount_high'))
        GROUP BY name HAVING count(*) > 1
        """
    )
    for row in kinds:
        match_id = ids.new()
        await connection.execute(_MATCH, match_id)
        await connection.execute(_ITEMS, match_id, row["name"], row["kinds"])


@pytest.fixture
async def connection(matched: MonthServer) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A transaction that is rolled back, so that each test changes the same matches."""
    connection = await matched.connect()
    await connection.execute("SET session_replication_role = replica")
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def move(connection: "asyncpg.Connection[asyncpg.Record]", kind: str, names: tuple[str, str]) -> None:
    """Exchange the items of a kind between the matches of two names."""
    first, second = [
        await connection.fetchrow("SELECT match_id, id FROM bench_matched WHERE kind = $1 AND name = $2", kind, name)
        for name in names
    ]
    assert first is not None, names
    assert second is not None, names
    await connection.execute("DELETE FROM match_item WHERE item_id = ANY ($1)", [first["id"], second["id"]])
    for match, item in ((first["match_id"], second["id"]), (second["match_id"], first["id"])):
        await connection.execute(
            "INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount) VALUES (1, $1, $2, $3, 1)",
            match, kind, item,
        )  # fmt: skip


async def test_matches_of_the_truth_are_right(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute(_POSTED)

    found = await judge(connection)

    assert (found.wrong, found.precision, found.residual) == ((), 1.0, 0)
    # Nothing is booked here: callbacks that are missing and second transfers have no payment.
    missing = await connection.fetch(
        "SELECT n FROM bench_item WHERE fault IN ('callback_missing', 'duplicate_transfer')"
    )
    assert found.pairs - found.found == 2 * len(missing)
    assert found.pairs > 1.8 * LINES


@pytest.mark.parametrize("kind", ["payment", "statement_line", "settlement_line"])
async def test_exchanged_items_are_wrong_and_their_pairs_missing(
    connection: "asyncpg.Connection[asyncpg.Record]", kind: str
) -> None:
    before = await judge(connection)
    names = tuple(row["n"] for row in await connection.fetch(f"{_PLAIN} LIMIT 2"))

    await move(connection, kind, names)

    found = await judge(connection)
    assert len(found.wrong) == 2
    assert found.precision == (before.matches - 2) / before.matches
    assert before.found - found.found == (4 if kind == "payment" else 2)


async def test_exchanged_payouts_are_wrong(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    before = await judge(connection)

    await move(connection, "payout", ("P1", "P2"))

    found = await judge(connection)
    assert (len(found.wrong), before.found - found.found) == (2, 2)


async def test_lines_of_a_payout_may_be_in_its_match(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    number = await connection.fetchval("SELECT n::text FROM bench_item WHERE is_gateway AND day = 1 LIMIT 1")
    for name, is_right in (("P1", True), ("P2", False)):
        await connection.execute(
            "UPDATE match_item SET match_id = (SELECT match_id FROM bench_matched WHERE kind = 'payout' AND name = $1) "
            "WHERE item_id IN (SELECT id FROM bench_named WHERE name = $2)",
            name, number,
        )  # fmt: skip

        assert len((await judge(connection)).wrong) == int(not is_right)


async def test_line_of_nobody_in_a_match_is_wrong(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    name = await connection.fetchval(f"{_PLAIN} LIMIT 1")
    await connection.execute(
        "INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount) "
        "SELECT 1, (SELECT match_id FROM bench_matched WHERE name = $1 LIMIT 1), kind, id, 1 FROM bench_named "
        "WHERE name LIKE '%U' LIMIT 1",
        name,
    )

    assert len((await judge(connection)).wrong) == 1


async def test_missing_posting_is_the_residual(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute(_POSTED)
    await connection.execute("UPDATE posting SET amount = amount - 1 WHERE line = 1000")

    assert (await judge(connection)).residual == 1
