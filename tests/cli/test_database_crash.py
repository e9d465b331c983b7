"""PostgreSQL crashes and comes back while callbacks arrive: the processes as an operator starts them, both formats."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from billing.db.context import utc_now
from billing.devserver.embedded import EmbeddedPostgres
from providers.sandbox.bank_simulator import BankSimulator
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET, DemoHospital, add_demo_hospital, visit_document
from tests.cli.durable import DurableDatabase, DurableServer


@pytest.fixture(scope="module")
def crashing() -> Iterator[DurableServer]:
    """A server of the module's own: its crash ends whatever else uses it."""
    with EmbeddedPostgres() as own:
        server = DurableServer(own)
        yield server
        server.close()


@pytest.fixture
def database(crashing: DurableServer) -> DurableDatabase:
    return crashing.create_migrated()


@asynccontextmanager
async def process(command: str, url: str, log_format: str, **environment: str) -> AsyncIterator[tuple[Any, Path]]:
    """A running command and the file of its log."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "log"
        with written.open("wb") as log:
            running = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
                [sys.executable, "-m", "billing", command],
                stderr=log,
                env={
                    "PATH": "/usr/bin:/bin",
                    "VIENPHI_PORT": "0",
                    "VIENPHI_LOG_FORMAT": log_format,
                    "VIENPHI_DATABASE_URL": url,
                    "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
                    **environment,
                },
            )
        try:
            yield running, written
        finally:
            running.kill()
            running.wait()


async def logged(written: Path, pattern: str, *, times: int = 1) -> re.Match[str]:
    """The last match of a pattern in a log, once it is there so many times."""
    async with asyncio.timeout(60):
        while True:
            found = list(re.finditer(pattern, written.read_text("utf-8")))  # noqa: ASYNC240 - a small file
            if len(found) >= times:
                return found[-1]
            await asyncio.sleep(0.05)


async def _post(client: httpx.AsyncClient, path: str, document: dict[str, Any]) -> Any:
    answer = await client.post(path, json=document, headers={"Idempotency-Key": f"key-{path[-3:]}-{uuid4()}"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def open_intent(client: httpx.AsyncClient, number: int) -> str:
    """The payload of a code to be paid."""
    visit = (await _post(client, "/v1/visits", visit_document(ma_lk=f"LK{number:04d}")))["visits"][0]["id"]
    invoice = (await _post(client, "/v1/invoices", {"visit_id": visit}))["id"]
    answer = await _post(client, "/v1/intents", {"account": ACCOUNT_NAME, "invoice_ids": [invoice]})
    payload: str = answer["instruction"]["qr_payload"]
    return payload


@pytest.mark.parametrize("log_format", ["json", pytest.param("console", marks=pytest.mark.slow)])
async def test_callbacks_are_booked_again_after_a_crash_of_the_database(
    database: DurableDatabase, log_format: str
) -> None:
    hospital: DemoHospital = await add_demo_hospital(database.owner_url)
    async with process("serve", database.app_url, log_format) as (running, written):
        address = (await logged(written, r"(http://127\.0\.0\.1:\d+)"))[1]
        async with httpx.AsyncClient(base_url=address, headers=hospital.authorization, timeout=30) as client:
            payloads = [await open_intent(client, number) for number in range(8)]
            bank = BankSimulator(
                client, address + hospital.callback_path, hospital.settings, clock=utc_now, random=Random(1)
            )
            messages = [bank.transfer(payload) for payload in payloads]
            is_back = asyncio.Event()

            async def deliver(message: Any) -> int:
                """As a provider does: until it is acknowledged, which it is not while the database is away."""
                while True:
                    answer = await bank.deliver(message)
                    if answer.status == 200 and is_back.is_set():
                        return answer.status
                    await asyncio.sleep(0.05)

            delivering = [asyncio.create_task(deliver(message)) for message in messages]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(database.server.crash)
            is_back.set()
            async with asyncio.timeout(60):
                statuses = await asyncio.gather(*delivering)
                while (ready := await client.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.05)
            measures = (await client.get("/metrics")).text
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0
        text = written.read_text("utf-8")

    assert statuses == [200] * 8
    assert ready.json()["status"] == "ready"
    assert "vienphi_task_restarts_total{" not in measures, "what the database does ends no task"
    assert "log_line_failed" not in text
    assert await rows(database, "SELECT count(*), sum(amount) FROM payment") == [(8, 8 * 136_000)]


@pytest.mark.parametrize("log_format", ["console", pytest.param("json", marks=pytest.mark.slow)])
async def test_worker_goes_on_after_a_crash_of_the_database(database: DurableDatabase, log_format: str) -> None:
    await add_demo_hospital(database.owner_url)
    intervals = {f"VIENPHI_WORKER__{name}_S": "1" for name in ("POLL", "FEED", "EXPIRE", "SEAL", "HEALTH")}
    async with process("worker", database.app_url, log_format, **intervals) as (running, written):
        await logged(written, r"worker_healthy")
        await asyncio.to_thread(database.server.crash)
        wells = len(re.findall(r"worker_healthy", written.read_text("utf-8")))
        await logged(written, r"worker_healthy", times=wells + 2)
        is_alive = running.poll() is None
        running.send_signal(signal.SIGTERM)
        ended = await asyncio.to_thread(running.wait, 30)
        text = written.read_text("utf-8")

    assert (is_alive, ended) == (True, 0)
    assert "task_ended" not in text
    assert "log_line_failed" not in text
    if log_format == "json":
        assert all(json.loads(line) for line in text.splitlines())


async def rows(database: DurableDatabase, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database.owner_url)
    try:
        await connection.execute("SET vienphi.organization = '1'")
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()
