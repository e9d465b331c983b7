"""Reprice issued invoices from their snapshots, by the running code or under a draft.

The command is `cli/reprice.py`. The input is the price snapshot stored at issue: `formats/price_snapshot.py` reads it,
and `reprice_batch.py` prices it.

Nothing is written: every transaction is read-only. Invoices are found by cursor, then read and priced in batches, here
or in several processes with a connection each, few batches ahead: memory is constant for any length of the period.
Source: docs/design.md §6.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from threading import Thread

from billing.core.clock import VIETNAM
from billing.core.errors import InvalidValue, NotFound, Unavailable
from billing.core.ids import InvoiceId, OrganizationId
from billing.db.cells import open_database
from billing.db.database import Database, DatabaseLimits
from billing.invoices.domain.invoice_diff import InvoiceDiff, Totals
from billing.invoices.service.reprice_batch import Draft, Outcome, reprice_issued
from billing.invoices.store.price_snapshots import (
    InvoiceSelection,
    count_snapshots,
    find_newest_snapshots,
    find_snapshots,
    read_repricing_inputs,
)
from billing.tariffs.domain.tariff import DraftedList, TariffId, TariffIncomplete
from billing.tariffs.store.tariffs import read_facilities_of, read_items, read_tariffs

REPRICING_LIMITS = DatabaseLimits(connections_max=1, statement_timeout_ms=600_000)
"""Limits of a connection that reprices: counting a long period is slow, and nothing waits for it."""

BATCH_SIZE = 100
_FOUND_AT_ONCE = 20 * BATCH_SIZE
_BATCHES_AHEAD = 2


class RepricingStopped(Unavailable):
    """A process that was pricing has ended."""

    code = "repricing_stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Business dates of issue, both inclusive; None means no limit."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise InvalidValue("a period ends before it begins", field="last")

    @property
    def since(self) -> datetime | None:
        """The start of the period."""
        return None if self.first is None else datetime.combine(self.first, time(), VIETNAM)

    @property
    def before(self) -> datetime | None:
        """The end of the period, exclusive."""
        return None if self.last is None else datetime.combine(self.last + timedelta(days=1), time(), VIETNAM)


@dataclass(frozen=True, slots=True)
class RepriceProgress:
    """The outcome of one batch of one organization; `done` of `total` invoices are repriced."""

    organization_id: OrganizationId
    outcome: Outcome
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Invoices of one organization that are read and priced together."""

    organization_id: OrganizationId
    invoice_ids: tuple[InvoiceId, ...]


@dataclass(frozen=True, slots=True)
class WorkerProcesses:
    """Reprice in `count` processes: each reads and prices over its own connections, to the cells that are not away."""

    count: int
    url: str
    cells: Mapping[str, str] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)

    async def open(self) -> Database:
        """The database of one process."""
        return await open_database(
            self.url, self.cells, away=self.away, limits=REPRICING_LIMITS, application_name="vienphi reprice"
        )


async def read_drafted_list(database: Database, organization_id: OrganizationId, tariff_id: TariffId) -> DraftedList:
    """A stored price list in any state, as a draft. Raises NotFound, TariffIncomplete."""
    async with database.transaction(organization_id, read_only=True) as tx:
        rows = await read_tariffs(tx, limit=1, tariff_id=tariff_id)
        if not rows:
            raise NotFound("no such price list", field="tariff_id")
        if rows[0].completed_at is None:
            raise TariffIncomplete("not every row of this draft has arrived; repeat the import")
        prices = (await read_items(tx, [tariff_id]))[tariff_id]
        return DraftedList(prices=prices, facilities=await read_facilities_of(tx, rows[0].facility_id))


@dataclass(frozen=True, slots=True)
class RepricedSample:
    """What a draft changes of the visits that were billed last: their sums, and the largest changes of the patients."""

    totals: Totals
    largest: Sequence[InvoiceDiff]


async def reprice_newest(
    database: Database, organization_id: OrganizationId, tariff_id: TariffId, *, at_most: int, shown: int
) -> RepricedSample:
    """Reprice the newest issued visits under a stored price list, in a thread; nothing is written.

    Raises NotFound, TariffIncomplete.
    """
    draft = Draft(tariff=await read_drafted_list(database, organization_id, tariff_id))
    async with database.transaction(organization_id, read_only=True) as tx:
        found = await find_newest_snapshots(tx, limit=at_most)
    totals = Totals()
    changes: list[InvoiceDiff] = []
    for first in range(0, len(found), BATCH_SIZE):
        async with database.transaction(organization_id, read_only=True) as tx:
            inputs = await read_repricing_inputs(tx, found[first : first + BATCH_SIZE])
        outcome = await asyncio.to_thread(reprice_issued, inputs, draft)
        totals.add(outcome.totals)
        changes += outcome.changes
    return RepricedSample(totals=totals, largest=sorted(changes, key=_size_of, reverse=True)[:shown])


def _size_of(change: InvoiceDiff) -> int:
    return 0 if change.now is None else abs(change.now.patient - change.issued.patient)


async def reprice_invoices(
    database: Database,
    *,
    organization_id: OrganizationId | None = None,
    draft: Draft | None = None,
    period: Period | None = None,
    processes: WorkerProcesses | None = None,
) -> AsyncGenerator[RepriceProgress, None]:
    """Reprice the issued invoices of a period and report the differences, batch by batch, in order.

    Without a draft every invoice must have its issued amounts. Under a draft a visit is reported once, by its last
    invoice of the period, whose snapshot has the whole visit: the sum of its invoices and the amount under the draft.
    `organization_id` None means all; `processes` None means that this process does all the work. Raises
    RepricingStopped, or database errors.
    """
    organizations = await database.list_organizations() if organization_id is None else [organization_id]
    period = period or Period()
    selection = InvoiceSelection(since=period.since, before=period.before, last_of_visit=draft is not None)
    done, total = 0, await _count(database, organizations, selection)
    spans = _batches(database, organizations, selection)
    outcomes = _in_process(database, spans, draft) if processes is None else _in_workers(processes, spans, draft)
    async with aclosing(outcomes):
        async for span, outcome in outcomes:
            done += outcome.totals.invoices
            yield RepriceProgress(span.organization_id, outcome, done, max(done, total))


async def _count(database: Database, organizations: Sequence[OrganizationId], selection: InvoiceSelection) -> int:
    total = 0
    for organization_id in organizations:
        async with database.transaction(organization_id, read_only=True) as tx:
            total += await count_snapshots(tx, selection)
    return total


async def _batches(
    database: Database, organizations: Sequence[OrganizationId], selection: InvoiceSelection
) -> AsyncIterator[Batch]:
    """All batches of a run. Issued invoices never change, so no common snapshot of the database is needed."""
    for organization_id in organizations:
        after = None
        while True:
            async with database.transaction(organization_id, read_only=True) as tx:
                found = await find_snapshots(tx, selection, after=after, limit=_FOUND_AT_ONCE)
            for first in range(0, len(found), BATCH_SIZE):
                yield Batch(organization_id, tuple(found[first : first + BATCH_SIZE]))
            if len(found) < _FOUND_AT_ONCE:
                break
            after = found[-1]


async def reprice_one_batch(database: Database, span: Batch, draft: Draft | None) -> Outcome:
    """Read and price one batch, in one read-only transaction."""
    async with database.transaction(span.organization_id, read_only=True) as tx:
        inputs = await read_repricing_inputs(tx, span.invoice_ids)
    return reprice_issued(inputs, draft)


async def _in_process(
    database: Database, spans: AsyncIterator[Batch], draft: Draft | None
) -> AsyncGenerator[tuple[Batch, Outcome], None]:
    async for span in spans:
        yield span, await reprice_one_batch(database, span, draft)


async def _in_workers(
    processes: WorkerProcesses, spans: AsyncIterator[Batch], draft: Draft | None
) -> AsyncGenerator[tuple[Batch, Outcome], None]:
    """Submit the batches to processes, few ahead, and yield their outcomes in order."""
    loop = asyncio.get_running_loop()
    # Spawned: a fork would copy this process with its connections, and grow with all its memory.
    pool = ProcessPoolExecutor(
        processes.count, mp_context=get_context("spawn"), initializer=_begin, initargs=(processes, draft)
    )
    waiting: deque[tuple[Batch, asyncio.Future[Outcome]]] = deque()
    try:
        async for span in spans:
            waiting.append((span, loop.run_in_executor(pool, _reprice_in_process, span)))
            if len(waiting) >= _BATCHES_AHEAD * processes.count:
                first, outcome = waiting.popleft()
                yield first, await outcome
        while waiting:
            first, outcome = waiting.popleft()
            yield first, await outcome
    except BrokenProcessPool as cause:
        # They all end in the same way; one error is enough.
        await asyncio.gather(*(outcome for _, outcome in waiting), return_exceptions=True)
        raise RepricingStopped("a process that was pricing has ended; start the replay again") from cause
    finally:
        pool.shutdown(cancel_futures=True)


class _Process:
    """The state of one worker process."""

    def __init__(self, processes: WorkerProcesses, draft: Draft | None) -> None:
        self._processes, self._draft = processes, draft
        self._runner = asyncio.Runner()
        self._database: Database | None = None

    def reprice_invoices(self, span: Batch) -> Outcome:
        """Connects at the first batch, so that a refused connection is raised as its result."""
        return self._runner.run(self._reprice(span))

    async def _reprice(self, span: Batch) -> Outcome:
        if self._database is None:
            self._database = await self._processes.open()
        return await reprice_one_batch(self._database, span, self._draft)

    def end(self) -> None:
        if self._database is not None:
            self._runner.run(self._database.close())
        self._runner.close()


_this: list[_Process] = []
"""The state of this worker process; empty in the parent process."""


def _begin(processes: WorkerProcesses, draft: Draft | None) -> None:
    # Ctrl-C reaches the whole process group; the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _this.append(_Process(processes, draft))
    Finalize(None, _this[0].end, exitpriority=1)


def _end_with_parent() -> None:
    """End with the parent: a killed parent sends no signal, and this process would wait for its next batch forever."""
    parent = parent_process()
    assert parent is not None, "this process was begun by another"
    wait([parent.sentinel])
    os._exit(1)


def _reprice_in_process(span: Batch) -> Outcome:
    return _this[0].reprice_invoices(span)
