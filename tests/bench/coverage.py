"""`make bench-coverage`: what pricing costs beside its bare formulae, and what a second core gives to a replay.

Pricing: a visit of 40 lines, already built, sentences not made, against a straight line of the final formulae over the
same Decimals. Replay: visits of 20 lines as their frozen documents, a tenth of which a draft changes in every line, in
one process and in several. Kinds alternate; medians of the rounds. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from pathlib import Path
from statistics import median
from uuid import UUID

from billing.domain.coverage.authority import AS_TOLD
from billing.domain.coverage.figures import load_figures
from billing.domain.coverage.policy import Policy
from billing.domain.coverage.price import price
from billing.domain.ids import InvoiceId
from billing.domain.visit import ChargeItem, Scope, Table, Visit
from billing.interop.frozen_document import write_frozen
from billing.interop.visit_document import content_hash
from billing.services.recomputing import CHUNK, Draft, recompute_chunks
from billing.storage.frozen_bills import FrozenRow
from tests.domain.coverage.builders import a_card, a_visit

_PLACE = "THE_VISIT"
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
    return a_visit(*items, cards=(a_card(group),), ma_lk=_PLACE)


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
    """Median ratio, and the microseconds of both; first both must tell the same amounts."""
    visit, figures, policy, level = make_visit(lines, 1), load_figures(), Policy(), Decimal(80)
    priced = price(visit, figures=figures, policy=policy)
    _, sums = straight_line(visit.items, level)
    assert sums == [priced.hospital_amount, priced.insured_amount, priced.fund, priced.copay, priced.self_pay]
    ours: list[float] = []
    straight: list[float] = []
    for _ in range(rounds):
        straight.append(_microseconds(lambda: straight_line(visit.items, level)))
        ours.append(_microseconds(lambda: price(visit, figures=figures, policy=policy)))
    ratios = [one / other for one, other in zip(ours, straight, strict=True)]
    return median(ratios), median(ours), median(straight)


def _microseconds(work: Callable[[], object]) -> float:
    """Of one call: the best of several short runs, so that a neighbour's moment does not count."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(_REPEATS):
            work()
        best = min(best, time.perf_counter() - started)
    return best / _REPEATS * 1e6


class Rows:
    """Issued visits as their frozen documents, each with a number and a hash of its own, made while they are read."""

    def __init__(self, lines: int) -> None:
        self._samples = [self._sample(lines, seed) for seed in range(_SAMPLES)]
        self._next = 0

    async def chunks(self, visits: int) -> AsyncIterator[Sequence[FrozenRow]]:
        for start in range(0, visits, CHUNK):
            yield [self._row() for _ in range(min(CHUNK, visits - start))]

    def _sample(self, lines: int, seed: int) -> tuple[str, FrozenRow]:
        visit = make_visit(lines, seed, group="HT3" if seed % _CHANGED_EACH else "DN4")
        priced = price(visit, figures=load_figures(), policy=Policy())
        told = [
            [
                line.item.table.value,
                line.item.number,
                line.item.code,
                line.item.name,
                *map(
                    str,
                    (
                        line.hospital_amount,
                        line.insured_amount,
                        line.level,
                        line.self_pay,
                        line.copay,
                        line.fund,
                        line.other_funds,
                    ),
                ),
                [reason.rule for reason in line.reasons],
            ]
            for line in priced.lines
        ]
        row = FrozenRow(
            id=InvoiceId(UUID(int=0)),
            number="",
            ma_lk="",
            patient_share=priced.shares.patient,
            other_share=priced.shares.other,
            insurer_share=priced.shares.insurer,
            document=None,
            document_hash=None,
            code_version="0",
            earlier="[]",
            lines=json.dumps(told, ensure_ascii=False),
        )
        return write_frozen(visit, Policy(), AS_TOLD), row

    def _row(self) -> FrozenRow:
        self._next += 1
        text, sample = self._samples[self._next % _SAMPLES]
        ma_lk = f"LK{self._next:08}"
        document = text.replace(_PLACE, ma_lk)
        return FrozenRow(
            id=InvoiceId(UUID(int=self._next)),
            number=f"BK2026-{self._next:06}",
            ma_lk=ma_lk,
            patient_share=sample.patient_share,
            other_share=sample.other_share,
            insurer_share=sample.insurer_share,
            document=document,
            document_hash=content_hash(document),
            code_version=sample.code_version,
            earlier=sample.earlier,
            lines=sample.lines,
        )


class Replay:
    """Replays of made visits, and the most memory any process had."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        figures = resources.files("billing.domain.coverage").joinpath("parameters.toml").read_text("utf-8")
        self._draft = Draft(figures=figures.replace('4 = "80"', '4 = "70"'))
        self.rss_mb = 0.0

    async def run(self, visits: int, workers: int) -> tuple[float, float]:
        """Visits a second by the clock, and by the busiest core's own time, from the first chunk's outcome on.

        So the starting of processes, once in a replay, does not count in each round. The second figure is what two free
        cores would give: at least the time of the busiest process, and of all shared out.
        """
        bills = changed = 0
        started, begun, cpu_begun = 0.0, 0, [0.0]
        chunks = self._rows.chunks(visits)
        async with aclosing(recompute_chunks(chunks, draft=self._draft, workers=workers)) as outcomes:
            async for outcome in outcomes:
                bills += outcome.tally.bills
                changed += outcome.tally.changed
                cpu_s = self._watch()
                if not begun:
                    started, begun, cpu_begun = time.perf_counter(), bills, cpu_s
        elapsed = time.perf_counter() - started
        assert (bills, changed) == (visits, visits // _CHANGED_EACH), f"{changed} of {bills} changed"
        used = [after - before for after, before in zip(cpu_s, cpu_begun, strict=True)]
        return (visits - begun) / elapsed, (visits - begun) / max(sum(used) / workers, *used)

    def _watch(self) -> list[float]:
        """Take note of memory; the seconds each process has computed."""
        children = sorted(child.pid for child in multiprocessing.active_children() if child.pid is not None)
        self.rss_mb = max(self.rss_mb, *map(_peak_mb, [os.getpid(), *children]))
        return [time.process_time(), *map(_cpu_s, children)]


def _peak_mb(pid: int) -> float:
    """The largest resident memory a process ever had (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _cpu_s(pid: int) -> float:
    """Seconds a process has computed since it began (Linux): utime and stime, fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure_replay(*, visits: int, lines: int, rounds: int, workers: int) -> dict[str, float]:
    """Medians: the speed-up by the clock and by the cores' own time, visits a second; the most memory in MB."""
    replay = Replay(Rows(lines))
    size = max(visits // rounds // _SAMPLES, 1) * _SAMPLES
    one, many = [], []
    for number in range(1, rounds + 1):
        one.append(await replay.run(size, 1))
        many.append(await replay.run(size, workers))
        words = f"round {number}: {one[-1][0]:.0f} and {many[-1][0]:.0f} visits a second"
        print(words, file=sys.stderr, flush=True)
    pairs = list(zip(one, many, strict=True))
    return {
        "replay_speedup": round(median(several[0] / single[0] for single, several in pairs), 2),
        "replay_rss_mb": round(replay.rss_mb),
        "replay_speedup_by_core_time": round(median(several[1] / single[1] for single, several in pairs), 2),
        "visits_replayed": size * rounds,
        "visits_per_s_one": round(median(single[0] for single, _ in pairs)),
        "visits_per_s_many": round(median(several[0] for _, several in pairs)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=100_000, help="visits replayed by each kind, over all rounds")
    parser.add_argument("--lines", type=int, default=20, help="lines of a replayed visit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    ratio, ours, straight = measure_pricing(given.rounds)
    print(f"40 lines: {ours:.0f} µs, straight line {straight:.0f} µs", file=sys.stderr, flush=True)
    replayed = asyncio.run(
        measure_replay(visits=given.visits, lines=given.lines, rounds=given.rounds, workers=given.workers)
    )
    result = {"ratio_to_straight_line": round(ratio, 2), **replayed}
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
