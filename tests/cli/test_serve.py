"""The service as an operator starts it: on its own process, on a durable server, stopped by a signal."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.cli.commands import run
from tests.cli.durable import DurableDatabase, DurableServer


@pytest.fixture(scope="module")
def server(durable_server: DurableServer) -> DurableDatabase:
    return durable_server.create()


@contextmanager
def service(**environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `vienphi serve` and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "billing", "serve"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "VIENPHI_PORT": "0", "VIENPHI_LOG_FORMAT": "json", **environment},
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "account_unusable" not in line)
        assert "serving_started" in line, line
        yield process, line.split('"at": "')[1].split('"')[0]
    finally:
        process.kill()
        process.wait()


def test_service_refuses_an_unmigrated_database_then_serves_and_stops_by_signal(server: DurableDatabase) -> None:
    refused = run("serve", VIENPHI_DATABASE_URL=server.app_url)
    migrated = run("migrate", VIENPHI_OWNER_URL=server.owner_url)
    again = run("migrate", VIENPHI_OWNER_URL=server.owner_url)

    assert (refused.returncode, "vienphi migrate first" in refused.stderr) == (1, True)
    assert "applied 0001_roles_and_tenant_isolation.sql" in migrated.stdout
    assert again.stdout == "nothing to apply\n"
    with service(VIENPHI_DATABASE_URL=server.app_url) as (process, address):
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/readyz").status_code == 200
        assert httpx.get(f"{address}/v1/visits/1").status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_service_refuses_a_role_that_owns_the_tables(server: DurableDatabase) -> None:
    run("migrate", VIENPHI_OWNER_URL=server.owner_url)

    refused = run("serve", VIENPHI_DATABASE_URL=server.owner_url)

    assert refused.returncode == 1
    assert "database_unsafe" in refused.stderr


def test_books_of_an_empty_database_hold(server: DurableDatabase) -> None:
    run("migrate", VIENPHI_OWNER_URL=server.owner_url)

    result = run("ledger", "verify", VIENPHI_DATABASE_URL=server.app_url)

    assert result.returncode == 0, result.stderr
    assert "the books hold" in result.stdout
