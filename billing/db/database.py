"""The only access to connections: a pool, and transactions that set their organization before the first read.

It begins and ends transactions and distinguishes "committed", "not committed" and "unknown". The stores contain the
statements; `role_checks.py` checks the privileges.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self, TypeVar
from zlib import crc32

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from billing.core.errors import CommitUnknown, Unavailable
from billing.core.ids import OrganizationId
from billing.db.connection_errors import ADDRESS_ERRORS, CONNECTION_ERRORS, DatabaseUnavailable, cannot_connect
from billing.db.json_codec import decode_json, encode_json

T = TypeVar("T")

_ORGANIZATION_MAX = 2**31 - 1
_ROLLBACK_TIMEOUT_S = 5.0

_FATAL_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Errors with which the server drops a connection; the open transaction is lost with it."""


_BUSY_ERRORS = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    TimeoutError,
)
"""Temporary errors: the same transaction may be tried again."""


class LockClass(IntEnum):
    """First number of the two-number advisory locks; the second is the organization, or a hash of the subject."""

    DAY = 1
    BANK_ACCOUNT = 2


class DatabaseBusy(Unavailable):
    """A lock was held for too long, or a statement took too long: nothing was written."""

    code = "database_busy"


class TransactionAborted(Unavailable):
    """An SQL error was ignored inside the transaction, so the server rolled back at COMMIT: nothing was written."""

    code = "transaction_aborted"


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


class ReadTransaction:
    """Statements that return rows. Parameters are `$1`, `$2`; jsonb is strict (`json_codec.py`)."""

    __slots__ = ("_connection",)

    def __init__(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
        self._connection = connection

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

    def __init__(self, connection: "PoolConnectionProxy[asyncpg.Record]", organization_id: OrganizationId) -> None:
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

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", limits: DatabaseLimits) -> None:
        self._pool = pool
        self._limits = limits

    @classmethod
    async def open(cls, url: str, *, limits: DatabaseLimits | None = None, application_name: str = "vienphi") -> Self:
        """Connect. Raises DatabaseUnavailable if the server cannot be reached."""
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
        return cls(pool, limits)

    async def close(self) -> None:
        """Wait for open transactions, at most as long as a COMMIT may take, then close every connection."""
        try:
            await asyncio.wait_for(self._pool.close(), self._limits.commit_timeout_s)
        except TimeoutError:
            self._pool.terminate()

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
        begin = _begin_statement(organization_id, posting=posting, read_only=read_only)
        async with self._started(begin) as connection:
            yield Transaction(connection, organization_id)

    @asynccontextmanager
    async def system_transaction(self, *, writing: bool = False) -> AsyncIterator[ReadTransaction]:
        """Open a transaction without an organization: it sees installation-wide tables only.

        Read-only unless `writing`, which is for maintenance such as new partitions.
        """
        async with self._started("BEGIN" if writing else "BEGIN READ ONLY") as connection:
            yield ReadTransaction(connection)

    @asynccontextmanager
    async def _started(self, begin: str) -> "AsyncIterator[PoolConnectionProxy[asyncpg.Record]]":
        connection = await self._acquire()
        try:
            try:
                await connection.execute(begin)
                yield connection
            except BaseException as error:
                await _finish(_roll_back(connection))
                if isinstance(error, _BUSY_ERRORS):
                    raise DatabaseBusy("the database is busy; nothing was written") from error
                if _is_connection_lost(connection, error):
                    raise DatabaseUnavailable("the connection was lost; nothing was written") from error
                raise
            await _finish(_commit(connection, self._limits.commit_timeout_s))
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> "PoolConnectionProxy[asyncpg.Record]":
        try:
            return await self._pool.acquire(timeout=self._limits.acquire_timeout_s)
        except TimeoutError as error:
            raise DatabaseUnavailable("every connection to the database is in use") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise cannot_connect(error) from error


def _begin_statement(organization_id: OrganizationId, *, posting: bool, read_only: bool) -> str:
    """BEGIN, the tenant and the day lock as one simple query: one round trip.

    Neither SET nor a simple query takes parameters, so the number is written into the text. It is first checked to be
    an int within the column's range: digits cannot carry anything else. SET LOCAL ends with the transaction, so the
    next user of the connection starts without an organization.
    """
    if type(organization_id) is not int or not 0 < organization_id <= _ORGANIZATION_MAX:
        raise ValueError("an organization is a whole number above 0")
    mode = " READ ONLY" if read_only else ""
    begin = f"BEGIN{mode}; SET LOCAL vienphi.organization = '{organization_id:d}'"
    if posting:
        begin += f"; SELECT pg_advisory_xact_lock_shared({LockClass.DAY:d}, {organization_id:d})"
    return begin


async def _commit(connection: "PoolConnectionProxy[asyncpg.Record]", timeout_s: float) -> None:
    """Send COMMIT and determine its outcome.

    A warning during COMMIT means that the wait for the synchronous standby was cancelled: the transaction is committed
    here, and may be lost in a fail-over (PostgreSQL manual §27.2.8). Its SQLSTATE is the general 01000 and its text
    depends on the server's language; so any warning counts.
    """
    if _is_closed(connection):
        raise DatabaseUnavailable("the connection was lost before COMMIT; nothing was written")
    warnings: list[str] = []

    def on_warning(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        if getattr(message, "severity_en", None) == "WARNING":
            warnings.append(message.message or "")

    connection.add_log_listener(on_warning)
    try:
        tag = await connection.execute("COMMIT", timeout=timeout_s)
        connection.remove_log_listener(on_warning)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, _FATAL_ERRORS):
            connection.remove_log_listener(on_warning)
            raise  # The server rejected the COMMIT with an error, so it rolled back.
        if not _is_closed(connection):
            connection.terminate()
        raise CommitUnknown(f"no answer to COMMIT: {type(error).__name__}") from error
    if warnings:
        raise CommitUnknown(f"COMMIT was answered with a warning: {warnings[0]}")
    if tag != "COMMIT":
        raise TransactionAborted("an error inside the transaction was passed over, so it was rolled back")


async def _roll_back(connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
    """End the transaction without effect; a connection that cannot roll back is closed, which has the same effect."""
    if _is_closed(connection):
        return
    try:
        # Cancelled during BEGIN: the connection does not know yet whether it is in a transaction.
        await connection.execute("ROLLBACK", timeout=_ROLLBACK_TIMEOUT_S)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        if not _is_closed(connection):
            connection.terminate()


async def _finish(ending: Coroutine[Any, Any, T]) -> T:
    """Await to the end even if cancelled meanwhile; then deliver the cancellation."""
    task = asyncio.ensure_future(ending)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation from task.exception()
    return task.result()


def _is_closed(connection: "PoolConnectionProxy[asyncpg.Record]") -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The server dropped the connection and asyncpg has released it already; not even this may be called.
        return True


def _is_connection_lost(connection: "PoolConnectionProxy[asyncpg.Record]", error: BaseException) -> bool:
    if isinstance(error, _FATAL_ERRORS):
        return True
    return _is_closed(connection) and isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError))


async def _prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encode_json, decoder=decode_json)


async def _leave_as_is(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Nothing to reset: see `Database.open`."""
