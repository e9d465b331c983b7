"""Repricing in several processes: the same as in one, and none left behind when it ends."""

import asyncio
import multiprocessing
import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from billing.db.connection_errors import DatabaseUnavailable
from billing.invoices.service import reprice as recomputing
from billing.invoices.service.reprice import (
    RepricingStopped,
    WorkerProcesses,
    reprice_invoices,
)
from billing.invoices.service.reprice_batch import Draft
from tests.builders import drug_line, visit_document
from tests.conftest import DatabaseAddress
from tests.flow import PaymentFlow
from tests.invoices.service.test_reprice import LEVEL_OF_DIGIT_4, PARAMETERS, issue, reprice, two_processes


async def test_processes_report_the_same_as_one(flow: PaymentFlow, database: DatabaseAddress) -> None:
    for number in range(1, 6):
        document = visit_document(ma_lk=f"LK{number}")
        document["lines"].append(drug_line(2, quantity=str(number), price="1000"))
        await issue(flow, document)
    draft = Draft(parameters=PARAMETERS.replace(LEVEL_OF_DIGIT_4, '4 = "70"'))

    assert await reprice(flow, draft=draft, processes=two_processes(database)) == await reprice(flow, draft=draft)


async def test_process_that_ends_stops_the_reprice_by_name(
    flow: PaymentFlow, database: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 13):
        await issue(flow, visit_document(ma_lk=f"LK{number}"))
    monkeypatch.setattr(recomputing, "BATCH_SIZE", 1)

    async with aclosing(reprice_invoices(flow.context.database, processes=two_processes(database))) as outcomes:
        assert (await anext(outcomes)).outcome.totals.invoices == 1
        multiprocessing.active_children()[0].kill()
        with pytest.raises(RepricingStopped):
            async for _ in outcomes:
                await asyncio.sleep(0.05)


KILLED_REPRICE = """
import asyncio, multiprocessing, os, signal, sys
from billing.invoices.service.reprice import WorkerProcesses, reprice_invoices
from billing.db.database import Database

async def main(url):
    database = await Database.open(url)
    async for _ in reprice_invoices(database, processes=WorkerProcesses(2, url)):
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
"""


async def test_processes_end_when_the_reprice_was_killed(flow: PaymentFlow, database: DatabaseAddress) -> None:
    await issue(flow, visit_document())

    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_REPRICE, database.app_url, stdout=asyncio.subprocess.PIPE
    )
    assert killed.stdout is not None
    children = [int(pid) for pid in (await killed.stdout.readline()).split()]
    for _ in range(400):
        if not any(map(_lives, children)):
            break
        await asyncio.sleep(0.05)
    alive = [pid for pid in children if _lives(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    await killed.wait()

    assert children
    assert alive == []


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_process_without_a_database_is_reported(flow: PaymentFlow) -> None:
    await issue(flow, visit_document())
    nowhere = WorkerProcesses(2, "postgresql://nobody@127.0.0.1:1/nowhere")

    with pytest.raises(DatabaseUnavailable):
        await reprice(flow, processes=nowhere)
