"""Writing to a primary that is cut off from the others: past the proxy, through a web process of its own.

Nothing may be acknowledged there, also where the wait for the standby is cancelled and the delivery is repeated; and
nothing of it may be on any node afterwards.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import asyncpg

from billing.db.context import utc_now
from billing.devserver.embedded import SUPERUSER
from providers.sandbox.message import SIGNATURE_HEADER, signature_header
from tests.bench.stock import AMOUNT, Order
from tests.builders import ACCOUNT_NAME, SANDBOX_SECRET
from tests.failover.cluster import Cluster, Node

_REPEATS = 3
_TIMEOUT = aiohttp.ClientTimeout(total=3)

CREATE_MARKERS = """
    CREATE TABLE IF NOT EXISTS failover_marker (number int PRIMARY KEY)
"""

_INSERT_MARKER = """
    INSERT INTO failover_marker VALUES ($1)
"""

_CANCEL_WAITS = """
    SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
"""

_BOOKED = """
    SELECT count(*) FROM payment WHERE provider_reference = ANY ($1::text[])
"""


@dataclass(slots=True)
class IsolatedWrites:
    """What was written to isolated primaries in a run."""

    deliveries: int = 0
    repeats: int = 0
    committed_unacknowledged: int = 0
    acknowledged: list[str] = field(default_factory=list)
    found_afterwards: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class IsolatedReport:
    """A message about a transfer that pays an order; it is sent to the isolated primary first."""

    order: Order
    body: bytes

    @property
    def name(self) -> str:
        """What the bank calls the transfer."""
        return f"I{self.order.number}"


async def write_isolated(
    cluster: Cluster,
    node: Node,
    address: str,
    reports: Sequence[IsolatedReport],
    *,
    marker: int,
    writes: IsolatedWrites,
) -> None:
    """Deliver each report several times to the isolated primary's web process, and insert a row directly."""
    operator = await asyncpg.connect(cluster.url_of(node, SUPERUSER), timeout=5, server_settings={"jit": "off"})
    cancelling = asyncio.create_task(_cancel_waits(operator))
    try:
        await _insert(cluster, node, marker, writes)
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            await asyncio.gather(*(_deliver(session, address, report, writes) for report in reports))
    finally:
        cancelling.cancel()
        with suppress(asyncio.CancelledError):
            await cancelling
    names = [report.name for report in reports]
    writes.committed_unacknowledged += await operator.fetchval(_BOOKED, names)
    writes.committed_unacknowledged += await operator.fetchval("SELECT count(*) FROM failover_marker")
    operator.terminate()


async def find_isolated_rows(cluster: Cluster, reports: Sequence[IsolatedReport], writes: IsolatedWrites) -> None:
    """Look on every node for what the isolated primary alone had."""
    names = [report.name for report in reports]
    for node in cluster.nodes:
        connection = await asyncpg.connect(cluster.url_of(node, SUPERUSER), timeout=5)
        try:
            for found in await connection.fetch("SELECT number FROM failover_marker"):
                writes.found_afterwards.append(f"{node.name}: marker {found['number']}")
            if count := await connection.fetchval(_BOOKED, names):
                writes.found_afterwards.append(f"{node.name}: {count} payments")
        finally:
            await connection.close()


async def _cancel_waits(operator: "asyncpg.Connection[asyncpg.Record]") -> None:
    """As an impatient operator does: the commits then are there, on this server alone."""
    while True:
        await asyncio.sleep(0.7)
        await operator.execute(_CANCEL_WAITS)


async def _insert(cluster: Cluster, node: Node, marker: int, writes: IsolatedWrites) -> None:
    warnings: list[str] = []
    connection = await asyncpg.connect(cluster.url_of(node, SUPERUSER), timeout=5)
    connection.add_log_listener(lambda _connection, message: warnings.append(message.message))
    try:
        await connection.execute(_INSERT_MARKER, marker, timeout=10)
        if not any("synchronous replication" in warning for warning in warnings):
            writes.acknowledged.append(f"marker {marker}")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pass
    finally:
        connection.terminate()


async def _deliver(
    session: aiohttp.ClientSession, address: str, report: IsolatedReport, writes: IsolatedWrites
) -> None:
    writes.deliveries += 1
    for _ in range(_REPEATS):
        writes.repeats += 1
        headers = {
            "content-type": "application/json",
            SIGNATURE_HEADER: signature_header(SANDBOX_SECRET.encode(), utc_now(), report.body),
        }
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            url = f"{address}/callbacks/{report.order.organization}/{ACCOUNT_NAME}"
            async with session.post(url, data=report.body, headers=headers) as answer:
                if answer.status == 200:
                    writes.acknowledged.append(report.name)


def report_of(order: Order) -> IsolatedReport:
    """The message about the transfer that pays an order."""
    occurred_at = (utc_now() - timedelta(minutes=1)).replace(microsecond=0)
    body = json.dumps(
        {
            "transaction_id": f"I{order.number}",
            "bank_reference": f"FTI{order.number}",
            "merchant_id": f"hospital-{order.organization}",
            "account_number": f"0110{order.organization:06d}",
            "amount": AMOUNT,
            "currency": "VND",
            "status": "SUCCEEDED",
            "direction": "credit",
            "content": f"MBVCB.{order.code}.CT tu 0123",
            "reference": None,
            "occurred_at": occurred_at.isoformat(),
            "payer": {"name": "NGUYEN VAN THU", "account": "0123456789"},
        }
    ).encode()
    return IsolatedReport(order, body)
