"""A generated month with every class of fault is matched without a wrong match, and every đồng is explained."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.core.actor import Actor
from billing.db.database import Database
from billing.ledger.service.verify import verify
from billing.payments.service.context import PaymentContext
from billing.reconciliation.service.find_exceptions import find_exceptions_once
from billing.reconciliation.service.match_lines import run_matching
from tests.bench.reconcile_import import STATEMENT, import_month
from tests.bench.reconcile_judge import Judgement, find_misclassified, judge
from tests.bench.reconcile_late import match_late_lines
from tests.bench.reconcile_server import ORGANIZATION, MonthServer, generated_month
from tests.builders import build_context

pytestmark = pytest.mark.own_server
LINES = 1_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MonthServer]:
    async with generated_month(LINES, tmp_path) as server:
        yield server


@pytest.fixture
async def context(server: MonthServer) -> AsyncIterator[PaymentContext]:
    database = await Database.open(server.app_url)
    yield build_context(database)
    await database.close()


async def judged(server: MonthServer) -> Judgement:
    connection = await server.connect()
    found = await judge(connection)
    await connection.close()
    return found


def files(server: MonthServer) -> list[tuple[str, str]]:
    return [(STATEMENT, str(server.files.statement)), *((kind, str(path)) for kind, path in server.files.reports)]


@pytest.mark.parametrize("is_statement_first", [True, False])
async def test_month_is_matched_right_whole_and_to_the_dong(
    server: MonthServer, context: PaymentContext, is_statement_first: bool
) -> None:
    await import_month(server.app_url, files(server)[:: 1 if is_statement_first else -1])

    run = await run_matching(context, ORGANIZATION, actor=Actor.system())

    found = await judged(server)
    assert (found.wrong, found.missing, found.residual) == ((), (), 0)
    assert found.pairs > 1.9 * LINES
    connection = await server.connect()
    cards = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM match WHERE rule = 'card_batch' AND state = 'live') AS matched, "
        "(SELECT count(*) FROM bench_card WHERE is_seen) AS seen, (SELECT count(*) FROM bench_card) AS batches"
    )
    assert cards is not None
    assert cards["matched"] == cards["seen"] < cards["batches"]
    booked = await connection.fetch(
        """
        SELECT item.fault, count(*) AS payments FROM payment
        JOIN intent ON intent.id = payment.intent_id
        JOIN bench_item AS item ON item.code = intent.reference_code AND item.transaction <> payment.provider_reference
        GROUP BY item.fault ORDER BY item.fault
        """
    )
    faults = dict(await connection.fetch("SELECT fault, count(*) FROM bench_item WHERE fault <> '' GROUP BY fault"))
    await connection.close()
    names = ("callback_missing", "duplicate_transfer")
    assert {row["fault"]: row["payments"] for row in booked} == {name: faults[name] for name in names}
    assert run.booked == sum(faults[name] for name in names)


async def test_every_fault_opens_the_exception_of_its_class_and_nothing_else_does(
    server: MonthServer, context: PaymentContext
) -> None:
    await import_month(server.app_url, files(server))
    await run_matching(context, ORGANIZATION, actor=Actor.system())

    found = await find_exceptions_once(context, ORGANIZATION)

    connection = await server.connect()
    await judge(connection)
    assert await find_misclassified(connection) == []
    await connection.close()
    assert found.opened > 0
    again = await find_exceptions_once(context, ORGANIZATION)
    assert (again.opened, again.closed) == (0, 0)


async def test_month_matched_again_is_the_same_and_its_ledger_is_right(
    server: MonthServer, context: PaymentContext
) -> None:
    await import_month(server.app_url, files(server))
    await run_matching(context, ORGANIZATION, actor=Actor.system())
    before = await judged(server)

    again = await run_matching(context, ORGANIZATION, actor=Actor.system())

    assert (again.matches, again.booked, again.superseded) == (0, 0, 0)
    assert await judged(server) == before
    owner = await Database.open(server.owner_url)
    assert [result async for result in verify(owner) if result.mismatches] == []
    await owner.close()


async def test_late_lines_are_matched_one_at_a_time(server: MonthServer, context: PaymentContext) -> None:
    await import_month(server.app_url, files(server))
    await run_matching(context, ORGANIZATION, actor=Actor.system())
    connection = await server.connect()

    late = await match_late_lines(server, context, connection, count=5)

    await connection.close()
    assert len(late.took_ms) == late.matched > 0
    assert (await judged(server)).residual == 0
