"""A process that imports a statement, killed before or after its commits; then the import is repeated."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from billing.core.actor import Actor
from billing.reconciliation.service.import_statement import import_statement
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.statement_file import Line, many_lines, statement_csv, statement_file
from tests.released_locks import wait_for_released_locks

_ROOT = Path(__file__).parents[3]

IMPORTER = """
import asyncio, sys
from billing.core.actor import Actor
from billing.db.database import Database
from billing.reconciliation.service.import_statement import import_statement
from tests.builders import build_context
from tests.reconciliation.killed_import import Commits
from tests.reconciliation.statement_file import statement_file

url, path, kill_at, side = sys.argv[1:5]

async def main():
    commits = Commits(int(kill_at), side)
    commits.count()
    context = build_context(await Database.open(url))
    with open(path, "rb") as stream:
        await import_statement(context, 1, statement_file(stream.read()), actor=Actor.system())
    print(commits.number)
    await context.database.close()

asyncio.run(main())
"""
"""One import in chunks of ten lines. It kills itself before or after its commit number `kill_at`; 0: never."""

LINES = 25
COMMITS = 10
"""Rules, removal, the import's row, accounts, three chunks, statements, activation, and the chain."""


async def kill(database: DatabaseAddress, path: Path, *, at: int, side: str) -> int | None:
    """The commits of an import that ended; None for a killed one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", IMPORTER, database.app_url, str(path), str(at), side),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode == -signal.SIGKILL:
        await wait_for_released_locks(database.app_url)
        return None
    assert process.returncode == 0, errors.decode()
    return int(output.split()[-1])


async def rows(flow: PaymentFlow, query: str) -> list[Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id, read_only=True) as tx:
        return [tuple(row) for row in await tx.fetch(query)]


async def assert_imported_once(flow: PaymentFlow) -> None:
    """One active import with every line once, and no row of any other."""
    assert await rows(flow, "SELECT count(*), sum(amount) FROM active_statement_line") == [
        (LINES + 1, 5 + sum(line.amount for line in many_lines(LINES)))
    ]
    for table, count in (("statement_line", LINES + 1), ("statement_line_text", LINES + 1), ("bank_statement", 2)):
        assert await rows(flow, f"SELECT count(*) FROM {table}") == [(count,)], table
    assert await rows(flow, "SELECT count(*) FROM repeated_line") == [(1,)]
    states = await rows(flow, "SELECT DISTINCT state FROM reconciliation_import ORDER BY state")
    assert {state for (state,) in states} <= {"active", "discarded"}
    assert await rows(flow, "SELECT count(*), sum(lines) FROM reconciliation_import WHERE state = 'active'") == [
        (2, LINES + 2)
    ]


@pytest.fixture
async def path(flow: PaymentFlow, tmp_path: Path) -> Path:
    """A file whose first line an imported statement has stated already."""
    first = Line(amount=5)
    await import_statement(
        flow.context, flow.hospital.organization_id, statement_file(statement_csv(first)), actor=Actor.system()
    )
    path = tmp_path / "statement.csv"
    await asyncio.to_thread(path.write_bytes, statement_csv(first, *many_lines(LINES)))
    return path


async def test_import_makes_ten_commits(flow: PaymentFlow, database: DatabaseAddress, path: Path) -> None:
    assert await kill(database, path, at=0, side="after") == COMMITS
    await assert_imported_once(flow)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("at", [3, 5, 7, 8, 9])
async def test_killed_import_is_repeated_to_the_same_result(
    flow: PaymentFlow, database: DatabaseAddress, path: Path, at: int, side: str
) -> None:
    assert await kill(database, path, at=at, side=side) is None
    counted = (at, side) == (9, "after")
    assert await rows(flow, "SELECT count(*) FROM active_statement_line") == [(LINES + 1 if counted else 1,)]

    result = await import_statement(
        flow.context,
        flow.hospital.organization_id,
        statement_file(await asyncio.to_thread(path.read_bytes)),
        actor=Actor.system(),
    )

    assert result.is_repeat is counted
    await assert_imported_once(flow)


async def test_import_that_is_killed_while_it_removes_rows_of_a_killed_one(
    flow: PaymentFlow, database: DatabaseAddress, path: Path
) -> None:
    assert await kill(database, path, at=8, side="after") is None
    assert await kill(database, path, at=2, side="after") is None
    assert await kill(database, path, at=3, side="before") is None

    assert await kill(database, path, at=0, side="after") is not None

    await assert_imported_once(flow)
