"""Several processes that share a port: each has its own intake queues, and nothing is booked twice."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from billing.db.context import utc_now
from billing.db.database import Database
from providers.sandbox.message import SIGNATURE_HEADER, SandboxMessage, signature_header
from tests.builders import SANDBOX_SECRET, DemoHospital, add_demo_hospital
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase, DurableServer
from tests.flow import assert_books_are_right, open_flow

CONNECTIONS = 24
_OWED = 136_000
_ESTABLISHED = "01"


@pytest.fixture(scope="module")
def server(durable_server: DurableServer) -> DurableDatabase:
    made = durable_server.create()
    run("migrate", VIENPHI_OWNER_URL=made.owner_url)
    return made


@pytest.fixture(scope="module")
def hospital(server: DurableDatabase) -> DemoHospital:
    return asyncio.run(add_demo_hospital(server.owner_url))


@contextmanager
def service(*, processes: int, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str, list[int]]]:
    """The parent, the address and the process ids of its children."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "billing", "serve", "--processes", str(processes)],
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "VIENPHI_PORT": "0",
            "VIENPHI_LOG_FORMAT": "json",
            "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
            **environment,
        },
    )
    children: list[int] = []
    try:
        assert parent.stderr is not None
        while len(children) < processes:
            line = json.loads(parent.stderr.readline())
            if line["event"] == "serving_started":
                children.append(line["process_id"])
                address = line["at"]
        yield parent, address, children
    finally:
        parent.kill()
        parent.wait()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def owner_of(connection: socket.socket, processes: list[int]) -> int:
    """The process at the other end of a connection, from `/proc`."""
    local, remote = connection.getsockname()[1], connection.getpeername()[1]
    rows = [row.split() for row in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    (inode,) = [
        row[9]
        for row in rows
        if (int(row[1].split(":")[1], 16), int(row[2].split(":")[1], 16), row[3]) == (remote, local, _ESTABLISHED)
    ]
    for process in processes:
        for each in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                if os.readlink(each) == f"socket:[{inode}]":
                    return process
    raise AssertionError("no process has the connection")


def body_of(hospital: DemoHospital, transaction: str, code: str) -> bytes:
    """The message of the sandbox bank about one transfer."""
    message = SandboxMessage(
        transaction_id=transaction,
        bank_reference=f"FT{transaction}",
        merchant_id=hospital.settings.merchant_id,
        account_number=hospital.settings.account_number,
        amount=_OWED,
        status="SUCCEEDED",
        direction="credit",
        content=code,
        occurred_at=utc_now(),
    )
    return message.model_dump_json().encode()


async def test_duplicates_sent_to_every_process_are_booked_once(
    server: DurableDatabase, hospital: DemoHospital
) -> None:
    database = await Database.open(server.app_url)
    flow = await open_flow(database, hospital)
    intents = [await flow.start_intent(f"LK{number}") for number in range(4)]
    bodies = [body_of(hospital, f"T{number}", started.code) for number, started in enumerate(intents)]
    with service(processes=2, VIENPHI_DATABASE_URL=server.app_url) as (parent, address, children):
        clients = [httpx.AsyncClient(base_url=address) for _ in range(CONNECTIONS)]
        owners = set()
        for client in clients:
            response = await client.get("/readyz")
            owners.add(owner_of(response.extensions["network_stream"].get_extra_info("socket"), children))
        assert owners == set(children)
        for body in bodies:
            headers = {SIGNATURE_HEADER: signature_header(hospital.settings.key, utc_now(), body)}
            answers = await asyncio.gather(
                *(client.post(hospital.callback_path, headers=headers, content=body) for client in clients)
            )
            assert {answer.status_code for answer in answers} <= {200, 503}
            assert any(answer.status_code == 200 for answer in answers)
        for client in clients:
            await client.aclose()
        parent.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(parent.wait, 30) == 0

    assert [(await flow.read(each.intent_id)).received for each in intents] == [_OWED] * len(intents)
    await assert_books_are_right(database)
    await database.close()


def test_process_that_ends_stops_the_others_and_the_parent_reports_it(
    server: DurableDatabase, hospital: DemoHospital
) -> None:
    assert hospital is not None
    with service(processes=2, VIENPHI_DATABASE_URL=server.app_url) as (parent, _, children):
        os.kill(children[0], signal.SIGKILL)
        assert parent.wait(timeout=30) == 1
        with pytest.raises(ProcessLookupError):
            os.kill(children[1], 0)


def test_children_end_with_a_parent_that_is_killed(server: DurableDatabase, hospital: DemoHospital) -> None:
    assert hospital is not None
    with service(processes=2, VIENPHI_DATABASE_URL=server.app_url) as (parent, _, _children):
        parent.kill()
        assert parent.stderr is not None
        rest = parent.stderr.read()  # ends when the last child has closed it

    assert rest.count("serving_stopped") == 2


def test_port_of_another_program_is_refused(server: DurableDatabase) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = subprocess.run(
            [sys.executable, "-m", "billing", "serve", "--processes", "2"],
            capture_output=True,
            timeout=60,
            check=False,
            env={"PATH": "/usr/bin:/bin", "VIENPHI_PORT": port, "VIENPHI_DATABASE_URL": server.app_url},
        )
    assert refused.returncode == 1
