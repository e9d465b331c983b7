"""How a transaction ends: committed, not committed, or unknown.

`database.py` begins the transactions and reports these outcomes.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from billing.core.errors import CommitUnknown, Unavailable
from billing.db.connection_errors import DatabaseUnavailable, name_busy
from billing.db.connections import BUSY_ERRORS, FATAL_ERRORS, PooledConnection, is_closed

T = TypeVar("T")

_ROLLBACK_TIMEOUT_S = 5.0


class TransactionAborted(Unavailable):
    """An SQL error was ignored inside the transaction, so the server rolled back at COMMIT: nothing was written."""

    code = "transaction_aborted"


async def commit(connection: PooledConnection, timeout_s: float) -> None:
    """Send COMMIT and determine its outcome.

    A warning during COMMIT means that the wait for the synchronous standby was cancelled: the transaction is committed
    here, and may be lost in a fail-over (PostgreSQL manual §27.2.8). Its SQLSTATE is the general 01000 and its text
    depends on the server's language; so any warning counts.
    """
    if is_closed(connection):
        raise DatabaseUnavailable("the connection was lost before COMMIT; nothing was written")
    try:
        with _warnings_of(connection) as warnings:
            tag = await connection.execute("COMMIT", timeout=timeout_s)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, FATAL_ERRORS):
            raise  # The server rejected the COMMIT with an error, so it rolled back.
        raise _unknown(connection, error) from error
    if warnings:
        raise CommitUnknown(f"COMMIT was answered with a warning: {warnings[0]}")
    if tag != "COMMIT":
        raise TransactionAborted("an error inside the transaction was passed over, so it was rolled back")


async def run_single(
    connection: PooledConnection, statement: str, calls: Sequence[Sequence[object]], timeout_s: float
) -> list[asyncpg.Record]:
    """Run a statement once for each list of parameters in a transaction of its own; find the outcome as `commit` does.

    A condition of the statement that no longer holds is a SerializationError, raised unchanged: nothing was written.
    """
    if is_closed(connection):
        raise DatabaseUnavailable("the connection was lost; nothing was written")
    try:
        with _warnings_of(connection) as warnings:
            if len(calls) == 1:
                rows = await connection.fetch(statement, *calls[0], timeout=timeout_s)
            else:
                rows = await connection.fetchmany(statement, calls, timeout=timeout_s)
    except asyncpg.PostgresError as error:
        if isinstance(error, FATAL_ERRORS):
            raise _unknown(connection, error) from error
        if isinstance(error, BUSY_ERRORS) and not isinstance(error, asyncpg.SerializationError):
            raise name_busy(error) from error
        raise  # The server rejected the statement, so it rolled back, or the driver could not encode a parameter.
    except Exception as error:
        # No answer, or one that the driver cannot read: the server may have committed before it answered.
        raise _unknown(connection, error) from error
    if warnings:
        raise CommitUnknown(f"the statement was answered with a warning: {warnings[0]}")
    return rows


def _unknown(connection: PooledConnection, error: Exception) -> CommitUnknown:
    if not is_closed(connection):
        connection.terminate()
    return CommitUnknown(f"no answer to COMMIT: {type(error).__name__}")


@contextmanager
def _warnings_of(connection: PooledConnection) -> Iterator[list[str]]:
    warnings: list[str] = []

    def on_warning(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        if getattr(message, "severity_en", None) == "WARNING":
            warnings.append(message.message or "")

    connection.add_log_listener(on_warning)
    try:
        yield warnings
    finally:
        if not is_closed(connection):
            connection.remove_log_listener(on_warning)


async def roll_back(connection: PooledConnection) -> None:
    """End the transaction without effect; a connection that cannot roll back is closed, which has the same effect."""
    if is_closed(connection):
        return
    try:
        # Cancelled during BEGIN: the connection does not know yet whether it is in a transaction.
        await connection.execute("ROLLBACK", timeout=_ROLLBACK_TIMEOUT_S)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        if not is_closed(connection):
            connection.terminate()


async def try_lock(connection: PooledConnection, first: int, second: int) -> bool:
    """Take an advisory lock of the session; False if another session has it."""
    try:
        is_held: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", first, second)
    except BaseException:
        connection.terminate()  # the server may have given the lock already
        raise
    return is_held


async def unlock(connection: PooledConnection, first: int, second: int) -> None:
    """Release an advisory lock of the session; a connection that cannot is closed, which has the same effect."""
    if is_closed(connection):
        return
    try:
        await connection.execute(f"SELECT pg_advisory_unlock({first:d}, {second:d})", timeout=_ROLLBACK_TIMEOUT_S)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        if not is_closed(connection):
            connection.terminate()


async def finish(ending: Coroutine[Any, Any, T]) -> T:
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
