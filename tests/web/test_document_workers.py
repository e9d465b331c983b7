"""Big documents are worked on in processes of their own: same answers, limits of memory and time, and no trace left."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx
import pytest

from billing.app import exporting_traces, open_service
from billing.tracing import TraceTarget
from billing.web.document_workers import DocumentLimits
from billing.web.server import serving
from tests.builders import SANDBOX_SECRET, service_line, visit_document
from tests.collector import collecting
from tests.web.site import Site, problem

LINES = 700
MEMORY_MAX = 320 * 1024**2
"""Enough to start and for a common document, as address space."""

JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def service(
    site: Site, limits: DocumentLimits, traces: TraceTarget | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    opened = open_service(site.database.app_url, documents=limits, traces=traces, secret_of=lambda _: SANDBOX_SECRET)
    async with (
        opened as running,
        serving(running.application) as address,
        httpx.AsyncClient(base_url=address, headers=site.hospital.authorization, timeout=60) as client,
    ):
        yield client


def big_visit(lines: int = LINES) -> dict[str, Any]:
    charge_items = [service_line(stt, name="Xét nghiệm", group=1, price="20000") for stt in range(1, lines + 1)]
    return visit_document(lines=charge_items)


def fresh() -> dict[str, str]:
    return {"Idempotency-Key": token_urlsafe()}


def workers() -> set[int]:
    """The children of this process that are document workers."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = next(line for line in status.read_text().splitlines() if line.startswith("PPid:")).split()[1]
            command = (status.parent / "cmdline").read_bytes()
        except (OSError, StopIteration):
            continue
        if int(parent) == os.getpid() and b"pickle.load" in command:
            found.add(int(status.parent.name))
    return found


async def test_big_visit_is_answered_as_a_small_process_would_answer_it(site: Site) -> None:
    document = big_visit()
    async with service(site, DocumentLimits(workers=1)) as client:
        quoted = await client.post("/v1/quotes", content=json.dumps(document).encode(), headers=JSON)
        taken = await client.post("/v1/visits", content=json.dumps(document).encode(), headers={**JSON, **fresh()})
        visit = taken.json()["visits"][0]
        known = await client.get(f"/v1/visits/{visit['id']}")
        issued = await client.post("/v1/invoices", json={"visit_id": visit["id"]}, headers=fresh())
        assert len(workers()) == 1
    assert workers() == set()

    here = await site.client.post("/v1/quotes", json=document)
    assert quoted.json() == here.json()
    assert taken.status_code == 201
    assert taken.headers["Location"] == f"/v1/visits/{visit['id']}"
    assert known.json() == (await site.client.get(f"/v1/visits/{visit['id']}")).json()
    assert len(issued.json()["lines"]) == LINES
    assert issued.json() == await site.read(f"/v1/invoices/{issued.json()['id']}")


async def test_small_documents_start_no_worker(site: Site) -> None:
    async with service(site, DocumentLimits()) as client:
        answer = await client.post("/v1/visits", json=visit_document(), headers=fresh())

        assert answer.status_code == 201
        assert workers() == set()


async def test_refusal_of_a_worker_carries_the_id_and_the_trace_of_the_request(site: Site) -> None:
    document = json.dumps({**big_visit(), "unknown": 1}).encode()
    with collecting() as collector:
        with exporting_traces(collector.target()):
            async with service(site, DocumentLimits(workers=1), collector.target()) as client:
                answer = await client.post("/v1/visits", content=document, headers={**JSON, **fresh()})
                without_key = await client.post("/v1/visits", content=document, headers={**JSON, "Authorization": "x"})
                while not collector.spans_of("vienphi-documents"):
                    await asyncio.sleep(0.02)
        [in_worker] = [each for each in collector.spans_of("vienphi-documents") if each.name == "POST /v1/visits"]
        forwarding = [each for each in collector.spans_of("vienphi-test") if each.trace_id == in_worker.trace_id]

    problem(answer, 422, "invalid_value")
    problem(without_key, 401, "not_authenticated")
    assert in_worker.parent == "document worker"
    assert ("document worker", "POST /v1/visits") in {(each.name, each.parent) for each in forwarding}
    assert {each.attributes.get("vienphi.request_id") for each in (in_worker, *forwarding)} - {None} == {
        answer.headers["X-Request-Id"]
    }


async def test_document_beyond_the_memory_of_a_worker_is_refused_and_the_next_is_answered(site: Site) -> None:
    async with service(site, DocumentLimits(workers=1, memory_max=MEMORY_MAX)) as client:
        nested = b'{"a":[' + b'{"":0},' * 1_100_000 + b"0]}"
        refused = await client.post("/v1/quotes", content=nested, headers=JSON)
        answered = await client.post("/v1/quotes", content=json.dumps(big_visit()).encode(), headers=JSON)

    problem(refused, 413, "document_too_costly")
    assert answered.status_code == 200


async def test_worker_that_dies_refuses_its_document_and_is_replaced(site: Site) -> None:
    content = json.dumps(big_visit(4_000)).encode()
    async with service(site, DocumentLimits(workers=1)) as client:
        await client.post("/v1/quotes", content=json.dumps(big_visit()).encode(), headers=JSON)
        request = asyncio.create_task(client.post("/v1/quotes", content=content, headers=JSON))
        await asyncio.sleep(0.2)
        [worker] = workers()
        os.kill(worker, signal.SIGKILL)
        refused = await request
        answered = await client.post("/v1/quotes", content=json.dumps(big_visit()).encode(), headers=JSON)

    problem(refused, 413, "document_too_costly")
    assert answered.status_code == 200


async def test_document_beyond_its_time_is_refused(site: Site) -> None:
    async with service(site, DocumentLimits(workers=1, timeout_s=0.3)) as client:
        refused = await client.post("/v1/quotes", content=json.dumps(big_visit(8_000)).encode(), headers=JSON)

        problem(refused, 413, "document_too_costly")
        assert workers() == set()


async def test_worker_ends_with_the_request_that_went_away(site: Site) -> None:
    async with service(site, DocumentLimits(workers=1)) as client:
        await client.post("/v1/quotes", content=json.dumps(big_visit()).encode(), headers=JSON)
        with pytest.raises(httpx.ReadTimeout):
            content = json.dumps(big_visit(8_000)).encode()
            await client.post("/v1/quotes", content=content, headers=JSON, timeout=httpx.Timeout(20, read=0.2))
        async with asyncio.timeout(5):
            while workers():
                await asyncio.sleep(0.05)
