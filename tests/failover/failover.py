"""`make failover CYCLES=n`: take the primary away under callbacks, then count; nothing acknowledged is lost or doubled.

Three PostgreSQL servers under Patroni, two web processes, two workers and a proxy run on loopback. The cycles take
turns:

- process: PostgreSQL is killed with -9; Patroni goes on.
- node: PostgreSQL, Patroni and etcd of the primary's node are killed with -9.
- isolated: Patroni and etcd of the primary's node hang. PostgreSQL goes on there and is written to, past the proxy.
- frozen: everything on the primary's node hangs until another is the primary, and then goes on.

Except where PostgreSQL alone is killed, the leader of etcd is on that node. While a node that hung goes on, all leases
of etcd end again and again, as an etcd before 3.5.13 lets them end: the new primary's key is gone then.

Web and worker are never started again. One JSON object on stdout tells what was found; exit status 1 if a promise
fails.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import asyncpg

from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE
from tests.bench.stock import Order, Stock
from tests.builders import add_demo_hospital
from tests.chaos.checks import find_wrongs
from tests.failover.cluster import Cluster, Node
from tests.failover.etcd_gateway import end_leases
from tests.failover.isolated import (
    CREATE_MARKERS,
    IsolatedWrites,
    find_isolated_rows,
    report_of,
    write_isolated,
)
from tests.failover.load import SteadyBank
from tests.failover.processes import Process, free_ports
from tests.failover.programs import ProgramsMissing, find_programs
from tests.failover.service import ROOT, report_step, service
from tests.ports import answers_on

KINDS = ("process", "node", "isolated", "frozen")
PAUSE_MAX_S = {"process": 10.0, "node": 30.0, "isolated": 30.0, "frozen": 30.0}
"""A killed process is replaced at once; the others only once the leader's key has ended (ttl 20 s)."""

_ORGANIZATIONS = (1, 2)
_BILLS = 500
_BILLS_PER_S = 6.0
_ISOLATED_BILLS = 6
_TIMEOUT_S = 120.0
_STEADY_S = 3.0
_RESUMED = 20
_LEASES_END_S = 0.5


@dataclass(slots=True)
class KindResult:
    """The cycles of one kind: how long nothing was acknowledged, and when another node was the primary, in seconds."""

    pauses_s: list[float] = field(default_factory=list)
    promoted_after_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """What a run found."""

    kinds: dict[str, KindResult] = field(default_factory=dict)
    isolated: IsolatedWrites = field(default_factory=IsolatedWrites)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    seals: int = 0
    ledger_verify: str = ""
    etcd: str = ""
    leases_ended: int = 0
    ended: list[str] = field(default_factory=list)

    def broken(self) -> list[str]:
        """The promises that do not hold, in words."""
        words = [
            f"{kind}: a pause of {pause:.1f} s is above {PAUSE_MAX_S[kind]:.0f} s"
            for kind, result in self.kinds.items()
            for pause in result.pauses_s
            if pause > PAUSE_MAX_S[kind]
        ]
        words += [f"lost: {each}" for each in self.lost] + [f"doubled: {each}" for each in self.doubled]
        words += self.mismatches
        words += [f"acknowledged by an isolated primary: {each}" for each in self.isolated.acknowledged]
        words += [f"of an isolated primary: {each}" for each in self.isolated.found_afterwards]
        if "isolated" in self.kinds and not self.isolated.committed_unacknowledged:
            words.append("nothing was committed on an isolated primary, so nothing was tried there")
        words += [f"{process} ended" for process in self.ended]
        if not self.seals:
            words.append("the workers sealed nothing")
        return words

    def document(self, seconds: float) -> dict[str, Any]:
        """The result as one JSON object."""
        return {
            "cycles": sum(len(result.pauses_s) for result in self.kinds.values()),
            "kinds": {
                kind: {
                    "cycles": len(result.pauses_s),
                    "pause_max_s": round(max(result.pauses_s), 2),
                    "pause_limit_s": PAUSE_MAX_S[kind],
                    "pauses_s": [round(each, 2) for each in result.pauses_s],
                    "promoted_after_s": [round(each, 2) for each in result.promoted_after_s],
                }
                for kind, result in self.kinds.items()
            },
            "acknowledged": self.acknowledged,
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "mismatches": len(self.mismatches),
            "isolated_primary": {
                "deliveries": self.isolated.deliveries,
                "requests": self.isolated.repeats,
                "committed_there": self.isolated.committed_unacknowledged,
                "acknowledged_there": len(self.isolated.acknowledged),
                "found_afterwards": len(self.isolated.found_afterwards),
            },
            "etcd": self.etcd,
            "leases_ended": self.leases_ended,
            "seals": self.seals,
            "ledger_verify": self.ledger_verify,
            "ended_web_and_worker": self.ended,
            "seconds": round(seconds),
            "broken": self.broken()[:40],
        }


class FailoverRun:
    """The whole of a run on a cluster that is up."""

    def __init__(self, cluster: Cluster, stock: Stock, random: Random) -> None:
        self._cluster = cluster
        self._stock = stock
        self._random = random
        self._bank = SteadyBank(f"http://127.0.0.1:{cluster.proxy_port}", random)
        self._left: list[Order] = []
        self._markers = 0
        self.findings = Findings()

    async def run(self, kinds: Sequence[str]) -> None:
        """Run the cycles; stops at the first one after which the books do not hold."""
        connection = await self._stock.connect()
        await connection.execute(CREATE_MARKERS)
        await connection.close()
        processes = self._processes()
        try:
            for process in processes:
                process.start()
            for port in self._cluster.web_ports:
                await answers_on(port, timeout_s=_TIMEOUT_S)
            for number, kind in enumerate(kinds, 1):
                started = time.monotonic()
                await self._cycle(kind)
                pauses = self.findings.kinds[kind].pauses_s
                report_step(
                    f"cycle {number} of {len(kinds)}, {kind}: pause {pauses[-1]:.1f} s, "
                    f"{time.monotonic() - started:.0f} s in all, answers {dict(self._bank.record.answers)}"
                )
                if self.findings.lost or self.findings.doubled or self.findings.mismatches:
                    break
            self.findings.ended = [process.name for process in processes if not process.is_running]
        finally:
            for process in processes:
                process.kill()
        await self._verify()

    def _processes(self) -> list[Process]:
        url, ports = self._cluster.app_url, self._cluster.web_ports
        webs = [
            service(self._cluster.folder, f"web{n}", "serve", url=url, port=port) for n, port in enumerate(ports, 1)
        ]
        return [*webs, *(service(self._cluster.folder, f"worker{n}", "worker", url=url) for n in (1, 2))]

    async def _cycle(self, kind: str) -> None:
        bank = self._bank
        primary = await self._cluster.healthy()
        orders = self._left + await self._stock.make(_ORGANIZATIONS, _BILLS - len(self._left))
        reports = [report_of(order) for order in orders[:_ISOLATED_BILLS]] if kind == "isolated" else []
        async with _web_of(self._cluster, primary, is_wanted=bool(reports)) as web_of_primary:
            stop = asyncio.Event()
            bank.begin()
            sending = asyncio.create_task(bank.send_all(timeout_s=2 * _TIMEOUT_S))
            feeding = asyncio.create_task(bank.feed(orders[len(reports) :], per_second=_BILLS_PER_S, stop=stop))
            try:
                await asyncio.sleep(_STEADY_S)
                if kind != "process":
                    await self._cluster.lead_etcd(primary)
                began = time.monotonic()
                _harm(kind, primary)
                promoted = await self._cluster.new_primary(primary)
                promoted_after_s = time.monotonic() - began
                seals = await self._seals()
                await self._resumed()
                if reports:
                    self._markers += 1
                    await write_isolated(
                        self._cluster,
                        primary,
                        web_of_primary,
                        reports,
                        marker=self._markers,
                        writes=self.findings.isolated,
                    )
                await self._repair(kind, primary, promoted)
                await self._cluster.healthy()
                if reports:
                    await find_isolated_rows(self._cluster, reports, self.findings.isolated)
                    bank.take_reports(reports)
            finally:
                over = time.monotonic()
                stop.set()
                self._left = await feeding
                bank.end()
            await sending
        await self._workers_seal(seals)
        result = self.findings.kinds.setdefault(kind, KindResult())
        result.pauses_s.append(bank.longest_pause(began, over))
        result.promoted_after_s.append(promoted_after_s)
        await self._compare()

    async def _repair(self, kind: str, primary: Node, promoted: Node) -> None:
        if kind == "node":
            primary.start()
        elif kind != "process":
            ending = asyncio.create_task(end_leases(promoted.ports.etcd, for_s=_LEASES_END_S))
            await primary.thaw(self._random.uniform(0, _LEASES_END_S))
            self.findings.leases_ended += await ending

    async def _resumed(self) -> None:
        """Wait until callbacks are acknowledged again."""
        since = time.monotonic()
        async with asyncio.timeout(_TIMEOUT_S):
            while sum(at > since for at in self._bank.acknowledged_at) < _RESUMED:
                await asyncio.sleep(0.1)

    async def _workers_seal(self, seals: int) -> None:
        """Wait until the workers, too, have found the new primary: they have sealed more than there was then."""
        async with asyncio.timeout(_TIMEOUT_S):
            while await self._seals() <= seals:
                await asyncio.sleep(0.5)

    async def _seals(self) -> int:
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection = await self._stock.connect()
                    try:
                        return int(await connection.fetchval("SELECT count(*) FROM seal"))
                    finally:
                        connection.terminate()
                await asyncio.sleep(0.2)

    async def _compare(self) -> None:
        """Compare the bank's record with the database."""
        record, findings = self._bank.record, self.findings
        findings.mismatches = await find_wrongs(self._stock, record)
        connection = await self._stock.connect()
        try:
            rows = await connection.fetch(
                "SELECT provider_reference, count(*) AS number FROM payment WHERE method = 'provider' GROUP BY 1"
            )
        finally:
            await connection.close()
        booked = {row["provider_reference"]: row["number"] for row in rows}
        findings.acknowledged = sum(record.acknowledged.values())
        findings.lost = [name for name in record.transfers if record.acknowledged[name] and name not in booked]
        findings.doubled = [name for name, number in booked.items() if number > 1]

    async def _verify(self) -> None:
        """The books and the seal chain, as an operator verifies them."""
        self.findings.seals = await self._seals()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "billing", "ledger", "verify"),
            cwd=ROOT,
            env={"PATH": os.defpath, "VIENPHI_DATABASE_URL": self._cluster.app_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        words, _ = await process.communicate()
        self.findings.ledger_verify = "ok" if process.returncode == 0 else "failed"
        if process.returncode:
            self.findings.mismatches.append("vienphi ledger verify: " + words.decode()[-1000:])


def _harm(kind: str, primary: Node) -> None:
    match kind:
        case "process":
            primary.kill_postgresql()
        case "node":
            primary.kill()
        case _:
            primary.freeze(postgresql=kind == "frozen")


@asynccontextmanager
async def _web_of(cluster: Cluster, node: Node, *, is_wanted: bool) -> AsyncIterator[str]:
    """A web process on one node, past the proxy; its address."""
    if not is_wanted:
        yield ""
        return
    [port] = free_ports(1)
    web = service(cluster.folder, "web-of-primary", "serve", url=cluster.url_of(node, APP_ROLE), port=port)
    web.start()
    try:
        await answers_on(port, timeout_s=_TIMEOUT_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        web.kill()


async def run_failover(
    kinds: Sequence[str], seed: int, *, logs: Path | None = None, is_fenced: bool = True
) -> Findings:
    """Start everything, run the cycles, and end everything; keep the logs in a folder. Raises ProgramsMissing."""
    async with Cluster(find_programs(), on_step=report_step, is_fenced=is_fenced, logs=logs) as cluster:
        await migrate(cluster.owner_url)
        hospitals = [
            await add_demo_hospital(cluster.owner_url, organization=number, facility_code=f"{number:05d}")
            for number in _ORGANIZATIONS
        ]
        run = FailoverRun(cluster, Stock(cluster, hospitals), Random(seed))
        run.findings.etcd = cluster.etcd_version
        await run.run(kinds)
        return run.findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--logs", type=Path, default=None, help="a folder for the logs of all programs")
    parser.add_argument("--without-fence", action="store_true", help="Patroni without docker/ha/fence.py, which loses")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(10**6)
    chosen = given.kind or KINDS
    report_step(f"seed {seed}")
    began = time.monotonic()
    try:
        kinds = [chosen[number % len(chosen)] for number in range(given.cycles)]
        findings = asyncio.run(run_failover(kinds, seed, logs=given.logs, is_fenced=not given.without_fence))
    except ProgramsMissing as missing:
        report_step(str(missing))
        return 2
    print(json.dumps(findings.document(time.monotonic() - began), ensure_ascii=False))
    return 1 if findings.broken() else 0


if __name__ == "__main__":
    sys.exit(main())
