"""The only access to connections: a pool, and transactions that set their organization before the first read.

It begins transactions; `transaction_end.py` ends them and distinguishes "committed", "not committed" and "unknown". The
stores contain the statements; `role_checks.py` checks the privileges.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self
from zlib import crc32

import asyncpg

from billing.core.ids import OrganizationId
from billing.db.connection_errors import (
    ADDRESS_ERRORS,
    CONNECTION_ERRORS,
    cannot_connect,
)
from billing.db.connections import Connections, PooledConnection, name_error
from billing.db.json_codec import decode_json, encode_json
from billing.db.single_reads import SingleReads, fetch_each
from billing.db.tenant_setting import check_organization
from billing.db.transaction_end import commit, finish, roll_back, run_single, try_lock, unlock
from billing.tracing import transaction_span

HOME = "home"
"""The cell of VIENPHI_DATABASE_URL; the only one where the setting cells is empty."""

_ORGANIZATIONS = """
    SELECT vienphi_organizations() AS id
"""


class LockClass(IntEnum):
    """First number of the two-number advisory locks; the second is the organization, or a hash of the subject."""

    DAY = 1
    BANK_ACCOUNT = 2
    PATIENT = 3
    IMPORT = 4
    MATCHING = 5
    CELL = 6
    PAYOUT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLimits:
    """The number of connections and the timeouts. A `_ms` limit is enforced by the server, a `_s` limit by us.

    `commit_timeout_s` is long on purpose: with a synchronous standby COMMIT waits for it, and the outcome of an
    abandoned COMMIT is unknown.
    """

    connections_min: int = 1
    connections_max: int = 10
    acquire_timeout_s: float = 5.0
    connect_timeout_s: float = 5.0
    commit_timeout_s: float = 30.0
    statement_timeout_ms: int = 15_000
    lock_timeout_ms: int = 5_000
    idle_in_transaction_timeout_ms: int = 30_000


class _Ended:
    """In the place of the connection of an ended transaction."""

    def __getattr__(self, name: str) -> Any:
        raise asyncpg.InterfaceError("the transaction has ended")


_ENDED: Any = _Ended()


class ReadTransaction:
    """Statements that return rows. Parameters are `$1`, `$2`; jsonb is strict (`json_codec.py`)."""

    __slots__ = ("_connection",)

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection

    def end(self) -> None:
        """Make every further statement fail: the connection serves others from now on."""
        self._connection = _ENDED

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Every row of the answer."""
        return await self._connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of the answer, or None."""
        return await self._connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(query, *arguments)


class Transaction(ReadTransaction):
    """An open transaction of one organization; row security shows its rows and no others."""

    __slots__ = ("organization_id",)

    def __init__(self, connection: PooledConnection, organization_id: OrganizationId) -> None:
        super().__init__(connection)
        self.organization_id = organization_id

    async def execute(self, query: str, *arguments: object) -> str:
        """Run one statement; returns the server's command tag, as `UPDATE 1`."""
        return await self._connection.execute(query, *arguments)

    async def stream(self, query: str, *numbers: int, piece: int) -> AsyncIterator[list[asyncpg.Record]]:
        """Rows of a query in pieces from one database snapshot; the statement timeout applies to each piece.

        The parameters are whole numbers: DECLARE takes none, so they are written into the text.
        """
        # One name for each query: the driver caches the columns of a FETCH by its text.
        name = f"rows_{crc32(query.encode()):08x}"
        for position in range(len(numbers), 0, -1):
            query = query.replace(f"${position}", f"'{numbers[position - 1]:d}'")
        await self._connection.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {query}")
        while rows := await self._connection.fetch(f"FETCH {piece:d} FROM {name}"):
            yield rows
        await self._connection.execute(f"CLOSE {name}")

    async def executemany(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one statement for each row of parameters, in order, in one round trip."""
        await self._connection.executemany(query, rows)


class Database:
    """A pool of connections of one role. Created by `open`, ended by `close`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", limits: DatabaseLimits, *, is_cell: bool = False) -> None:
        self._connections = Connections(pool, acquire_timeout_s=limits.acquire_timeout_s)
        self._limits = limits
        self._is_cell = is_cell

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        limits: DatabaseLimits | None = None,
        application_name: str = "vienphi",
        is_cell: bool = False,
    ) -> Self:
        """Connect. Raises DatabaseUnavailable if the server cannot be reached.

        One of several cells (`is_cell`) checks in every transaction that the organization is there (`cells.py`).
        """
        limits = limits or DatabaseLimits()
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=limits.connections_min,
                max_size=limits.connections_max,
                timeout=limits.connect_timeout_s,
                # A server that no longer answers is abandoned soon after its own timeout should have ended the
                # statement.
                command_timeout=limits.statement_timeout_ms / 1000 + 5,
                init=_prepare_connection,
                # Every transaction below ends here and leaves nothing in the session, so asyncpg's own reset, a round
                # trip for each use of a connection, is omitted.
                reset=_leave_as_is,
                server_settings={
                    "application_name": application_name,
                    "timezone": "UTC",
                    "default_transaction_isolation": "read committed",
                    "statement_timeout": str(limits.statement_timeout_ms),
                    "lock_timeout": str(limits.lock_timeout_ms),
                    "idle_in_transaction_session_timeout": str(limits.idle_in_transaction_timeout_ms),
                    "jit": "off",
                },
            )
        except ADDRESS_ERRORS as error:
            raise cannot_connect(error) from None  # its message repeats parts of the address
        except CONNECTION_ERRORS as error:
            raise cannot_connect(error) from error
        return cls(pool, limits, is_cell=is_cell)

    @property
    def cells_by_name(self) -> "Mapping[str, Database]":
        """The databases behind this one, of which each serves some organizations: this one alone, or all cells."""
        return {HOME: self}

    @property
    def cells(self) -> "Sequence[Database]":
        """The same without their names."""
        return tuple(self.cells_by_name.values())

    def cell_number(self, _organization_id: OrganizationId) -> int:
        """The position in `cells` of the one that serves an organization, as last read; 0 for an unknown one."""
        return 0

    async def list_organizations(self) -> list[OrganizationId]:
        """The ids of all organizations that are served, of every cell, by number."""
        async with self.system_transaction() as reader:
            return [OrganizationId(row["id"]) for row in await reader.fetch(_ORGANIZATIONS)]

    async def close(self) -> None:
        """Wait for open transactions, at most as long as a COMMIT may take, then close every connection."""
        await self._connections.close(self._limits.commit_timeout_s)

    @asynccontextmanager
    async def transaction(
        self, organization_id: OrganizationId, *, posting: bool = False, read_only: bool = False
    ) -> AsyncIterator[Transaction]:
        """Open a READ COMMITTED transaction of one organization; commit at the end, roll back on any error.

        `posting` also locks the organization's day, shared, before the first statement of the caller, which then reads
        the day in a later statement (docs/design.md §4 Days). In a `read_only` transaction the server rejects every
        write. A cancellation is delivered after the commit or the rollback has ended, never during it.

        Raises DatabaseUnavailable, DatabaseBusy or TransactionAborted (nothing was written), CommitUnknown (the outcome
        is unknown). An SQL error of a statement or of COMMIT (a deferred constraint) is raised unchanged.
        """
        begin = _begin_statement(organization_id, posting=posting, read_only=read_only, is_cell=self._is_cell)
        async with self._started(begin) as connection:
            tx = Transaction(connection, organization_id)
            try:
                yield tx
            finally:
                tx.end()

    def single_reads(self, organization_id: OrganizationId) -> SingleReads:
        """Reads of one organization, each of them a read-only transaction of one statement in one round trip.

        For use cases that read once; statements that belong together need a `transaction`.
        """
        return SingleReads(self._connections, organization_id, is_cell=self._is_cell)

    async def read_each(
        self, query: str, requests: Sequence[tuple[OrganizationId, Sequence[object]]]
    ) -> list[asyncpg.Record]:
        """The rows of a query for several organizations: one `single_reads` for each, in one round trip."""
        return await fetch_each(self._connections, query, requests, is_cell=self._is_cell)

    async def run_single(
        self, organization_id: OrganizationId, statement: str, *arguments: object
    ) -> list[asyncpg.Record]:
        """Run one statement as a transaction of its own, in one round trip; returns its rows after the commit.

        The statement calls a function of the database that takes the organization as its first argument, sets it for
        the transaction, and takes every lock. Raises DatabaseUnavailable or DatabaseBusy (nothing was written),
        CommitUnknown (the outcome is unknown). Other SQL errors, SerializationError among them, are raised unchanged:
        nothing was written.
        """
        return await self.run_each(statement, [(organization_id, arguments)])

    async def run_each(
        self, statement: str, calls: Sequence[tuple[OrganizationId, Sequence[object]]]
    ) -> list[asyncpg.Record]:
        """Run a statement as `run_single` does for several organizations, in one transaction and one round trip.

        Returns the rows of the calls in their order, after the commit. An error of one call rolls all of them back.
        """
        for organization_id, _ in calls:
            check_organization(organization_id)
        parameters = [(organization_id, *arguments) for organization_id, arguments in calls]
        if self._is_cell:
            statement = _entering(statement)
        with transaction_span():
            async with self._connections.borrow() as connection:
                return await finish(run_single(connection, statement, parameters, self._limits.commit_timeout_s))

    @asynccontextmanager
    async def system_transaction(self, *, writing: bool = False) -> AsyncIterator[ReadTransaction]:
        """Open a transaction without an organization: it sees installation-wide tables only.

        Read-only unless `writing`, which is for maintenance such as new partitions.
        """
        async with self._started("BEGIN" if writing else "BEGIN READ ONLY") as connection:
            reader = ReadTransaction(connection)
            try:
                yield reader
            finally:
                reader.end()

    @asynccontextmanager
    async def session_lock(self, lock: LockClass, organization_id: OrganizationId) -> AsyncIterator[bool]:
        """Hold an advisory lock of one organization over several transactions; yields False if another session has it.

        It takes a connection of its own. The lock ends with the session, also where this process is killed: what it
        protects is checked in every transaction, since a lost connection loses the lock.
        """
        check_organization(organization_id)
        async with self._connections.borrow() as connection:
            is_held = await try_lock(connection, lock, organization_id)
            try:
                yield is_held
            finally:
                if is_held:
                    await finish(unlock(connection, lock, organization_id))

    @asynccontextmanager
    async def _started(self, begin: str) -> AsyncIterator[PooledConnection]:
        with transaction_span():
            async with self._connections.borrow() as connection:
                try:
                    await connection.execute(begin)
                    yield connection
                except BaseException as error:
                    await finish(roll_back(connection))
                    named = name_error(connection, error)
                    if named is error:
                        raise
                    raise named from error
                await finish(commit(connection, self._limits.commit_timeout_s))


def _begin_statement(organization_id: OrganizationId, *, posting: bool, read_only: bool, is_cell: bool) -> str:
    """BEGIN, the tenant, the check of the cell and the day lock as one simple query: one round trip.

    Neither SET nor a simple query takes parameters, so the number is written into the text. It is first checked to be
    an int within the column's range: digits cannot carry anything else. SET LOCAL ends with the transaction, so the
    next user of the connection starts without an organization.
    """
    check_organization(organization_id)
    mode = " READ ONLY" if read_only else ""
    begin = f"BEGIN{mode}; SET LOCAL vienphi.organization = '{organization_id:d}'"
    if is_cell:
        begin += f"; SELECT vienphi_enter_cell({organization_id:d}, {'false' if read_only else 'true'})"
    if posting:
        begin += f"; SELECT pg_advisory_xact_lock_shared({LockClass.DAY:d}, {organization_id:d})"
    return begin


def _entering(statement: str) -> str:
    """A statement of `run_each` that first enters the cell; its first parameter is the organization."""
    assert statement.startswith("SELECT "), "it calls a function"
    return f"SELECT vienphi_enter_cell($1, true) AS entered, {statement.removeprefix('SELECT ')}"


async def _prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encode_json, decoder=decode_json)


async def _leave_as_is(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Nothing to reset: see `Database.open`."""
