"""`make bench-callbacks`: how many callbacks a second are verified, posted and acknowledged after the commit.

Each round measures, one after the other and on one database: ours, the baseline, the null handler, one commit each by
pgbench, ours over one connection, ours and the baseline over 100 organizations (closed loop), then the latency of ours
and of the baseline at 0.8 of the baseline's pace of this round (open loop). Ratios are taken within a round; the last
line is the medians as one JSON object. Afterwards everything acknowledged is looked for in the database and the books
are proved.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from statistics import median

from billing.db.database import Database, DatabaseLimits
from billing.tracing import TraceTarget
from tests.bench.one_commit_each import OneCommitEach
from tests.bench.processor import ProcessorTime, find_postmaster, read_processor_time
from tests.bench.sender import DUPLICATES, Load, Sender, Sent
from tests.bench.service import Served
from tests.bench.stock import AMOUNT, Order, Stock, analyze, durable_stock
from tests.collector import collecting
from tests.db.proxy import Proxy
from tests.flow import find_mismatches

KINDS = ("ours", "baseline", "null", "pgbench", "org100", "lone")
OPEN_SHARE = 0.8
ORGANIZATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How long and how wide. `connections` for ours and null, `baseline_connections` for one commit each."""

    rounds: int = 5
    closed_s: float = 4.0
    open_s: float = 5.0
    connections: int = 128
    baseline_connections: int = 32
    warm_up: int = 600
    open_connections: int = 256


@dataclass(slots=True)
class Measurements:
    """What the rounds found, by name."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.rounds.setdefault(name, []).append(value)

    def median(self, name: str, digits: int) -> float | None:
        values = self.rounds.get(name)
        return round(median(values), digits) if values else None

    def ratio(self, name: str, to: str) -> float | None:
        """The median of the ratios within each round."""
        pairs = zip(self.rounds.get(name, ()), self.rounds.get(to, ()), strict=False)
        ratios = [above / below for above, below in pairs if below]
        return round(median(ratios), 3) if ratios else None


class Bench:
    """One run: the stock, a service process of each kind, and the sender."""

    def __init__(
        self, stock: Stock, sizes: Sizes, kinds: Sequence[str], profile: str | None, traces: TraceTarget | None = None
    ) -> None:
        self._stock = stock
        self._sizes = sizes
        self._kinds = kinds
        self._profile = profile
        self._traces = traces
        self._one_commit_each = OneCommitEach(stock)
        self._ready: dict[tuple[int, ...], list[Order]] = {}
        self._pace = dict.fromkeys(KINDS, 1_500.0)
        self._seeds = count(1)
        self.measurements = Measurements()
        self.acknowledged: set[int] = set()

    async def run(self) -> None:
        self._postmaster = await find_postmaster(self._stock.server)
        with ExitStack() as stack:
            self._sender = stack.enter_context(Sender())
            starting = {
                kind: Served(
                    kind,
                    self._stock.server.app_url,
                    profile=self._profile if kind == "ours" else None,
                    traces=self._traces if kind == "ours" else None,
                )
                for kind in ("ours", "baseline", "null")
                if kind in self._kinds
            }
            self._served = {kind: stack.enter_context(served) for kind, served in starting.items()}
            if "pgbench" in self._kinds:
                await self._one_commit_each.prepare()
            for kind in self._served:
                await self._closed(kind, (1,), "", duration_s=60, orders=await self._take((1,), self._sizes.warm_up))
                if "org100" in self._kinds and kind != "null":
                    many = self._organizations()
                    await self._closed(
                        kind, many, "", duration_s=60, orders=await self._take(many, self._sizes.warm_up)
                    )
            await self._analyze()
            for number in range(self._sizes.rounds):
                await self._round()
                _print(f"round {number + 1} of {self._sizes.rounds}: {self._last()}")
            if "lone" in self._kinds and "ours" in self._served:
                self.measurements.add("lone round trips", await self._count_round_trips())

    async def _analyze(self) -> None:
        connection = await self._stock.connect()
        await analyze(connection)
        await connection.close()

    async def _round(self) -> None:
        for kind in ("ours", "baseline", "null"):
            if kind in self._served:
                await self._closed(kind, (1,), kind)
        if "pgbench" in self._kinds:
            seconds = max(1, int(self._sizes.closed_s))
            orders = await self._take((1,), int(self._pace["pgbench"] * seconds * 2) + 500)
            pace = await self._one_commit_each.run(orders, seconds)
            self._pace["pgbench"] = pace
            self.measurements.add("pgbench", pace)
        if "lone" in self._kinds and "ours" in self._served:
            await self._lone()
        both = "ours" in self._served and "baseline" in self._served
        if both:
            await self._open_pair((1,), "")
        if both and "org100" in self._kinds:
            many = self._organizations()
            await self._closed("ours", many, "org100 ours")
            await self._closed("baseline", many, "org100 baseline")
            await self._open_pair(many, "org100 ")

    async def _lone(self) -> None:
        """One connection, so that every callback is alone: its time, and its commit by one client of pgbench."""
        sent = await self._closed("ours", (1,), "lone", connections=1)
        self.measurements.add("lone p50", sent.percentile_ms(0.50))
        if "pgbench" in self._kinds:
            seconds = max(1, int(self._sizes.closed_s))
            orders = await self._take((1,), int(self._pace["pgbench"] * seconds) + 500)
            pace = await self._one_commit_each.run(orders, seconds, clients=1)
            self.measurements.add("lone pgbench p50", 1_000 / pace)

    async def _count_round_trips(self) -> float:
        """What the service sends to PostgreSQL for one callback that is alone, its connection and statements ready."""
        orders = await self._take((1,), 40)
        async with Proxy(self._stock.server.app_url) as proxy:
            served = self._served["counted"] = Served("ours", proxy.url)
            await asyncio.to_thread(served.__enter__)
            try:
                await self._send("counted", orders[:20], 1, 60, None, next(self._seeds))
                before = proxy.requests
                sent = await self._send("counted", orders[20:], 1, 60, None, next(self._seeds))
                return (proxy.requests - before) / sent.deliveries
            finally:
                await asyncio.to_thread(served.__exit__, None, None, None)

    async def _open_pair(self, organizations: tuple[int, ...], prefix: str) -> None:
        rate = OPEN_SHARE * self.measurements.rounds[f"{prefix}baseline"][-1]
        seed = next(self._seeds)
        for kind in ("ours", "baseline"):
            orders = await self._take(organizations, int(rate * self._sizes.open_s * 1.1) + 100)
            sent = await self._send(kind, orders, self._sizes.open_connections, self._sizes.open_s, rate, seed)
            self._give_back(organizations, orders[sent.orders :])
            self.measurements.add(f"{prefix}{kind} p50", sent.percentile_ms(0.50))
            self.measurements.add(f"{prefix}{kind} p99", sent.percentile_ms(0.99))
            self.measurements.add(f"{prefix}{kind} open refused", sent.refused)

    async def _closed(
        self,
        kind: str,
        organizations: tuple[int, ...],
        name: str,
        *,
        duration_s: float | None = None,
        orders: Sequence[Order] | None = None,
        connections: int | None = None,
    ) -> Sent:
        duration_s = duration_s or self._sizes.closed_s
        if orders is None:
            orders = await self._take(organizations, int(self._pace[kind] * duration_s * 1.5) + 500)
        usual = self._sizes.baseline_connections if kind == "baseline" else self._sizes.connections
        connections = connections or usual
        before = self._used(kind)
        sent = await self._send(kind, orders, connections, duration_s, None, next(self._seeds))
        each = self._used(kind).per_request(sent.deliveries, since=before)
        if connections == usual:
            self._pace[kind] = sent.per_s
        # The null handler books nothing: its bills still wait for their money.
        self._give_back(organizations, orders if kind == "null" else orders[sent.orders :])
        if name:
            self.measurements.add(name, sent.per_s)
            self.measurements.add(f"{name} refused", sent.refused)
            self.measurements.add(f"{name} service ms", each.service_ms)
            self.measurements.add(f"{name} postgres ms", each.postgres_ms)
        return sent

    def _used(self, kind: str) -> ProcessorTime:
        return read_processor_time(service=self._served[kind].process_id, postmaster=self._postmaster)

    async def _send(
        self, kind: str, orders: Sequence[Order], connections: int, duration_s: float, rate: float | None, seed: int
    ) -> Sent:
        served = self._served[kind]
        load = Load(
            host=served.host,
            port=served.port,
            orders=orders,
            connections=connections,
            duration_s=duration_s,
            rate=rate,
            seed=seed,
        )
        sent = await asyncio.to_thread(self._sender.send, load)
        assert not sent.unexpected, f"{kind} answered {sent.unexpected} callbacks with neither 200 nor 503"
        if sent.unanswered:
            _print(f"{kind} closed {sent.unanswered} connections without an answer")
        if kind != "null":
            self.acknowledged |= sent.acknowledged
        return sent

    async def _take(self, organizations: tuple[int, ...], number: int) -> list[Order]:
        ready = self._ready.pop(organizations, [])
        if len(ready) < number:
            ready += await self._stock.make(organizations, number - len(ready))
        self._ready[organizations] = ready[number:]
        return ready[:number]

    def _give_back(self, organizations: tuple[int, ...], orders: Sequence[Order]) -> None:
        self._ready[organizations] = [*orders, *self._ready.get(organizations, ())]

    def _organizations(self) -> tuple[int, ...]:
        return tuple(hospital.organization_id for hospital in self._stock.hospitals)

    def _last(self) -> str:
        return ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.measurements.rounds.items())

    @property
    def program(self) -> str:
        return self._one_commit_each.program


def summary(measurements: Measurements, prefix: str = "") -> dict[str, float | None]:
    """The results by the names the issue gives them; None where the run left a part out."""
    ours = f"{prefix}ours"
    return {
        "callbacks_per_s": measurements.median(ours, 0),
        "p50_ms": measurements.median(f"{ours} p50", 2),
        "p99_ms": measurements.median(f"{ours} p99", 2),
        "ratio_to_baseline": measurements.ratio(ours, f"{prefix}baseline"),
        "ratio_to_null_handler": measurements.ratio(ours, "null"),
        "ratio_to_pgbench": measurements.ratio(ours, "pgbench"),
        "p99_ratio": measurements.ratio(f"{ours} p99", f"{prefix}baseline p99"),
        "service_ms": measurements.median(f"{ours} service ms", 3),
        "postgres_ms": measurements.median(f"{ours} postgres ms", 3),
    }


def summary_of_lone(measurements: Measurements) -> dict[str, float | None]:
    """The results of callbacks that are alone; `ratio_to_pgbench` compares with one commit by one client."""
    return {
        "p50_ms": measurements.median("lone p50", 2),
        "service_ms": measurements.median("lone service ms", 3),
        "postgres_ms": measurements.median("lone postgres ms", 3),
        "round_trips": measurements.median("lone round trips", 2),
        "ratio_to_pgbench": measurements.ratio("lone p50", "lone pgbench p50"),
    }


_LOST_AND_DOUBLED = """
    SELECT (SELECT count(*) FROM unnest($1::text[]) AS sent (reference) WHERE NOT EXISTS (
            SELECT FROM payment WHERE payment.provider_reference = sent.reference)) AS lost,
        (SELECT count(*) FROM (SELECT FROM payment GROUP BY organization_id, provider_reference HAVING count(*) > 1)
            AS again) + (SELECT count(*) FROM intent WHERE received > amount) AS doubled,
        (SELECT count(*) FROM unnest($1::text[]) AS sent (reference)
            JOIN payment ON payment.provider_reference = sent.reference WHERE payment.amount <> $2) AS altered
"""


_PATIENT = DatabaseLimits(statement_timeout_ms=300_000)
"""A proof reads every row, and a run leaves many."""


async def find_lost_and_doubled(stock: Stock, acknowledged: set[int]) -> tuple[int, int]:
    """Acknowledged callbacks without a payment, and money booked more than once (or in another amount)."""
    connection = await stock.connect()
    try:
        references = [f"BENCH{number:09d}" for number in sorted(acknowledged)]
        row = await connection.fetchrow(_LOST_AND_DOUBLED, references, AMOUNT)
        assert row is not None, "a statement without FROM answers one row"
        return row["lost"], row["doubled"] + row["altered"]
    finally:
        await connection.close()


async def prove_books(stock: Stock) -> dict[str, int]:
    """The proofs that do not hold, as `vienphi ledger verify` finds them."""
    database = await Database.open(stock.server.app_url, limits=_PATIENT)
    try:
        return await find_mismatches(database)
    finally:
        await database.close()


async def measure(
    sizes: Sizes, kinds: Sequence[str], profile: str | None, organizations: int, traces: TraceTarget | None = None
) -> int:
    """Run, print, and return the exit status: 1 where anything was lost, doubled or doubtful."""
    started = time.perf_counter()
    async with durable_stock(organizations=organizations if "org100" in kinds else 1) as stock:
        bench = Bench(stock, sizes, kinds, profile, traces)
        _print(f"PostgreSQL {stock.server.version}, {bench.program} for one commit each, {DUPLICATES:.0%} duplicates")
        await bench.run()
        lost, doubled = await find_lost_and_doubled(stock, bench.acknowledged)
        mismatches = await prove_books(stock)
    for name, values in bench.measurements.rounds.items():
        _print(f"{name:28} median {median(values):9.2f}   {' '.join(f'{value:.4g}' for value in values)}")
    _print(
        f"{len(bench.acknowledged)} acknowledged, mismatches {mismatches or 'none'},"
        f" {time.perf_counter() - started:.0f} s"
    )
    counted = {"lost": lost, "doubled": doubled}
    result: dict[str, object] = {**summary(bench.measurements), **counted}
    if "lone" in kinds:
        result["lone"] = summary_of_lone(bench.measurements)
    if "org100" in kinds:
        result["org100"] = {**summary(bench.measurements, "org100 "), **counted}
    print(json.dumps(result), flush=True)
    return 1 if lost or doubled or mismatches else 0


def _print(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round over five organizations, below 40 s")
    parser.add_argument("--only", default=",".join(KINDS), help=f"some of {','.join(KINDS)}")
    parser.add_argument("--profile", help="write a cProfile of our service to this file")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--closed", type=float, help="seconds of each closed loop")
    parser.add_argument("--open", type=float, help="seconds of each open loop")
    parser.add_argument("--connections", type=int, help="connections of the closed loop")
    parser.add_argument("--traces", type=float, help="the part of our requests whose traces go to a collector")
    given = parser.parse_args()
    quick = Sizes(rounds=1, closed_s=0.7, open_s=0.7, warm_up=150) if given.quick else Sizes()
    sizes = Sizes(
        rounds=given.rounds or quick.rounds,
        closed_s=given.closed or quick.closed_s,
        open_s=given.open or quick.open_s,
        connections=given.connections or quick.connections,
        warm_up=quick.warm_up,
    )
    kinds = [kind for kind in KINDS if kind in given.only.split(",")]
    with collecting() as collector:
        traces = collector.target(ratio=given.traces) if given.traces else None
        return asyncio.run(measure(sizes, kinds, given.profile, 5 if given.quick else ORGANIZATIONS, traces))


if __name__ == "__main__":
    sys.exit(main())
