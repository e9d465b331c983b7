"""The age of xmin: how long ago the oldest transaction began that may still write.

Snapshots, seals and whoever reads the outbox go up to the watermark and no further (docs/design.md §4, Watermarks): a
writing transaction that does not end stops them all, and nothing else shows it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

import structlog

from billing.db.database import Database
from billing.db.transaction_ids import read_numbers

EVERY_S = 5.0
_LOOKS_MAX = 10_000

log = structlog.get_logger(__name__)


class XminMonitor:
    """Looks at transaction numbers again and again. Asks for no right to see what others are doing."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._looks: deque[tuple[float, int]] = deque()  # when, and the number that would have been given next

    async def look(self) -> float:
        """The age now, in seconds, at most one look too much; 0 where nobody is writing.

        What had begun before an earlier look is over once the watermark has reached the number of that look. The first
        look is as far back as this goes.
        """
        async with self._database.system_transaction() as reader:
            watermark, following = await read_numbers(reader)
        now = self._clock()
        self._looks.append((now, following))
        while len(self._looks) > 1 and self._looks[1][1] <= watermark:
            self._looks.popleft()
        if len(self._looks) > _LOOKS_MAX:
            del self._looks[1]
        return now - self._looks[0][0]

    async def watch(self, note: Callable[[float], None]) -> None:
        """Report the age every few seconds until cancelled; a failed read reports nothing."""
        while True:
            try:
                note(await self.look())
            except Exception as error:
                log.warning("xmin_not_read", error=type(error).__name__, exc_info=error)
            await asyncio.sleep(EVERY_S)
