"""The age of xmin: how long ago the oldest running writing transaction began.

Snapshots, seals and readers of the outbox stop at the watermark (docs/design.md §4, Watermarks): a writing transaction
that does not end stops them all, and nothing else shows it.
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
    """Reads transaction ids periodically. Needs no privilege to see the activity of other sessions."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        # For each cell: time, and the id that would have been assigned next.
        self._looks: list[deque[tuple[float, int]]] = [deque() for _ in database.cells]

    async def look(self) -> float:
        """The age now, of all cells the largest, in seconds, at most one interval too high; 0 if nothing is written.

        Transactions that had begun before an earlier read are over once the watermark has reached the id of that read.
        The first read limits the reported age. Of several cells those that answer are read; raises the error of the
        first one where none does.
        """
        looks = [self._look_at(cell, looks) for cell, looks in zip(self._database.cells, self._looks, strict=True)]
        found = await asyncio.gather(*looks, return_exceptions=True)
        ages = [each for each in found if isinstance(each, float)]
        for each in found:
            if isinstance(each, BaseException) and (not ages or not isinstance(each, Exception)):
                raise each
        return max(ages)

    async def _look_at(self, cell: Database, looks: deque[tuple[float, int]]) -> float:
        async with cell.system_transaction() as reader:
            watermark, following = await read_numbers(reader)
        now = self._clock()
        looks.append((now, following))
        while len(looks) > 1 and looks[1][1] <= watermark:
            looks.popleft()
        if len(looks) > _LOOKS_MAX:
            del looks[1]
        return now - looks[0][0]

    async def watch(self, note: Callable[[float], None]) -> None:
        """Report the age every few seconds until cancelled; a failed read reports nothing."""
        while True:
            try:
                note(await self.look())
            except Exception as error:
                log.warning("xmin_not_read", error=type(error).__name__, exc_info=error)
            await asyncio.sleep(EVERY_S)
