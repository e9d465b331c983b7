"""Notifications between processes after commit: at most one message in 50 ms, with the organizations that changed.

Publishing costs the caller nothing and never fails. A message may be lost, repeated or late: a listener reads the data
itself, and also polls without a message. Source: docs/design.md §5, point 8.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import asyncpg
import structlog

from billing.core.ids import OrganizationId
from billing.db.background import Background
from billing.notifications.store.notify_channel import TEXT_LENGTH_MAX, NotifyConnection, open_notify_connection

EVERY_S = 0.05
AGAIN_AFTER_S = 1.0

Listener = Callable[[Collection[OrganizationId] | None], None]
"""Receives the organizations whose data may have changed; None stands for all of them."""

log = structlog.get_logger(__name__)


class ChangeNotifier:
    """Publishes changes of this process to the others. Made by `open_change_notifier`.

    While the connection is lost, changes are kept; they are sent once it is open again.
    """

    def __init__(self) -> None:
        self._noted: set[OrganizationId] = set()
        self._wakeup = asyncio.Event()
        self._listeners: list[Listener] = []

    def publish(self, organization_id: OrganizationId) -> None:
        """Announce that data of this organization was committed."""
        self._noted.add(organization_id)
        self._wakeup.set()

    def listen(self, listener: Listener) -> None:
        """Call the listener for every message from now on, and with None after each time the connection was lost."""
        self._listeners.append(listener)
        self._wakeup.set()

    async def run(self, url: str) -> None:
        """Send and receive until cancelled; a connection that is lost is opened again."""
        is_lost = False
        while True:
            try:
                async with open_notify_connection(url) as connection:
                    is_lost = False
                    await self._use(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not is_lost:
                    log.warning("notify_connection_lost", error=type(error).__name__)
                is_lost = True
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _use(self, connection: NotifyConnection) -> None:
        is_over = asyncio.Event()

        def end() -> None:
            is_over.set()
            self._wakeup.set()

        connection.on_end(end)
        is_listening = False
        while not is_over.is_set():
            if self._listeners and not is_listening:
                await connection.listen(self._on_message)
                is_listening = True
                self._call_listeners(None)
            if self._noted:
                noted, self._noted = self._noted, set()
                await connection.send(format_message(noted))
            await asyncio.sleep(EVERY_S)
            await self._wakeup.wait()
            self._wakeup.clear()

    def _on_message(self, text: str) -> None:
        self._call_listeners(parse_message(text))

    def _call_listeners(self, organization_ids: Collection[OrganizationId] | None) -> None:
        for listener in self._listeners:
            listener(organization_ids)


@asynccontextmanager
async def open_change_notifier(url: str, background: Background | None = None) -> AsyncIterator[ChangeNotifier]:
    """A notifier that runs until the block ends."""
    notifier = ChangeNotifier()
    task = (background or Background()).start("change_notifier", lambda: notifier.run(url))
    try:
        yield notifier
    finally:
        await task.stop()


def format_message(organization_ids: Collection[OrganizationId]) -> str:
    """The message for these organizations; empty, which stands for all, if they are too many for one message."""
    text = ",".join(str(each) for each in sorted(organization_ids))
    return text if len(text) <= TEXT_LENGTH_MAX else ""


def parse_message(text: str) -> Collection[OrganizationId] | None:
    """The organizations of a message; None, which stands for all, for a message of another form."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return {OrganizationId(int(part)) for part in parts}
