"""`make bench-clearance`: how fast an order's clearance is read among a million open orders, and a visit's discharge.

Requests fall due at random times (open loop): of order clearance at `--rate` a second, then of discharge clearance at
`--discharge-rate`; a request's time counts from when it was due. The last line is one JSON object: p95 are the medians
of the rounds, `processor_ms_per_request` is the time of the service and of PostgreSQL on the processor,
`service_ms_per_request` that of the service alone.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

from billing.db.migrator import migrate
from billing.devserver.embedded import EmbeddedPostgres
from tests.bench.open_orders import ORDERS_EACH, make_open_visits, order_addresses, visit_addresses
from tests.bench.processor import ProcessorTime, find_postmaster, read_processor_time
from tests.bench.sender import Load, Sender, Sent
from tests.bench.service import Served
from tests.builders import FACILITY_CODE, add_demo_hospital

_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off"}
_WARM_UP_S = 3.0
_SPARE = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is open, and how much is requested."""

    visits: int
    rounds: int
    duration_s: float
    rate: float
    discharge_rate: float
    connections: int


@dataclass(slots=True)
class Results:
    """The medians are taken of these, one of each round."""

    p95_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    discharge_p95_ms: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    processor: list[ProcessorTime] = field(default_factory=list)
    discharge_processor: list[ProcessorTime] = field(default_factory=list)
    unexpected: int = 0


@dataclass(slots=True)
class Measurement:
    """One service with one sender on one server."""

    sizes: Sizes
    key: str
    sender: Sender
    served: Served
    postmaster: int

    async def send(
        self, addresses: Iterator[str], *, rate: float, duration_s: float, seed: int
    ) -> tuple[Sent, ProcessorTime]:
        """Send requests as they fall due; returns what came of them, and processor time for each."""
        requests = [self._request(address) for address in islice(addresses, int(rate * duration_s * _SPARE) + 50)]
        load = Load(
            host=self.served.host,
            port=self.served.port,
            orders=(),
            requests=requests,
            connections=self.sizes.connections,
            duration_s=duration_s,
            rate=rate,
            seed=seed,
        )
        before = self._used()
        sent = await asyncio.to_thread(self.sender.send, load)
        return sent, self._used().per_request(sent.deliveries, since=before)

    def _used(self) -> ProcessorTime:
        return read_processor_time(service=self.served.process_id, postmaster=self.postmaster)

    def _request(self, address: str) -> bytes:
        host = f"{self.served.host}:{self.served.port}"
        return f"GET {address} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode()


async def measure(sizes: Sizes) -> int:
    """Make the rows, run the rounds, print; returns the exit status: 1 where an answer was not 200."""
    started = time.perf_counter()
    results = Results()
    with EmbeddedPostgres(durable=False, settings=_SETTINGS) as server:
        await migrate(server.owner_url)
        hospital = await add_demo_hospital(server.owner_url)
        await make_open_visits(server, sizes.visits)
        postmaster = await find_postmaster(server)
        _print(f"{sizes.visits * ORDERS_EACH} open orders after {time.perf_counter() - started:.0f} s")
        with Sender() as sender, Served("ours", server.app_url) as served:
            measurement = Measurement(sizes, hospital.key, sender, served, postmaster)
            orders = order_addresses(sizes.visits, FACILITY_CODE, seed=1)
            visits = visit_addresses(sizes.visits, seed=2)
            await measurement.send(orders, rate=sizes.rate, duration_s=_WARM_UP_S, seed=1)
            await measurement.send(visits, rate=sizes.discharge_rate, duration_s=_WARM_UP_S, seed=1)
            for number in range(sizes.rounds):
                await _round(measurement, orders, visits, results, seed=number + 2)
    result = {
        "p95_ms": round(median(results.p95_ms), 2),
        "discharge_p95_ms": round(median(results.discharge_p95_ms), 2),
        "per_s": round(median(results.per_s)),
        "open_orders": sizes.visits * ORDERS_EACH,
        "processor_ms_per_request": round(median(used.total_ms for used in results.processor), 3),
        "service_ms_per_request": round(median(used.service_ms for used in results.processor), 3),
        "p99_ms": round(median(results.p99_ms), 2),
        "discharge_processor_ms_per_request": round(median(used.total_ms for used in results.discharge_processor), 3),
        "unexpected": results.unexpected,
        "elapsed_s": round(time.perf_counter() - started),
    }
    print(json.dumps(result), flush=True)
    return 1 if results.unexpected else 0


async def _round(
    measurement: Measurement, orders: Iterator[str], visits: Iterator[str], results: Results, *, seed: int
) -> None:
    sizes = measurement.sizes
    sent, used = await measurement.send(orders, rate=sizes.rate, duration_s=sizes.duration_s, seed=seed)
    results.p95_ms.append(sent.percentile_ms(0.95))
    results.p99_ms.append(sent.percentile_ms(0.99))
    results.per_s.append(sent.per_s)
    results.processor.append(used)
    results.unexpected += sent.deliveries - sent.accepted
    _print(f"orders   p95 {sent.percentile_ms(0.95):6.1f} ms, {sent.per_s:.0f} a second, {used.total_ms:.2f} ms each")
    sent, used = await measurement.send(visits, rate=sizes.discharge_rate, duration_s=sizes.duration_s, seed=seed)
    results.discharge_p95_ms.append(sent.percentile_ms(0.95))
    results.discharge_processor.append(used)
    results.unexpected += sent.deliveries - sent.accepted
    _print(f"visits   p95 {sent.percentile_ms(0.95):6.1f} ms, {sent.per_s:.0f} a second, {used.total_ms:.2f} ms each")


def _print(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help=f"open orders, {ORDERS_EACH} of each visit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of each half of a round")
    parser.add_argument("--rate", type=float, default=500.0, help="order clearances a second")
    parser.add_argument("--discharge-rate", type=float, default=100.0, help="discharge clearances a second")
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    return asyncio.run(
        measure(
            Sizes(
                visits=max(1, given.orders // ORDERS_EACH),
                rounds=given.rounds,
                duration_s=given.duration,
                rate=given.rate,
                discharge_rate=given.discharge_rate,
                connections=given.connections,
            )
        )
    )


if __name__ == "__main__":
    sys.exit(main())
