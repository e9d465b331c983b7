"""Lets the process of an import kill itself before or after one of its commits; its chunks have ten lines."""

import os
import signal
from collections.abc import Awaitable, Callable

from billing.db import database
from billing.reconciliation.formats import chunk_file


class Commits:
    """Counts the commits of this process from the call of `count`; `kill_at` is the number of one, or 0 for none."""

    def __init__(self, kill_at: int, side: str) -> None:
        self.number = 0
        self._kill_at = kill_at
        self._side = side

    def count(self) -> None:
        """Count from now on."""
        chunk_file.CHUNK = 10
        commit: Callable[..., Awaitable[None]] = database.commit

        async def counted(*arguments: object) -> None:
            self.number += 1
            self._kill_on("before")
            await commit(*arguments)
            self._kill_on("after")

        database.commit = counted

    def _kill_on(self, side: str) -> None:
        if self.number == self._kill_at and self._side == side:
            os.kill(os.getpid(), signal.SIGKILL)
