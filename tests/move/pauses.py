"""How long organizations that stay have to wait while another one moves: writing transactions, one after the other.

An organization waits while its own server is down, whether another one moves or not. So an attempt that overlaps an
outage of its own server is no pause of the move: from the crash until a further connection has committed. Everything
else counts, also the crash of the other server, of the service and of the worker.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import asyncpg

from billing.core.errors import CommitUnknown, Unavailable
from billing.core.ids import OrganizationId
from billing.db.cells import CellDatabase
from tests.move.clusters import Cell

_PROBED_S = 0.02


@dataclass(slots=True)
class Outages:
    """When the server of one cell was down, as seconds of `perf_counter`; the last one may go on."""

    cell: Cell
    spans: list[list[float]] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note an outage that begins and ends in the block."""
        span = [perf_counter(), float("inf")]
        self.spans.append(span)
        try:
            yield
        finally:
            span[1] = perf_counter()

    def overlap(self, begin: float, end: float) -> bool:
        return any(begin < until and end > since for since, until in self.spans)


async def wait_until_it_commits(cell: Cell) -> None:
    """Return once a new connection has written: recovery and its checkpoint are over."""
    while True:
        try:
            connection = await asyncpg.connect(cell.owner_url)
            await connection.execute("SELECT pg_current_xact_id()")
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(_PROBED_S)
        else:
            await connection.close()
            return


@dataclass(slots=True)
class Pauses:
    """The longest pause of one organization. `refused` counts attempts outside of outages that ended with an error."""

    organization: OrganizationId
    outages: Outages
    longest_s: float = 0.0
    attempts: int = 0
    excluded: int = 0
    refused: int = 0

    async def probe(self, database: CellDatabase) -> None:
        """Begin writing transactions until cancelled. A pause lasts from the first attempt to the one that commits."""
        began = perf_counter()
        while True:
            is_done = False
            try:
                async with database.transaction(self.organization, posting=True) as tx:
                    await tx.fetchval("SELECT pg_current_xact_id()")
                is_done = True
            except (Unavailable, CommitUnknown):
                pass
            now = perf_counter()
            self.attempts += 1
            if self.outages.overlap(began, now):
                self.excluded += 1
                began = now  # an attempt that begins after the outage counts
            else:
                self.refused += not is_done
                self.longest_s = max(self.longest_s, now - began)
            await asyncio.sleep(_PROBED_S)
            if is_done:
                began = perf_counter()
