"""`make bench-overload`: what becomes of callbacks when more come than can be posted.

First our own capacity in a closed loop, then an open loop at 1.2 of it over 1,000 connections. Every callback must be
accepted or answered with "try later"; the results are the accepted share, their latency and constant memory.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable

from tests.bench.callbacks import find_lost_and_doubled, prove_books
from tests.bench.sender import Load, Sender, Sent
from tests.bench.service import Served
from tests.bench.stock import Order, Stock, durable_stock

OVERLOAD = 1.2
_MEGABYTE = 1024 * 1024


class Overload:
    """One service and one sender on one stock."""

    def __init__(self, stock: Stock, sender: Sender, served: Served) -> None:
        self._stock = stock
        self._sender = sender
        self._served = served
        self._spare: list[Order] = []
        self.acknowledged: set[int] = set()

    async def send(self, count: int, *, connections: int, duration_s: float, rate: float | None = None) -> Sent:
        """Send that many orders' callbacks; those not reached are kept for the next time."""
        if len(self._spare) < count:
            self._spare += await self._stock.make((1,), count - len(self._spare))
        orders, self._spare = self._spare[:count], self._spare[count:]
        load = Load(
            host=self._served.host,
            port=self._served.port,
            orders=orders,
            connections=connections,
            duration_s=duration_s,
            rate=rate,
        )
        sent = await asyncio.to_thread(self._sender.send, load)
        self._spare = [*orders[sent.orders :], *self._spare]
        self.acknowledged |= sent.acknowledged
        return sent

    async def watch_memory(self, seen: Callable[[int], None]) -> None:
        """Report the service's memory four times a second, until cancelled."""
        while True:
            seen(self._served.memory_bytes)
            await asyncio.sleep(0.25)


async def measure(*, duration_s: float, closed_s: float, closed_connections: int, connections: int) -> int:
    """Run, print, and return the exit status: 1 where an answer was neither, or anything was lost or doubled."""
    async with durable_stock() as stock:
        with Sender() as sender, Served("ours", stock.server.app_url) as served:
            overload = Overload(stock, sender, served)
            await overload.send(1_000, connections=closed_connections, duration_s=60)
            closed = await overload.send(int(3_000 * closed_s), connections=closed_connections, duration_s=closed_s)
            rate = OVERLOAD * closed.per_s
            memory = [served.memory_bytes]
            watching = asyncio.create_task(overload.watch_memory(memory.append))
            sent = await overload.send(
                int(rate * duration_s * 1.05) + 100, connections=connections, duration_s=duration_s, rate=rate
            )
            watching.cancel()
        lost, doubled = await find_lost_and_doubled(stock, overload.acknowledged)
        mismatches = await prove_books(stock)
    result = {
        "capacity_per_s": round(closed.per_s),
        "offered_per_s": round(rate),
        "goodput_per_s": round(sent.per_s),
        "goodput_ratio": round(sent.per_s / closed.per_s, 3),
        "accepted": sent.accepted,
        "refused": sent.refused,
        "unexpected": sent.unexpected,
        "unanswered": sent.unanswered,
        "accepted_p50_ms": round(sent.percentile_ms(0.50), 1),
        "accepted_p99_ms": round(sent.percentile_ms(0.99), 1),
        "memory_growth_mb": round((max(memory) - memory[0]) / _MEGABYTE, 1),
        "lost": lost,
        "doubled": doubled,
        "mismatches": sum(mismatches.values()),
    }
    print(json.dumps(result), flush=True)
    return 1 if lost or doubled or mismatches or sent.unexpected or sent.unanswered else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of the open loop")
    parser.add_argument("--closed", type=float, default=10.0, help="seconds of the closed loop")
    parser.add_argument("--closed-connections", type=int, default=128)
    parser.add_argument("--connections", type=int, default=1_000)
    given = parser.parse_args()
    return asyncio.run(
        measure(
            duration_s=given.duration,
            closed_s=given.closed,
            closed_connections=given.closed_connections,
            connections=given.connections,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
