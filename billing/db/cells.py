"""Several cells behind one database: each transaction goes to the cell that serves its organization.

A cell is one PostgreSQL cluster with a database of the service. Each cell states which organizations it serves: those
that it has, without those that have left it or still arrive (`organization_move`). The map is the union of these
statements. It is kept in memory and read again every few seconds; a stale map does no harm, because the cell refuses an
organization that is not there (`vienphi_enter_cell`), and the refusal names the new cell. With one cell none of this is
used: `open_database` returns a plain `Database`. Source: docs/design.md §9; docs/decisions/0025-cells.md.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType
from typing import TypeVar

import asyncpg
import structlog

from billing.core.ids import OrganizationId
from billing.db.connection_errors import DatabaseBusy, DatabaseUnavailable, OrganizationMoved
from billing.db.database import HOME, Database, DatabaseLimits, LockClass, ReadTransaction, Transaction
from billing.db.single_reads import SingleReads
from billing.db.tenant_setting import check_organization

CELLS = "(cells)"
"""Ends the application name of a session that checks the cell; a move refuses while others are connected."""

_REFRESHED_S = 2.0
_READING_MAX_S = 1.0
_MOVING_MAX_S = 3.0
"""How long a transaction waits for an organization that is moving; the move stands still for one second at most."""
_AGAIN_S = 0.01

_NONE: Mapping[str, str] = MappingProxyType({})

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CellListing:
    """What one cell states: the organizations that it serves, and those that it will serve once they have left theirs.

    `ready` names the cell that each of the latter comes from, `arrived` the one that a served organization came from,
    `left` the one that serves an organization that has left.
    """

    served: frozenset[OrganizationId]
    ready: Mapping[OrganizationId, str]
    arrived: Mapping[OrganizationId, str]
    left: Mapping[OrganizationId, str]


_LISTING = """
    SELECT present AS id, move.state, move.other_cell
    FROM vienphi_organizations() AS present
    LEFT JOIN organization_move AS move ON move.organization_id = present
    UNION ALL
    SELECT organization_id, state, other_cell FROM organization_move WHERE state = 'left'
"""


async def read_listing(cell: Database) -> CellListing:
    """What one cell states now. Raises Unavailable."""
    async with cell.system_transaction() as reader:
        rows = await reader.fetch(_LISTING)
    others = {
        state: {OrganizationId(row["id"]): str(row["other_cell"]) for row in rows if row["state"] == state}
        for state in ("ready", "arrived", "left")
    }
    served = frozenset(OrganizationId(row["id"]) for row in rows if row["state"] not in ("ready", "left"))
    return CellListing(served, others["ready"], others["arrived"], others["left"])


def map_cells(listings: Mapping[str, CellListing]) -> dict[OrganizationId, str]:
    """The cell of each organization; "" where nobody may use it.

    That is one that two cells serve, and one that is `ready` while the cell that it comes from does not state that it
    has left, or has not been read.
    One that has arrived has left the cell that it came from, also where the statement of that cell is older.
    """
    found: dict[OrganizationId, list[str]] = {}
    left = {(source, each) for listing in listings.values() for each, source in listing.arrived.items()}
    for name, listing in listings.items():
        for organization_id in listing.served:
            if (name, organization_id) not in left:
                found.setdefault(organization_id, []).append(name)
    for name, listing in listings.items():
        for organization_id, source in listing.ready.items():
            if organization_id not in found:
                has_left = source in listings and listings[source].left.get(organization_id) == name
                found[organization_id] = [name] if has_left else []
    for organization_id, names in found.items():
        if len(names) > 1:
            log.error("organization_in_two_cells", organization=organization_id, cells=names)
    return {organization_id: names[0] if len(names) == 1 else "" for organization_id, names in found.items()}


class CellsAway(DatabaseUnavailable):
    """Cells do not answer; what concerns their organizations cannot be done."""

    code = "cells_away"


def cells_away(away: Mapping[str, str]) -> CellsAway:
    """The refusal that names the cells, each with the reason."""
    reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(away.items()))
    return CellsAway(f"cells do not answer, and an organization may be there ({reasons})")


class CellDatabase(Database):
    """Several cells. Opened by `open_database`; each organization is served by one of them.

    `away` has the cells that were not opened, each with the reason. An organization that no other cell serves may be in
    one of them, so it is refused and not unknown.
    """

    def __init__(self, cells: Mapping[str, Database], away: Mapping[str, str] = _NONE) -> None:
        self._cells_by_name = cells
        self.away = away
        self._listings: dict[str, CellListing] = {}
        self._names: dict[OrganizationId, str] = {}
        self._read_at = 0.0
        self._reading: asyncio.Future[None] | None = None

    @property
    def cells_by_name(self) -> Mapping[str, Database]:
        return self._cells_by_name

    def cell_number(self, organization_id: OrganizationId) -> int:
        """As `Database.cell_number`."""
        names = list(self._cells_by_name)
        name = self._names.get(organization_id)
        return names.index(name) if name in names else 0

    async def close(self) -> None:
        """Close every cell."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await asyncio.gather(*(cell.close() for cell in self._cells_by_name.values()))

    async def list_organizations(self) -> list[OrganizationId]:
        """The ids of the organizations of all cells, by number; those of a cell that does not answer as last read."""
        await self._refreshed()
        return sorted(self._names)

    async def name_of(self, organization_id: OrganizationId) -> str:
        """The name of the cell that serves an organization; an unknown one belongs to the home cell."""
        if monotonic() - self._read_at > _REFRESHED_S:
            self._refresh()  # nobody waits: a cell that does not answer delays its own organizations only
            if organization_id not in self._names:
                await self._refreshed()
        name = self._names.get(organization_id)
        if name is None and self.away:
            raise cells_away(self.away)
        if name == "":
            raise DatabaseBusy("no cell alone states that it serves this organization; nothing was written")
        return name or HOME

    @asynccontextmanager
    async def transaction(
        self, organization_id: OrganizationId, *, posting: bool = False, read_only: bool = False
    ) -> AsyncIterator[Transaction]:
        """As `Database.transaction`, in the cell of the organization; while it moves, the beginning waits."""
        async with AsyncExitStack() as stack:

            def begin(cell: Database) -> Awaitable[Transaction]:
                return stack.enter_async_context(
                    cell.transaction(organization_id, posting=posting, read_only=read_only)
                )

            yield await self._routed(organization_id, begin)

    def single_reads(self, organization_id: OrganizationId) -> SingleReads:
        """As `Database.single_reads`, in the cell of the organization."""
        return _RoutedReads(self, organization_id)

    async def read_each(
        self, query: str, requests: Sequence[tuple[OrganizationId, Sequence[object]]]
    ) -> list[asyncpg.Record]:
        """As `Database.read_each`, with one round trip for each cell; the rows are in no order."""
        rows: list[asyncpg.Record] = []
        for name, positions in (await self._by_cell([each for each, _ in requests])).items():
            requested = [requests[position] for position in positions]
            try:
                rows += await self._cells_by_name[name].read_each(query, requested)
            except OrganizationMoved:
                for request in requested:
                    rows += await self.read_one(query, request)
        return rows

    async def read_one(self, query: str, request: tuple[OrganizationId, Sequence[object]]) -> list[asyncpg.Record]:
        """The rows of one organization."""
        return await self._routed(request[0], lambda cell: cell.read_each(query, [request]))

    async def run_each(
        self, statement: str, calls: Sequence[tuple[OrganizationId, Sequence[object]]]
    ) -> list[asyncpg.Record]:
        """As `Database.run_each`, with one transaction for each cell.

        Where an organization of a transaction is moving, each call has a transaction of its own. An error of one call
        is raised after those before it were committed: they are answered as duplicates when they are delivered again.
        """
        rows: dict[int, asyncpg.Record] = {}
        for name, positions in (await self._by_cell([each for each, _ in calls])).items():
            requested = [calls[position] for position in positions]
            try:
                answered = await self._cells_by_name[name].run_each(statement, requested)
            except OrganizationMoved:
                answered = [row for call in requested for row in await self._run_one(statement, call)]
            rows |= dict(zip(positions, answered, strict=True))
        return [rows[position] for position in range(len(calls))]

    async def _run_one(self, statement: str, call: tuple[OrganizationId, Sequence[object]]) -> list[asyncpg.Record]:
        return await self._routed(call[0], lambda cell: cell.run_each(statement, [call]))

    @asynccontextmanager
    async def system_transaction(self, *, writing: bool = False) -> AsyncIterator[ReadTransaction]:
        """As `Database.system_transaction`, in the home cell. What concerns every cell uses `cells`."""
        if HOME not in self._cells_by_name:
            raise cells_away(self.away)
        async with self._cells_by_name[HOME].system_transaction(writing=writing) as reader:
            yield reader

    @asynccontextmanager
    async def session_lock(self, lock: LockClass, organization_id: OrganizationId) -> AsyncIterator[bool]:
        """As `Database.session_lock`, in the cell of the organization."""
        cell = self._cells_by_name[await self.name_of(organization_id)]
        async with cell.session_lock(lock, organization_id) as is_held:
            yield is_held

    async def _routed(self, organization_id: OrganizationId, use: Callable[[Database], Awaitable[T]]) -> T:
        """Use the cell of an organization; while it moves, try again, and then in the cell that it has moved to."""
        check_organization(organization_id)
        ends_at = monotonic() + _MOVING_MAX_S
        while True:
            name = await self.name_of(organization_id)
            try:
                return await use(self._cells_by_name[name])
            except OrganizationMoved as refusal:
                if monotonic() > ends_at:
                    raise
                if refusal.cell is not None and refusal.cell in self._cells_by_name:
                    self._names[organization_id] = refusal.cell
                    self._read_at = 0.0
            await asyncio.sleep(_AGAIN_S)

    async def _by_cell(self, organization_ids: Sequence[OrganizationId]) -> dict[str, list[int]]:
        positions: dict[str, list[int]] = {}
        for position, organization_id in enumerate(organization_ids):
            check_organization(organization_id)
            positions.setdefault(await self.name_of(organization_id), []).append(position)
        return positions

    async def read_map(self) -> None:
        """Read the map for the first time. Raises DatabaseUnavailable where a cell does not answer."""
        await self._refresh()
        if len(self._listings) < len(self._cells_by_name):
            raise cells_away(dict.fromkeys(set(self._cells_by_name) - set(self._listings), "the map cannot be read"))

    async def _refreshed(self) -> None:
        """Wait for a new map; after a second the last one is used."""
        await asyncio.wait({self._refresh()}, timeout=_READING_MAX_S)

    def _refresh(self) -> "asyncio.Future[None]":
        """Read the map; concurrent callers share one reading."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read())
        return self._reading

    async def _read(self) -> None:
        results = await asyncio.gather(
            *(read_listing(cell) for cell in self._cells_by_name.values()), return_exceptions=True
        )
        for name, result in zip(self._cells_by_name, results, strict=True):
            if isinstance(result, CellListing):
                self._listings[name] = result
            elif isinstance(result, Exception):
                log.warning("cell_not_read", cell=name, error=type(result).__name__)
            else:
                raise result
        # An organization that no statement has was between two of them: cells are not read at one time.
        self._names |= map_cells(self._listings)
        self._read_at = monotonic()


class _RoutedReads(SingleReads):
    """`SingleReads` of the cell of an organization."""

    __slots__ = ("_database",)

    def __init__(self, database: CellDatabase, organization_id: OrganizationId) -> None:
        check_organization(organization_id)
        self._database = database
        self.organization_id = organization_id

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """As `SingleReads.fetch`."""
        return await self._database.read_one(query, (self.organization_id, arguments))


async def open_database(
    url: str,
    cells: Mapping[str, str],
    *,
    away: Mapping[str, str] = _NONE,
    limits: DatabaseLimits | None = None,
    application_name: str = "vienphi",
) -> Database:
    """Connect to the home cell and to further cells, whose addresses are by name. Raises DatabaseUnavailable.

    Without further cells this is `Database.open`. With them, each cell has `limits` connections; those of `away`, which
    has the reasons, are left out.
    """
    if not cells:
        return await Database.open(url, limits=limits, application_name=application_name)
    opened: dict[str, Database] = {}
    database = CellDatabase(opened, away)
    try:
        for name, address in {HOME: url, **cells}.items():
            if name not in away:
                opened[name] = await Database.open(
                    address, limits=limits, application_name=f"{application_name} {CELLS}", is_cell=True
                )
        await database.read_map()
    except BaseException:
        await database.close()
        raise
    return database
