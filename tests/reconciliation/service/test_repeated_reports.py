"""A report that repeats lines of an earlier one: their payout days are staged with it and count once it is active."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from billing.core.ids import ProviderAccountId
from billing.db.database import LockClass, Transaction
from billing.reconciliation.domain.file_import import ImportDiscarded, ImportId, KeyedSettlementLine
from billing.reconciliation.formats import chunk_file
from billing.reconciliation.formats.settlement_spool import SettlementSpool
from billing.reconciliation.service import import_settlement as importing
from billing.reconciliation.store.settlements import add_settlement_lines, lock_payouts
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.reconciliation.service.test_import_settlement import HEAD, line, rows, run
from tests.released_locks import wait_for_released_locks

_ROOT = Path(__file__).parents[3]
_UNDATED = [line(f"T{number}", 1_000 + number, paid_out_on="") for number in range(25)]
_DATED = [line(f"T{number}", 1_000 + number) for number in range(25)]
_DAYS = "SELECT paid_out_on, payout_number, count(*) FROM active_settlement_line GROUP BY 1, 2 ORDER BY 1, 2"
_OPEN, _SET = [(None, 1, 25)], [(date(2026, 11, 2), 1, 25)]
_STAGED = "SELECT count(*) FROM stated_payout_day"

_IMPORTER = """
import asyncio, sys
from billing.core.actor import Actor
from billing.db.database import Database
from billing.reconciliation.service.import_settlement import import_settlement
from tests.builders import ACCOUNT_NAME, build_context
from tests.reconciliation.killed_import import Commits

url, path, kill_at, side = sys.argv[1:5]

async def main():
    context = build_context(await Database.open(url))
    await context.accounts.find(1, ACCOUNT_NAME)
    Commits(int(kill_at), side).count()
    with open(path, "rb") as stream:
        await import_settlement(context, 1, stream, account_name=ACCOUNT_NAME, file_name="r.csv", actor=Actor.system())

asyncio.run(main())
"""
"""One import in chunks of ten lines, which kills itself before or after its commit number `kill_at`.

Its commits: the known import, the removal, the import's row, three chunks, the activation.
"""


async def test_activation_reads_the_file_no_more(flow: PaymentFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another transaction posts a payout, the days are staged already; the activation waits and sets them."""
    reads: list[SettlementSpool] = []
    chunks = SettlementSpool.chunks

    def counted(spool: SettlementSpool) -> Any:
        reads.append(spool)
        return chunks(spool)

    await run(flow, *_UNDATED)
    monkeypatch.setattr(SettlementSpool, "chunks", counted)
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await lock_payouts(tx)
        importing_again = asyncio.create_task(run(flow, *_DATED))
        while not await tx.fetchval("SELECT count(*)::int FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        staged, meanwhile = await rows(flow, _STAGED), await rows(flow, _DAYS)
    result = await importing_again

    assert (staged, meanwhile, len(reads)) == ([(25,)], _OPEN, 1)
    assert (result.new_lines, result.dated, result.payouts) == (0, 25, 1)
    assert await rows(flow, _DAYS) == _SET


@pytest.mark.parametrize(("at", "side"), [(6, "after"), (7, "after")])
async def test_killed_import_of_known_lines_sets_their_days_once(
    flow: PaymentFlow, database: DatabaseAddress, tmp_path: Path, at: int, side: str
) -> None:
    await run(flow, *_UNDATED)
    path = tmp_path / "report.csv"
    await asyncio.to_thread(path.write_text, HEAD + "".join(_DATED), "utf-8", newline="")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _IMPORTER, database.app_url, str(path), str(at), side, cwd=_ROOT
    )
    assert await process.wait() == -signal.SIGKILL
    await wait_for_released_locks(database.app_url)
    counted = (at, side) == (7, "after")
    assert await rows(flow, _DAYS) == (_SET if counted else _OPEN)

    result = await run(flow, *_DATED)

    assert (result.is_repeat, result.dated) == (counted, 0 if counted else 25)
    assert await rows(flow, _DAYS) == _SET
    assert await rows(flow, _STAGED) == [(25,)], "those of the killed import are removed"
    assert await rows(flow, "SELECT count(*) FROM payout") == [(1,)]


async def test_import_that_another_one_of_the_same_lines_overtakes_sets_nothing(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the first one is lost while it stages; the second one states other days and is active before it."""
    await run(flow, *_UNDATED)
    monkeypatch.setattr(chunk_file, "CHUNK", 10)
    reached, resumed = asyncio.Event(), asyncio.Event()
    calls = 0

    async def paused(
        tx: Transaction,
        import_id: ImportId,
        account_id: ProviderAccountId,
        ids: Sequence[UUID],
        lines: Sequence[KeyedSettlementLine],
    ) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            reached.set()
            await resumed.wait()
        return await add_settlement_lines(tx, import_id, account_id, ids, lines)

    monkeypatch.setattr(importing, "add_settlement_lines", paused)
    first = asyncio.create_task(run(flow, *_DATED))
    await reached.wait()
    connection = await asyncpg.connect(database.app_url)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND classid::int = $1",
        int(LockClass.IMPORT),
    )
    await connection.close()
    second = await run(flow, *(each.replace(",2026-11-02\r", ",2026-11-05\r") for each in _DATED))
    resumed.set()

    with pytest.raises(ImportDiscarded):
        await first
    assert second.dated == 25
    assert await rows(flow, _DAYS) == [(date(2026, 11, 5), 1, 25)]
    assert await rows(flow, "SELECT DISTINCT paid_out_on FROM stated_payout_day") == [(date(2026, 11, 5),)]
