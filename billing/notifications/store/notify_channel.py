"""NOTIFY between processes: a message on a channel that data changed, on a connection outside every pool.

A NOTIFY inside a transaction of money would hold a lock of the whole cluster through its flush (docs/design.md §5,
point 8); here it has a transaction to itself, which is not even flushed: polling
replaces a message that is lost.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

CHANNEL = "vienphi_changed"
TEXT_LENGTH_MAX = 7_900
"""The server takes 8,000 bytes."""

_NOTIFY = """
    SELECT pg_notify($1, $2)
"""

_CONNECT_TIMEOUT_S = 5.0
_COMMAND_TIMEOUT_S = 5.0


class NotifyConnection:
    """One connection that sends and, after `listen`, receives."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        """Send a message to every listener of this database; it is delivered at once or never."""
        await self._connection.execute(_NOTIFY, CHANNEL, text)

    async def listen(self, on_message: Callable[[str], None]) -> None:
        """Call `on_message` with every message that is sent from now on, also by this process."""
        await self._connection.add_listener(
            CHANNEL, lambda _connection, _process, _channel, text: on_message(str(text))
        )

    def on_end(self, ended: Callable[[], None]) -> None:
        """Call `ended` when the connection is lost or closed."""
        self._connection.add_termination_listener(lambda _connection: ended())


@asynccontextmanager
async def open_notify_connection(url: str) -> AsyncIterator[NotifyConnection]:
    """Connect for NOTIFY only. Raises OSError, TimeoutError or asyncpg's errors; leaving closes without waiting."""
    connection = await asyncpg.connect(
        url,
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=_COMMAND_TIMEOUT_S,
        server_settings={"application_name": "vienphi-notify", "synchronous_commit": "off"},
    )
    try:
        yield NotifyConnection(connection)
    finally:
        connection.terminate()
