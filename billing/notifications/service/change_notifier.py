"""Hints after commit: one word at most every 50 ms from each process, saying whose data changed and nothing else.

Noting costs the caller nothing and never fails. A hint may be lost, doubled or late: whoever hears one looks for
itself, and looks from time to time without one. Source: docs/design.md §5, point 8.
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

Heard = Callable[[Collection[OrganizationId] | None], None]
"""Told whose data may have changed; None is anybody's."""

log = structlog.get_logger(__name__)


class ChangeNotifier:
    """This process's line to the others. Made by `open_hints`; notes are kept while it is down, and sent after."""

    def __init__(self) -> None:
        self._noted: set[OrganizationId] = set()
        self._stirred = asyncio.Event()
        self._listeners: list[Heard] = []

    def note(self, organization_id: OrganizationId) -> None:
        """Something of this organization was committed."""
        self._noted.add(organization_id)
        self._stirred.set()

    def listen(self, heard: Heard) -> None:
        """Tell of every hint from now on, also of those that may have been missed while the line was down."""
        self._listeners.append(heard)
        self._stirred.set()

    async def keep_line(self, url: str) -> None:
        """Send and hear until cancelled; a line that is lost is opened again."""
        is_lost = False
        while True:
            try:
                async with open_notify_connection(url) as line:
                    is_lost = False
                    await self._use(line)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not is_lost:
                    log.warning("hints_lost", error=type(error).__name__)
                is_lost = True
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _use(self, line: NotifyConnection) -> None:
        is_over = asyncio.Event()

        def end() -> None:
            is_over.set()
            self._stirred.set()

        line.on_end(end)
        is_listening = False
        while not is_over.is_set():
            if self._listeners and not is_listening:
                await line.listen(self._hear)
                is_listening = True
                self._tell(None)
            if self._noted:
                noted, self._noted = self._noted, set()
                await line.send(write_hint(noted))
            await asyncio.sleep(EVERY_S)
            await self._stirred.wait()
            self._stirred.clear()

    def _hear(self, text: str) -> None:
        self._tell(read_hint(text))

    def _tell(self, organization_ids: Collection[OrganizationId] | None) -> None:
        for heard in self._listeners:
            heard(organization_ids)


@asynccontextmanager
async def open_change_notifier(url: str, background: Background | None = None) -> AsyncIterator[ChangeNotifier]:
    """A line that lives as long as the process works."""
    hints = ChangeNotifier()
    line = (background or Background()).start("hints", lambda: hints.keep_line(url))
    try:
        yield hints
    finally:
        await line.stop()


def write_hint(organization_ids: Collection[OrganizationId]) -> str:
    """The word for these organizations; empty, which is anybody's, where they are too many to name."""
    text = ",".join(str(each) for each in sorted(organization_ids))
    return text if len(text) <= TEXT_LENGTH_MAX else ""


def read_hint(text: str) -> Collection[OrganizationId] | None:
    """Whose data a word speaks of; None, anybody's, for what is not one of ours."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return {OrganizationId(int(part)) for part in parts}
