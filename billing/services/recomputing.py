"""Replay: issued invoices computed once more from what they froze, by the running code or under a draft.

Nothing is written: every transaction is read-only. Invoices are read by cursor and priced in processes of their own, a
bounded number of chunks ahead, so memory stands still however long the period is. Source: DESIGN §6.
"""

import asyncio
import json
import signal
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from multiprocessing import get_context

from billing.domain.coverage.authority import price_again, with_list
from billing.domain.coverage.figures import VIETNAM_TIME, Figures, load_figures, read_figures
from billing.domain.coverage.recompute import (
    Amounts,
    BillChange,
    IssuedBill,
    IssuedLine,
    Tally,
    compare_bill,
    refuse_bill,
)
from billing.domain.errors import InvalidValue, NotFound, Refused, Unavailable
from billing.domain.ids import OrganizationId
from billing.domain.invoice import shares_still_to_invoice
from billing.domain.money import Dong, Shares
from billing.domain.tariff import DraftedList, TariffId, TariffIncomplete
from billing.domain.visit import Table
from billing.interop.frozen_document import read_frozen
from billing.interop.visit_document import content_hash
from billing.storage.database import Database, DatabaseLimits
from billing.storage.frozen_bills import FrozenRow, count_frozen_bills, read_frozen_bills
from billing.storage.organizations import read_organizations
from billing.storage.tariffs import read_facilities_of, read_items, read_tariffs

RECOMPUTING_LIMITS = DatabaseLimits(connections_max=1, statement_timeout_ms=600_000)
"""For a connection that recomputes: counting a long period may take a while, and nothing waits for it."""

CHUNK = 100
_CHUNKS_AHEAD = 2
_TABLES = {table.value: table for table in Table}


class RecomputingStopped(Unavailable):
    """A process that was pricing has ended."""

    code = "recomputing_stopped"


class InputsChanged(Refused):
    """What an invoice keeps of its inputs is not what was frozen: a hash or the name of its readings disagrees."""

    code = "inputs_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be tried: figures as TOML in the form of `parameters.toml`, a price list, or both."""

    figures: str | None = None
    tariff: DraftedList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Business dates of issue, both inclusive; None leaves a side open."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise InvalidValue("a period ends before it begins", field="last")

    @property
    def since(self) -> datetime | None:
        """The first moment of the period."""
        return None if self.first is None else datetime.combine(self.first, time(), VIETNAM_TIME)

    @property
    def before(self) -> datetime | None:
        """The first moment after the period."""
        return None if self.last is None else datetime.combine(self.last + timedelta(days=1), time(), VIETNAM_TIME)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What some bills gave: those that say something else, and the sums over all."""

    changes: tuple[BillChange, ...]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Recomputed:
    """One chunk of one organization; `done` of `total` bills are through."""

    organization_id: OrganizationId
    outcome: Outcome
    done: int
    total: int


@dataclass(slots=True)
class _Stream:
    """The chunks of several organizations, and whose each was, in the order they were read."""

    database: Database
    organizations: Sequence[OrganizationId]
    period: Period
    last_of_visit: bool
    owners: deque[OrganizationId] = field(default_factory=deque)

    async def count(self) -> int:
        total = 0
        for organization_id in self.organizations:
            async with self.database.transaction(organization_id, read_only=True) as tx:
                total += await count_frozen_bills(
                    tx, since=self.period.since, before=self.period.before, last_of_visit=self.last_of_visit
                )
        return total

    async def chunks(self) -> AsyncIterator[Sequence[FrozenRow]]:
        """Each chunk is a transaction of its own: issued invoices never change, so no common moment is needed."""
        for organization_id in self.organizations:
            after = None
            while True:
                async with self.database.transaction(organization_id, read_only=True) as tx:
                    rows = await read_frozen_bills(
                        tx,
                        after=after,
                        limit=CHUNK,
                        since=self.period.since,
                        before=self.period.before,
                        last_of_visit=self.last_of_visit,
                    )
                if not rows:
                    break
                after = rows[-1].id
                self.owners.append(organization_id)
                yield rows


async def read_drafted_list(database: Database, organization_id: OrganizationId, tariff_id: TariffId) -> DraftedList:
    """A stored price list, whatever its state, as it is tried. Raises NotFound, TariffIncomplete."""
    async with database.transaction(organization_id, read_only=True) as tx:
        rows = await read_tariffs(tx, limit=1, tariff_id=tariff_id)
        if not rows:
            raise NotFound("no such price list", field="tariff_id")
        if rows[0]["completed_at"] is None:
            raise TariffIncomplete("not every row of this draft has arrived; repeat the import")
        prices = (await read_items(tx, [tariff_id]))[tariff_id]
        return DraftedList(prices=prices, facilities=await read_facilities_of(tx, rows[0]["facility_id"]))


async def recompute(
    database: Database,
    *,
    organization_id: OrganizationId | None = None,
    draft: Draft | None = None,
    period: Period | None = None,
    workers: int = 1,
) -> AsyncIterator[Recomputed]:
    """Price the issued invoices of a period once more and tell what differs, chunk by chunk.

    Without a draft every invoice must give itself. Under a draft a visit is told once, by its last invoice of the
    period, which froze the whole visit: what its invoices ask for together, beside what the draft would ask for.
    `organization_id` None means all. Raises RecomputingStopped, or what a database refuses.
    """
    async with database.installation() as reader:
        organizations = await read_organizations(reader) if organization_id is None else [organization_id]
    stream = _Stream(database, organizations, period or Period(), last_of_visit=draft is not None)
    total = await stream.count()
    done = 0
    async with aclosing(recompute_chunks(stream.chunks(), draft=draft, workers=workers)) as outcomes:
        async for outcome in outcomes:
            done += outcome.tally.bills
            yield Recomputed(stream.owners.popleft(), outcome, done, max(done, total))


async def recompute_chunks(
    chunks: AsyncIterator[Sequence[FrozenRow]], *, draft: Draft | None, workers: int
) -> AsyncGenerator[Outcome, None]:
    """Price chunks in order, in this process where one is enough, else in that many others, few chunks ahead."""
    if workers == 1:
        async for rows in chunks:
            yield recompute_rows(rows, draft)
        return
    loop = asyncio.get_running_loop()
    # Spawned: a fork would copy this process with its connections, and grow with all it has ever touched.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(draft,))
    waiting: deque[asyncio.Future[Outcome]] = deque()
    try:
        async for rows in chunks:
            waiting.append(loop.run_in_executor(pool, _recompute_in_worker, rows))
            if len(waiting) >= _CHUNKS_AHEAD * workers:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    except BrokenProcessPool as cause:
        await asyncio.gather(*waiting, return_exceptions=True)  # They all end the same way; one telling is enough.
        raise RecomputingStopped("a process that was pricing has ended; start the replay again") from cause
    finally:
        pool.shutdown(cancel_futures=True)


def recompute_rows(rows: Sequence[FrozenRow], draft: Draft | None) -> Outcome:
    """Price some invoices once more; one that cannot be read or priced is told and stops no other."""
    figures = load_figures() if draft is None or draft.figures is None else _drafted_figures(draft.figures)
    tally = Tally()
    changes = []
    for row in rows:
        bill = _issued(row)
        said = bill.shares if draft is None else bill.shares_of_visit
        try:
            change = _recompute(row, bill, draft, figures)
        except (InvalidValue, Refused) as refusal:
            change = refuse_bill(bill, refusal, said=said)
        tally.count(said, change)
        if change is not None:
            changes.append(change)
    return Outcome(tuple(changes), tally)


def _recompute(row: FrozenRow, bill: IssuedBill, draft: Draft | None, figures: Figures) -> BillChange | None:
    if row.document is None or content_hash(row.document) != row.document_hash:
        raise InputsChanged("the frozen inputs do not have the hash they were frozen with")
    frozen = read_frozen(row.document)
    visit = frozen.visit
    if draft is not None:
        if draft.tariff is not None and visit.facility_code in draft.tariff.facilities:
            visit = with_list(visit, draft.tariff.prices, figures=figures, policy=frozen.policy)
        priced = price_again(visit, frozen.authority, figures=figures, policy=frozen.policy)
        return compare_bill(bill, priced, said=bill.shares_of_visit, now=priced.shares)
    priced = price_again(visit, frozen.authority, figures=figures, policy=frozen.policy)
    return compare_bill(bill, priced, said=bill.shares, now=shares_still_to_invoice(priced.shares, bill.earlier))


def _issued(row: FrozenRow) -> IssuedBill:
    return IssuedBill(
        number=row.number,
        ma_lk=row.ma_lk,
        code_version=row.code_version or "",
        shares=_shares(row.patient_share, row.other_share, row.insurer_share),
        earlier=tuple(_shares(*earlier) for earlier in json.loads(row.earlier)),
        lines=tuple(
            IssuedLine(
                _TABLES[table], stt, code, name, Amounts(*map(Decimal, rest[:-1])), tuple(dict.fromkeys(rest[-1]))
            )
            for table, stt, code, name, *rest in json.loads(row.lines)
        ),
    )


def _shares(patient: int, other: int, insurer: int) -> Shares:
    return Shares(patient=Dong(patient), other=Dong(other), insurer=Dong(insurer))


@cache
def _drafted_figures(text: str) -> Figures:
    return read_figures(text)


_given: dict[str, Draft | None] = {}
"""What this process was begun with; empty in the one that begins others."""


def _begin(draft: Draft | None) -> None:
    # Ctrl-C reaches the whole group; the process that began this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _given["draft"] = draft


def _recompute_in_worker(rows: Sequence[FrozenRow]) -> Outcome:
    return recompute_rows(rows, _given["draft"])
