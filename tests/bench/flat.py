"""`make bench-flat`: a callback costs the same after ten million postings as after ten thousand.

Two databases of one server hold the same hospital and the same bills that wait, one with a short and one with a long
history. Rounds alternate between them; in the middle of each a checkpoint is forced, whose full pages are part of the
cost. The last line is one JSON object with the medians.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from statistics import median

from billing.devserver.embedded import APP_ROLE, DATABASE_NAME
from tests.bench.history import checkpoint, load_history
from tests.bench.sender import Load, Sender, Sent
from tests.bench.service import Served
from tests.bench.stock import Order, Stock, analyze, durable_stock

LONG = "vienphi_long"
SHORT_POSTINGS = 10_000
_SETTINGS = {"max_wal_size": "32GB", "checkpoint_timeout": "1h"}
_WARM_UP = 1_000
_PACE_MAX = 2_500


async def measure(*, postings: int, rounds: int, duration_s: float, connections: int) -> int:
    """Load, run, print; returns the exit status."""
    started = time.perf_counter()
    async with durable_stock(settings=_SETTINGS) as stock:
        orders = await stock.make((1,), int(_PACE_MAX * duration_s * rounds) + _WARM_UP)
        await _copy_database(stock)
        await load_history(stock, DATABASE_NAME, SHORT_POSTINGS)
        await load_history(stock, LONG, postings)
        _print(f"{postings} postings loaded after {time.perf_counter() - started:.0f} s")
        paces: dict[str, list[float]] = {DATABASE_NAME: [], LONG: []}
        left = {DATABASE_NAME: orders, LONG: orders}
        with Sender() as sender:
            served = {name: Served("ours", stock.server.url(APP_ROLE, name)) for name in paces}
            for name in paces:
                with_service = served[name].__enter__()
                sent = await _send(sender, with_service, left[name][:_WARM_UP], connections, 60)
                left[name] = left[name][_WARM_UP:]
                connection = await stock.connect(name)
                await analyze(connection)
                await connection.close()
            for number in range(rounds):
                for name in sorted(paces, reverse=bool(number % 2)):
                    checkpointing = asyncio.create_task(_checkpoint_after(stock, duration_s / 2))
                    sent = await _send(sender, served[name], left[name], connections, duration_s)
                    await checkpointing
                    left[name] = left[name][sent.orders :]
                    paces[name].append(sent.per_s)
                    _print(f"{name:14} {sent.per_s:8.0f} a second, p99 {sent.percentile_ms(0.99):.1f} ms")
            for each in served.values():
                each.__exit__(None, None, None)
    ratios = [short / long for short, long in zip(paces[DATABASE_NAME], paces[LONG], strict=True)]
    result = {
        "postings_short": SHORT_POSTINGS,
        "postings_long": postings,
        "short_per_s": round(median(paces[DATABASE_NAME])),
        "long_per_s": round(median(paces[LONG])),
        "cost_ratio": round(median(ratios), 3),
        "elapsed_s": round(time.perf_counter() - started),
    }
    print(json.dumps(result), flush=True)
    return 0


async def _copy_database(stock: Stock) -> None:
    connection = await stock.connect("postgres")
    await connection.execute(f"CREATE DATABASE {LONG} TEMPLATE {DATABASE_NAME} STRATEGY file_copy", timeout=300)
    await connection.execute(f"REVOKE TEMPORARY ON DATABASE {LONG} FROM PUBLIC")  # not copied from a template
    await connection.close()


async def _send(sender: Sender, served: Served, orders: Sequence[Order], connections: int, duration_s: float) -> Sent:
    load = Load(host=served.host, port=served.port, orders=orders, connections=connections, duration_s=duration_s)
    sent = await asyncio.to_thread(sender.send, load)
    assert not sent.unexpected, f"{sent.unexpected} callbacks were answered with neither 200 nor 503"
    return sent


async def _checkpoint_after(stock: Stock, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await checkpoint(stock)


def _print(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postings", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=6.0, help="seconds of each round on each database")
    parser.add_argument("--connections", type=int, default=128)
    given = parser.parse_args()
    return asyncio.run(
        measure(
            postings=given.postings,
            rounds=given.rounds,
            duration_s=given.duration,
            connections=given.connections,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
