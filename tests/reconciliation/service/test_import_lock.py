"""The lock of imports: held over many transactions, free after every end, and lost with its connection."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from billing.core.actor import Actor
from billing.core.ids import OrganizationId
from billing.db.database import Database, LockClass, Transaction
from billing.reconciliation.domain.file_import import ImportDiscarded, ImportId
from billing.reconciliation.service import import_statement as importing
from billing.reconciliation.service.import_statement import import_statement
from billing.reconciliation.store.statements import NewLine, add_lines
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.statement_file import many_lines, statement_csv, statement_file

ONE, TWO = OrganizationId(1), OrganizationId(2)


async def _is_free(database: Database, organization_id: OrganizationId = ONE) -> bool:
    async with database.session_lock(LockClass.IMPORT, organization_id) as is_held:
        return is_held


async def test_lock_is_of_one_organization_and_one_session(app_database: Database) -> None:
    async with app_database.session_lock(LockClass.IMPORT, ONE) as is_held:
        assert is_held
        assert not await _is_free(app_database)
        assert await _is_free(app_database, TWO)

    assert await _is_free(app_database)


async def test_lock_is_free_after_an_error_and_a_cancellation(app_database: Database) -> None:
    async def hold(entered: asyncio.Event) -> None:
        async with app_database.session_lock(LockClass.IMPORT, ONE):
            entered.set()
            await asyncio.Event().wait()

    with pytest.raises(ValueError, match="inside"):
        async with app_database.session_lock(LockClass.IMPORT, ONE):
            raise ValueError("inside")
    assert await _is_free(app_database)

    entered = asyncio.Event()
    task = asyncio.create_task(hold(entered))
    await entered.wait()
    assert not await _is_free(app_database)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _is_free(app_database)


async def test_import_whose_lock_was_lost_stores_nothing_more(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session of the lock; another import discards the first one and imports the file."""
    organization_id = flow.hospital.organization_id
    content = statement_csv(*many_lines(4_500))
    reached, resumed = asyncio.Event(), asyncio.Event()
    calls = 0

    async def paused(
        tx: Transaction, import_id: ImportId, lines: Sequence[NewLine], *, is_tentative: bool
    ) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            reached.set()
            await resumed.wait()
        return await add_lines(tx, import_id, lines, is_tentative=is_tentative)

    def run() -> Any:
        return import_statement(flow.context, organization_id, statement_file(content), actor=Actor.system())

    monkeypatch.setattr(importing, "add_lines", paused)
    first = asyncio.create_task(run())
    await reached.wait()
    connection = await asyncpg.connect(database.app_url)
    ended = await connection.fetch(
        """SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
        WHERE locktype = 'advisory' AND classid::int = $1 AND objid::int = $2""",
        int(LockClass.IMPORT),
        organization_id,
    )
    await connection.close()
    assert [row[0] for row in ended] == [True]
    second = await run()
    resumed.set()

    with pytest.raises(ImportDiscarded):
        await first
    assert second.new_lines == 4_500
    async with flow.context.database.transaction(organization_id, read_only=True) as tx:
        assert await tx.fetchval("SELECT count(*) FROM statement_line") == 4_500
        assert await tx.fetchval("SELECT count(*) FROM repeated_line") == 0
        states = await tx.fetch("SELECT state FROM reconciliation_import ORDER BY id")
    assert [row["state"] for row in states] == ["discarded", "active"]
