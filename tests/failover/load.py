"""Callbacks at a steady pace, each sent again until it is acknowledged, and when they were acknowledged."""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import aiohttp

from tests.bench.stock import AMOUNT, Order
from tests.chaos.bank import Message, RudeBank, Transfer
from tests.failover.isolated import IsolatedReport

_PAUSE_MAX_S = 0.05


class SteadyBank(RudeBank):
    """The rude bank, whose payers pay one bill after the other while `feed` runs."""

    def __init__(self, address: str, random: Random) -> None:
        super().__init__(address, random)
        self.acknowledged_at: list[float] = []
        self._is_open = False

    def begin(self) -> None:
        """Clear the times of before; `send_all` goes on until `end`."""
        self.acknowledged_at.clear()
        self._is_open = True

    def end(self) -> None:
        """No bill is paid any more: `send_all` returns once everything is acknowledged."""
        self._is_open = False

    async def feed(self, orders: Sequence[Order], *, per_second: float, stop: asyncio.Event) -> list[Order]:
        """Let bills be paid one after the other until the event is set; returns those that were not."""
        left = list(reversed(orders))
        while left and not stop.is_set():
            self._waiting.extend(self._messages(left.pop()))
            await asyncio.sleep(1 / per_second)
        return left[::-1]

    def take_reports(self, reports: Sequence[IsolatedReport]) -> None:
        """Report transfers, as the bank does again after it got no answer."""
        for report in reports:
            order = report.order
            transfer = Transfer(report.name, order.organization, order.code, AMOUNT, f"FT{report.name}")
            self.record.transfers[report.name] = transfer
            self._waiting.append(Message(transfer, report.body, succeeded=True, forged=False, jump_s=0))

    def longest_pause(self, since: float, until: float) -> float:
        """The longest time without an acknowledgement between two times of `time.monotonic`, in seconds."""
        times = [since, *(at for at in self.acknowledged_at if since < at < until), until]
        return max(after - before for before, after in pairwise(times))

    async def _call(self, session: aiohttp.ClientSession) -> None:
        while self._is_open or self._waiting or self._under_way:
            if not self._waiting:
                await asyncio.sleep(0.02)
                continue
            message = self._waiting.popleft()
            self._under_way += 1
            try:
                is_done = await self._send(session, message)
            finally:
                self._under_way -= 1
            if not is_done:
                self._waiting.append(message)
            await asyncio.sleep(self._random.uniform(0, _PAUSE_MAX_S))

    def _note_answer(self, message: Message, status: int, words: bytes) -> bool:
        if status == 200:
            self.acknowledged_at.append(time.monotonic())
        return super()._note_answer(message, status, words)
