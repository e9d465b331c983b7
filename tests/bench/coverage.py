"""`make bench-coverage`: cost of pricing against its bare formulae, and speed-up of repricing by a second core.

Pricing: a visit of 40 lines, already built, sentences not made, against a straight line of the final formulae over the
same Decimals. Repricing: issued visits of 20 lines in a database, a tenth of which a draft changes in every line, in
one process and in several; the server works on the same cores. Kinds alternate; medians of the rounds. The last line is
one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from pathlib import Path
from statistics import median

from billing.coverage.domain.parameters import load_parameters
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.price import price
from billing.db.database import Database
from billing.invoices.service.reprice import REPRICING_LIMITS, Period, WorkerProcesses, reprice_invoices
from billing.invoices.service.reprice_batch import Draft
from billing.visits.domain.visit import ChargeItem, Scope, Table, Visit
from tests.bench.issued import issued_visits
from tests.coverage.builders import a_card, a_visit

_SAMPLES = 200
_CHANGED_EACH = 10
_HUNDREDTH = Decimal("0.01")
_HUNDRED = Decimal(100)
_REPEATS = 100


def make_visit(lines: int, seed: int, *, group: str = "DN4") -> Visit:
    """A visit such as hospitals bill: a third drugs, some lines in part or beyond the insurer's price."""
    items = []
    for number in range(1, lines + 1):
        is_drug = number % 3 == 0
        hospital_price = Decimal(10_000 + number * 7_300 + seed * 13) / (8 if is_drug else 1)
        items.append(
            ChargeItem(
                table=Table.DRUGS if is_drug else Table.SERVICES,
                number=number,
                name=f"Dịch vụ {number}",
                code=f"40.{number}" if is_drug else f"02.{number:04}.{1000 + number}",
                unit="Viên" if is_drug else "Lần",
                department="K03",
                group=4 if is_drug else 1,
                scope=Scope.PATIENT if number % 17 == 0 else Scope.INSURED,
                quantity=Decimal(1 + (number + seed) % 5),
                hospital_price=hospital_price,
                insurance_price=hospital_price if is_drug or number % 5 else hospital_price - 1_000,
                payment_ratio=Decimal(50) if number % 11 == 0 else _HUNDRED,
            )
        )
    return a_visit(*items, cards=(a_card(group),))


def straight_line(items: Sequence[ChargeItem], level: Decimal) -> tuple[list[tuple[Decimal, ...]], list[Decimal]]:
    """The final formulae and nothing else: what each line and the whole cost whom."""
    lines = []
    sums = [Decimal(0)] * 5
    for item in items:
        hospital = (item.quantity * item.hospital_price * item.service_ratio / _HUNDRED).quantize(
            _HUNDREDTH, ROUND_HALF_UP
        )
        ratio = item.payment_ratio if item.scope is Scope.INSURED else Decimal(0)
        insured = (item.quantity * item.insurance_price * item.service_ratio / _HUNDRED * ratio / _HUNDRED).quantize(
            _HUNDREDTH, ROUND_HALF_UP
        )
        fund = (insured * level / _HUNDRED).quantize(_HUNDREDTH, ROUND_HALF_UP)
        line = (hospital, insured, fund, insured - fund, hospital - insured)
        sums = [whole + part for whole, part in zip(sums, line, strict=True)]
        lines.append(line)
    return lines, sums


def measure_pricing(rounds: int, lines: int = 40) -> tuple[float, float, float]:
    """Median ratio, and the microseconds of both; both must first compute the same amounts."""
    visit, parameters, policy, level = make_visit(lines, 1), load_parameters(), Policy(), Decimal(80)
    priced = price(visit, parameters=parameters, policy=policy)
    _, sums = straight_line(visit.items, level)
    assert sums == [priced.hospital_amount, priced.insured_amount, priced.fund, priced.copay, priced.self_pay]
    ours: list[float] = []
    straight: list[float] = []
    for _ in range(rounds):
        straight.append(_microseconds(lambda: straight_line(visit.items, level)))
        ours.append(_microseconds(lambda: price(visit, parameters=parameters, policy=policy)))
    ratios = [one / other for one, other in zip(ours, straight, strict=True)]
    return median(ratios), median(ours), median(straight)


def _microseconds(work: Callable[[], object]) -> float:
    """Of one call: the best of several short runs, which excludes interference of other processes."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(_REPEATS):
            work()
        best = min(best, time.perf_counter() - started)
    return best / _REPEATS * 1e6


class RepriceRun:
    """Reprices days of issued visits under a draft, and records the peak memory of any process."""

    def __init__(self, url: str) -> None:
        self._url = url
        parameters = resources.files("billing.coverage.domain").joinpath("parameters.toml").read_text("utf-8")
        self._draft = Draft(parameters=parameters.replace('4 = "80"', '4 = "70"'))
        self.rss_mb = 0.0

    async def run(self, day: date, workers: int) -> float:
        """Visits per second from the first outcome on: the start of processes, once per run, does not count."""
        bills = changed = begun = 0
        started = 0.0
        database = await Database.open(self._url, limits=REPRICING_LIMITS)
        result = reprice_invoices(
            database,
            draft=self._draft,
            period=Period(first=day, last=day),
            processes=WorkerProcesses(workers, self._url) if workers > 1 else None,
        )
        async with aclosing(result):
            async for each in result:
                bills += each.outcome.totals.invoices
                changed += each.outcome.totals.changed
                self._watch()
                if not begun:
                    started, begun = time.perf_counter(), bills
            elapsed = time.perf_counter() - started
        await database.close()
        assert changed == bills // _CHANGED_EACH, f"{changed} of {bills} changed"
        return (bills - begun) / elapsed

    def _watch(self) -> None:
        children = [child.pid for child in multiprocessing.active_children() if child.pid is not None]
        self.rss_mb = max(self.rss_mb, *map(_peak_mb, [os.getpid(), *children]))


def _peak_mb(pid: int) -> float:
    """The largest resident memory a process ever had (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def measure_reprice(*, visits: int, lines: int, rounds: int, workers: int) -> dict[str, float]:
    """Medians: the speed-up, visits a second; the most memory in MB. A round is a day of its own, repriced twice."""
    samples = [make_visit(lines, seed, group="HT3" if seed % _CHANGED_EACH else "DN4") for seed in range(_SAMPLES)]
    size = max(visits // rounds // _SAMPLES, 1) * _SAMPLES
    one, many = [], []
    async with issued_visits(samples, days=rounds, each=size) as (url, days):
        reprice_run = RepriceRun(url)
        for number, day in enumerate(days, start=1):
            one.append(await reprice_run.run(day, 1))
            many.append(await reprice_run.run(day, workers))
            words = f"round {number}: {one[-1]:.0f} and {many[-1]:.0f} visits a second"
            print(words, file=sys.stderr, flush=True)
    return {
        "replay_speedup": round(median(several / single for single, several in zip(one, many, strict=True)), 2),
        "replay_rss_mb": round(reprice_run.rss_mb),
        "visits_replayed": size * rounds,
        "visits_per_s_one": round(median(one)),
        "visits_per_s_many": round(median(many)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=100_000, help="visits repriced by each kind, over all rounds")
    parser.add_argument("--lines", type=int, default=20, help="lines of a repriced visit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    ratio, ours, straight = measure_pricing(given.rounds)
    print(f"40 lines: {ours:.0f} µs, straight line {straight:.0f} µs", file=sys.stderr, flush=True)
    replayed = asyncio.run(
        measure_reprice(visits=given.visits, lines=given.lines, rounds=given.rounds, workers=given.workers)
    )
    result = {"ratio_to_straight_line": round(ratio, 2), **replayed}
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
