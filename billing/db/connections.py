"""The connections of one process to the database: borrowed for one transaction or statement, and given back.

A connection that was given back stays at hand: taking it again costs no task and no timer of the event loop, unlike a
visit to the pool. The pool opens, limits and replaces connections; errors that the server or the network causes are
named here.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from billing.db.connection_errors import DatabaseUnavailable, cannot_connect, name_busy

PooledConnection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

FATAL_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Errors with which the server drops a connection; the open transaction is lost with it."""


BUSY_ERRORS = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # A migration added a column to a view while we run; the driver has dropped its cached columns.
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    TimeoutError,
)
"""Temporary errors: the same transaction may be tried again."""

_USES_OF_POOL = 1_000
"""Every so many uses a connection goes through the pool, which replaces it after 50,000 statements."""

_IDLE_MAX_S = 300.0
"""A connection at hand that was not used for this long is closed: a router between may have forgotten it."""


class Connections:
    """The pool and the connections at hand. `close` waits for those in use."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, acquire_timeout_s: float) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s
        self._at_hand: deque[tuple[float, PooledConnection]] = deque()  # the one used last at the right
        self._waiting = 0
        self._uses = 0
        self._is_closing = False

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[PooledConnection]:
        """Lend a connection. The borrower leaves no transaction open and no setting behind.

        Raises DatabaseUnavailable where every connection stays in use, or none can be opened.
        """
        connection = await self.acquire()
        try:
            yield connection
        except BaseException:
            await self.discard(connection)
            raise
        await self.give_back(connection)

    async def acquire(self) -> PooledConnection:
        """Take a connection; it is given back or discarded. Raises DatabaseUnavailable."""
        while self._at_hand:
            used_at, connection = self._at_hand.pop()
            if not is_closed(connection) and monotonic() - used_at < _IDLE_MAX_S:
                return connection
            await self._close(connection)
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=self._acquire_timeout_s)
        except TimeoutError as error:
            raise DatabaseUnavailable("every connection to the database is in use") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise cannot_connect(error) from error
        finally:
            self._waiting -= 1

    async def give_back(self, connection: PooledConnection) -> None:
        """Return a connection on which nothing is under way."""
        self._uses += 1
        if self._waiting or self._is_closing or self._uses % _USES_OF_POOL == 0 or is_closed(connection):
            await self._pool.release(connection)
            return
        now = monotonic()
        self._at_hand.append((now, connection))
        used_at, oldest = self._at_hand[0]
        if now - used_at >= _IDLE_MAX_S:
            self._at_hand.popleft()
            await self._close(oldest)

    async def discard(self, connection: PooledConnection) -> None:
        """Return a connection after an error; where a statement is under way, the pool waits for its cancellation."""
        await self._pool.release(connection)

    async def close(self, timeout_s: float) -> None:
        """Wait for the connections in use, at most `timeout_s`, then close all."""
        self._is_closing = True
        try:
            async with asyncio.timeout(timeout_s):
                while self._at_hand:
                    await self._pool.release(self._at_hand.pop()[1])
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _close(self, connection: PooledConnection) -> None:
        if not is_closed(connection):
            connection.terminate()
        await self._pool.release(connection)


def is_closed(connection: PooledConnection) -> bool:
    """Whether the connection is of no use any more."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The server dropped the connection and asyncpg has released it already; not even this may be called.
        return True


def name_error(connection: PooledConnection, error: BaseException) -> BaseException:
    """What an error of a statement before COMMIT means: DatabaseBusy, DatabaseUnavailable or the error itself."""
    if isinstance(error, BUSY_ERRORS):
        return name_busy(error)
    if _is_connection_lost(connection, error):
        return DatabaseUnavailable("the connection was lost; nothing was written")
    return error


def _is_connection_lost(connection: PooledConnection, error: BaseException) -> bool:
    if isinstance(error, FATAL_ERRORS):
        return True
    return is_closed(connection) and isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError))
