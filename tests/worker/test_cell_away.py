"""The worker where one of two cells is away: it does its work for the other one, and shows which one is away."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from billing.core.ids import OrganizationId
from billing.db.cells import open_database
from billing.db.connection_errors import DatabaseUnavailable
from billing.db.database import Database, DatabaseLimits
from billing.ledger.service.xmin_monitor import XminMonitor
from billing.ops import readiness as readiness_module
from billing.ops.maintenance import make_partitions_once
from billing.ops.readiness import ReadinessCheck
from billing.payments.service.context import PaymentContext
from billing.worker.loops import TickResult, for_each_organization
from billing.worker.measuring import Measuring
from billing.worker.metrics import WorkerMetrics
from tests.builders import add_demo_hospital
from tests.conftest import DatabaseAddress, DatabaseServer
from tests.worker.polling_flow import PollingFlow

_LAST_PARTITION = "SELECT 'audit_' || to_char(current_date + interval '3 months', 'YYYYMM')"


@pytest.fixture
async def north(database_server: DatabaseServer, migrated_template: str) -> AsyncIterator[DatabaseAddress]:
    """The other cell, with organization 2."""
    address = database_server.create(migrated_template)
    await add_demo_hospital(address.owner_url, organization=2, facility_code="01002")
    yield address
    database_server.drop(address.name)


async def stop(address: DatabaseAddress) -> None:
    """Let nobody use a database any more."""
    assert address.superuser_url is not None, "the server is our own"
    connection = await asyncpg.connect(address.superuser_url.replace(f"/{address.name}", "/postgres"))
    await connection.execute(f"ALTER DATABASE {address.name} ALLOW_CONNECTIONS false")
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", address.name)
    await connection.close()


async def drop_last_partition(address: DatabaseAddress) -> str:
    owner = await asyncpg.connect(address.owner_url)
    name = await owner.fetchval(_LAST_PARTITION)
    await owner.execute(f"DROP TABLE {name}")
    await owner.close()
    return str(name)


@pytest.mark.own_server
@pytest.mark.new_database
@pytest.mark.parametrize("away", ["home", "north"])
async def test_other_cell_is_measured_ready_and_maintained(
    polling_flow: PollingFlow,
    database: DatabaseAddress,
    north: DatabaseAddress,
    away: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ANSWER_TIMEOUT_S", "_CELL_TIMEOUT_S"):
        monkeypatch.setattr(readiness_module, name, 60.0)
    cells = await open_database(database.app_url, {"north": north.app_url}, limits=DatabaseLimits(connections_max=3))
    stays, stopped = (north, database) if away == "home" else (database, north)
    served = OrganizationId(2 if away == "home" else 1)
    partition = await drop_last_partition(stays)
    await polling_flow.flow.context.database.close()
    await stop(stopped)
    context = replace(polling_flow.context, database=cells)

    metrics = WorkerMetrics(context.clock, provider_calls=dict, log_lines_lost=int)
    metrics.observe([], dict)
    ticked = await Measuring(context, metrics).run_once()
    readiness = await ReadinessCheck(context).check()
    with pytest.raises(DatabaseUnavailable):
        await make_partitions_once(cells)

    assert ticked == TickResult(1, 1)
    assert f'vienphi_cell_up{{cell="{away}"}} 0.0' in metrics.write().decode()
    assert metrics.measures is not None
    assert (metrics.measures.cells_unchecked, sorted(metrics.measures.cells.values())) == (1, [False, True])
    assert readiness.is_ready
    assert {name: word == "ok" for name, word in readiness.cells.items()} == {
        "home": away != "home",
        "north": away == "home",
    }
    assert await XminMonitor(cells).look() == 0.0
    assert await find_served(context, cells) == [served]
    async with cells.transaction(served) as tx:
        assert await tx.fetchval("SELECT to_regclass($1) IS NOT NULL", partition)
    await cells.close()


async def find_served(context: PaymentContext, cells: Database) -> list[OrganizationId]:
    """The organizations whose task succeeds in a round over all of them."""
    served = []

    async def serve(organization_id: OrganizationId) -> int:
        async with cells.transaction(organization_id) as tx:
            await tx.fetchval("SELECT 1")
        served.append(organization_id)
        return 1

    assert await for_each_organization(context, "any", serve)() == TickResult(1, 1)
    return served
