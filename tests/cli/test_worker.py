"""The worker as an operator starts it: a process of its own on a durable server, stopped by a signal or killed."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import pytest

from tests.builders import add_demo_hospital
from tests.cli.commands import run
from tests.cli.durable import DurableDatabase, DurableServer
from tests.worker.receiver import Receiver, receiving
from tests.worker.webhook_env import SECRET

_MESSAGE = UUID("019a4295-4c00-7000-8000-000000000001")


@pytest.fixture(scope="module")
def server(durable_server: DurableServer) -> DurableDatabase:
    return durable_server.create_migrated()


@contextmanager
def worker(url: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A running `vienphi worker`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "billing", "worker"],
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "VIENPHI_LOG_FORMAT": "json",
            "VIENPHI_DATABASE_URL": url,
            "VIENPHI_WEBHOOKS__ALLOW_PRIVATE": "true",
            "VIENPHI_WEBHOOKS__ALLOW_HTTP": "true",
            "VIENPHI_WEBHOOKS__TIMEOUT_S": "60",
            "VIENPHI_SECRET_HIS": SECRET,
            **environment,
        },
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "account_unusable" not in line)
        assert "worker_started" in line, line
        yield process
    finally:
        process.kill()
        process.wait()


async def as_owner(server: DurableDatabase, statement: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.owner_url)
    try:
        await connection.execute("SET vienphi.organization = '1'")
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


def test_worker_refuses_an_owner_and_stops_by_signal(server: DurableDatabase) -> None:
    refused = run("worker", VIENPHI_DATABASE_URL=server.owner_url)
    with worker(server.app_url) as process:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(timeout=30)

    assert (refused.returncode, "database_unsafe" in refused.stderr) == (1, True)
    assert ended == 0


async def test_message_whose_worker_is_killed_while_sending_is_sent_again(server: DurableDatabase) -> None:
    await add_demo_hospital(server.owner_url)
    async with receiving(Receiver(hang=True)) as receiver:
        added = await asyncio.to_thread(
            run,
            *("webhook", "add", "--organization", "1", "--secret", "his", receiver.url),
            VIENPHI_OWNER_URL=server.owner_url,
            VIENPHI_WEBHOOKS__ALLOW_HTTP="true",
            VIENPHI_WEBHOOKS__ALLOW_PRIVATE="true",
            VIENPHI_SECRET_HIS=SECRET,
        )
        assert "endpoint " in added.stdout, added.stderr
        # As old as the partitions are: the id contains the time.
        message_id = UUID(int=(int(_now_ms()) << 80) | (_MESSAGE.int & ((1 << 80) - 1)))
        await as_owner(
            server, "INSERT INTO outbox (organization_id, id, topic, payload) VALUES (1, $1, 't', '{}')", message_id
        )
        with worker(server.app_url) as killed:
            await asyncio.wait_for(receiver.arrived.wait(), 20)
            killed.kill()
        receiver.hang = False
        receiver.arrived.clear()
        # The lease of the killed worker ends: the test moves the time.
        (row,) = await as_owner(server, "UPDATE webhook_delivery SET due_at = now() RETURNING state, attempts")

        with worker(server.app_url) as second:
            await asyncio.wait_for(receiver.arrived.wait(), 20)
            second.send_signal(signal.SIGTERM)
            ended = await asyncio.to_thread(second.wait, 30)

    assert (row["state"], row["attempts"], ended) == ("waiting", 0, 0)
    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [str(message_id)] * 2
    (after,) = await as_owner(server, "SELECT state, attempts FROM webhook_delivery")
    assert tuple(after) == ("delivered", 1)
    dead = await asyncio.to_thread(
        run, "webhook", "list-dead", "--organization", "1", VIENPHI_DATABASE_URL=server.app_url
    )
    again = await asyncio.to_thread(
        run, "webhook", "redeliver", "--organization", "1", str(message_id), VIENPHI_DATABASE_URL=server.app_url
    )
    assert dead.stdout == "0 dead\n"
    assert again.stdout == "due again for 1 endpoint\n"


def _now_ms() -> float:

    return time.time() * 1000
