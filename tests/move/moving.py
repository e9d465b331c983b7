"""`make move CYCLES=n`: move one organization after another while callbacks come in, and kill every process at random.

A cycle: a rude bank reports transfers of the organization that moves, of one that stays and of one in the other cell;
`vienphi organization move` runs, and is repeated after each kill. Killed with -9: the command, the service, the worker,
both servers; ended: the sessions that send and receive the changes. Then the bank's record is compared with both cells.
At the end the isolation of both is checked, and the rows that the first organization left are cleared. `pauses.py`
measures how long the organizations that stay wait.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

from billing.core.ids import OrganizationId
from billing.db.cells import CellDatabase, open_database
from billing.db.database import DatabaseLimits
from billing.db.move_tables import connect_admin
from billing.devserver.embedded import SUPERUSER
from tests.bench.stock import Order, Stock
from tests.builders import SANDBOX_SECRET, add_demo_hospital
from tests.chaos.bank import RudeBank
from tests.chaos.chaos import Supervised, _free_port
from tests.move.clusters import HOME, NORTH, Clusters, open_clusters
from tests.move.isolation import find_failed_isolation
from tests.move.move_checks import find_lost_rows, find_open_rows, find_reachable_rows, find_wrong_payments
from tests.move.pauses import Outages, Pauses, wait_until_it_commits
from tests.ports import answers_on

STANDSTILL_MAX_S = 1.0
OTHERS_PAUSE_MAX_S = 1.0
"""As long as the organization that moves: the others share nothing with the move but processors, disks and the lock of
a policy, which waits for 0.1 s at most."""
ORDERS = 150
"""Bills of the organization that moves; half as many of each of the others."""
_CHUNK = 10
_CYCLE_TIMEOUT_S = 240.0
_ROOT = Path(__file__).parents[2]
_ACTIVITY = """
    SELECT application_name, backend_type, state, wait_event_type || ' ' || wait_event AS wait,
        now() - state_change AS since, left(query, 120) AS query
    FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type IN ('client backend', 'walsender')
    UNION ALL SELECT slot_name, slot_type, active::text, confirmed_flush_lsn::text, NULL, NULL FROM pg_replication_slots
    UNION ALL SELECT subname, srrelid::regclass::text, srsubstate::text, NULL, NULL, NULL
    FROM pg_subscription_rel JOIN pg_subscription AS held ON held.oid = srsubid WHERE srsubstate <> 'r'
    UNION ALL SELECT organization_id::text, state, other_cell, NULL, now() - changed_at, NULL FROM organization_move
"""
_STANDSTILL = re.compile(r"standstill (\d+\.\d+) s")
_HARMS = ("move", "serve", "worker", "home", "north", "sender", "receiver")


class Moving:
    """A run: two clusters, the service, the worker and the bank."""

    def __init__(self, clusters: Clusters, random: Random, cycles: int, *, orders: int, kills: bool) -> None:
        self._clusters = clusters
        self._random = random
        self._cycles = cycles
        self._orders = orders
        self._does_kill = kills
        self._port = _free_port()
        self._bank = RudeBank(f"http://127.0.0.1:{self._port}", random)
        self._mover: asyncio.subprocess.Process | None = None
        self._stays, self._northern = cycles + 1, cycles + 2
        self.kills: Counter[str] = Counter()
        self.standstills: list[float] = []
        outages = self._outages = {name: Outages(cell) for name, cell in zip((HOME, NORTH), clusters.both, strict=True)}
        self.moved_pause_s = 0.0
        self.stay = [
            Pauses(OrganizationId(self._stays), outages[HOME]),
            Pauses(OrganizationId(self._northern), outages[NORTH]),
        ]
        self.runs = 0
        self.unprinted = 0

    async def run(self) -> list[str]:
        """Returns what does not hold; stops at the first cycle that finds something."""
        clusters = self._clusters
        home = [await self._hospital(clusters.home.owner_url, number) for number in range(1, self._cycles + 2)]
        north = await self._hospital(clusters.north.owner_url, self._northern)
        self._stock = Stock(clusters.home.server, home)
        self._other_stock = Stock(clusters.north.server, [north])
        self._other_stock._made = 10_000_000
        environment = {
            "VIENPHI_DATABASE_URL": clusters.home.app_url,
            "VIENPHI_ADMIN_URL": clusters.home.url(SUPERUSER),
            "VIENPHI_CELLS__NORTH__DATABASE_URL": clusters.north.app_url,
            "VIENPHI_CELLS__NORTH__ADMIN_URL": clusters.north.url(SUPERUSER),
            "VIENPHI_PORT": str(self._port),
            "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
            "VIENPHI_WORKER__SEAL_S": "1",
            "VIENPHI_WORKER__SNAPSHOT_S": "2",
        }
        self._environment = {"PATH": os.defpath, **environment}
        async with AsyncExitStack() as stack:
            self._serve, self._worker = [
                await stack.enter_async_context(Supervised(command, environment=environment))
                for command in ("serve", "worker")
            ]
            await answers_on(self._port, timeout_s=_CYCLE_TIMEOUT_S)
            probed = await open_database(
                clusters.home.app_url, clusters.cells, limits=DatabaseLimits(connections_max=2)
            )
            assert isinstance(probed, CellDatabase)
            stack.push_async_callback(probed.close)
            for number in range(1, self._cycles + 1):
                started = time.perf_counter()
                wrongs = await self._cycle(number, probed)
                _print(
                    f"cycle {number} of {self._cycles}: {time.perf_counter() - started:.1f} s,"
                    f" standstill {self.standstills[-1:]}, killed {dict(self.kills)},"
                    f" answers {dict(self._bank.record.answers)}"
                )
                if wrongs:
                    return wrongs
        return await self._verify()

    @property
    def report(self) -> dict[str, object]:
        """The results of the run."""
        record = self._bank.record
        return {
            "moves": len(self.standstills) + self.unprinted,
            "moves_without_a_printed_standstill": self.unprinted,
            "runs_of_the_command": self.runs,
            "standstill_max_s": max(self.standstills, default=None),
            "pause_of_the_moved_max_s": round(self.moved_pause_s, 3),
            "pause_of_the_others_max_s": round(max(each.longest_s for each in self.stay), 3),
            "others": {
                name: {
                    "pause_max_s": round(each.longest_s, 3),
                    "transactions": each.attempts,
                    "refused": each.refused,
                    "in_an_outage_of_their_own_server": each.excluded,
                }
                for name, each in zip((HOME, NORTH), self.stay, strict=True)
            },
            "kills": dict(self.kills),
            "transfers": len(record.transfers),
            "callbacks": sum(record.answers.values()),
            "answers": dict(record.answers),
        }

    async def _hospital(self, owner_url: str, number: int) -> object:
        return await add_demo_hospital(owner_url, organization=number, facility_code=f"{number:05d}")

    async def _cycle(self, number: int, probed: CellDatabase) -> list[str]:
        orders = await self._stock.make([number, number, self._stays], self._orders * 3 // 2)
        orders += await self._other_stock.make([self._northern], self._orders // 2)
        self._random.shuffle(orders)
        is_calm = not self._does_kill or number == 1
        loads = asyncio.create_task(self._load(orders))
        probes = [asyncio.create_task(each.probe(probed)) for each in self.stay]
        moving = Pauses(OrganizationId(number), self._outages[HOME])
        if is_calm:
            probes.append(asyncio.create_task(moving.probe(probed)))
        moved = asyncio.Event()
        harm = asyncio.create_task(self._harm(moved, is_calm))
        try:
            async with asyncio.timeout(_CYCLE_TIMEOUT_S):
                await self._move(number)
                moved.set()
                await loads
        except TimeoutError as error:
            await self._print_activity()
            return [f"cycle {number} did not end: {error}", *self._bank.record.wrongs]
        finally:
            moved.set()
            for task in (loads, *probes):
                task.cancel()
            # Not cancelled: the server that it crashed has to answer again before anything is compared.
            results = await asyncio.gather(loads, harm, *probes, return_exceptions=True)
        self.moved_pause_s = max(self.moved_pause_s, moving.longest_s)
        faults = [repr(each) for each in results if isinstance(each, Exception)]
        places = dict.fromkeys((*range(1, number + 1), self._northern), self._clusters.north)
        places |= dict.fromkeys((*range(number + 1, self._cycles + 1), self._stays), self._clusters.home)
        recent = {each: place for each, place in places.items() if each in (number, self._stays, self._northern)}
        return [
            *faults,
            *await find_wrong_payments(self._bank.record, places if number == self._cycles else recent),
            *await find_lost_rows(number, self._clusters.home, self._clusters.north),
        ]

    async def _print_activity(self) -> None:
        """Show what both servers do in a cycle that does not end."""
        for cell in self._clusters.both:
            connection = await connect_admin(cell.url(SUPERUSER))
            for row in await connection.fetch(_ACTIVITY):
                _print("  ".join(str(each) for each in row.values()))
            await connection.close()

    async def _load(self, orders: list[Order]) -> None:
        """Send some bills after the others, so that callbacks come in during the whole move."""
        for first in range(0, len(orders), _CHUNK):
            self._bank.take(orders[first : first + _CHUNK])
            await self._bank.send_all(timeout_s=_CYCLE_TIMEOUT_S)

    async def _move(self, number: int) -> None:
        """Run the command until it succeeds."""
        while True:
            self.runs += 1
            self._mover = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "billing", "organization", "move", str(number), "--to", NORTH),
                cwd=_ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            words, errors = await self._mover.communicate()
            flipped = re.search(r"standstill of (\d+) ms", words.decode())
            if flipped:
                self.standstills.append(int(flipped[1]) / 1000)
            if self._mover.returncode == 0:
                if len(self.standstills) + self.unprinted < number:
                    self.unprinted += 1  # a killed run had flipped
                return
            if self._mover.returncode > 0:
                _print(f"  move: {errors.decode().strip().splitlines()[-1:]}")
            await asyncio.sleep(0.1)

    async def _harm(self, moved: asyncio.Event, is_calm: bool) -> None:
        """Two to five harms at random times until the organization has moved; returns when the last one is over."""
        for _ in range(0 if is_calm else self._random.randint(2, 5)):
            with suppress(TimeoutError):
                await asyncio.wait_for(moved.wait(), self._random.uniform(0.2, 3.0))
                return
            name = self._random.choice(_HARMS)
            self.kills[name] += 1
            match name:
                case "move":
                    if self._mover is not None and self._mover.returncode is None:
                        self._mover.kill()
                case "serve":
                    self._serve.kill()
                case "worker":
                    self._worker.kill()
                case "home":
                    await self._crash(HOME)
                case "north":
                    await self._crash(NORTH)
                case "sender":
                    await self._end_sessions(self._clusters.home.url(SUPERUSER), "walsender")
                case "receiver":
                    await self._end_sessions(self._clusters.north.url(SUPERUSER), "logical replication")

    async def _crash(self, name: str) -> None:
        outages = self._outages[name]
        with outages.noted():
            await asyncio.to_thread(outages.cell.server.crash)
            await wait_until_it_commits(outages.cell)

    async def _end_sessions(self, url: str, kind: str) -> None:
        connection = await connect_admin(url)
        await connection.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE '{kind} %'"
            f" OR backend_type = '{kind}'"
        )
        await connection.close()

    async def _verify(self) -> list[str]:
        """The books and the isolation of both cells; then the check that an operator runs."""
        wrongs = []
        for moved in range(1, self._cycles + 1):
            wrongs += await find_reachable_rows(self._clusters.home, OrganizationId(moved))
        north = [OrganizationId(each) for each in (*range(1, self._cycles + 1), self._northern)]
        for place, organizations in (
            (self._clusters.home, [OrganizationId(self._stays)]),
            (self._clusters.north, north),
        ):
            wrongs += await find_open_rows(place, organizations)
            wrongs += await find_failed_isolation(place, organizations[0], has_left=place is self._clusters.home)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "billing", "ledger", "verify"),
                cwd=_ROOT,
                env={"PATH": os.defpath, "VIENPHI_DATABASE_URL": place.app_url},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            words, _ = await process.communicate()
            _print(words.decode().strip())
            wrongs += [] if process.returncode == 0 else [f"vienphi ledger verify: {words.decode()}"]
        cleared = await self._vienphi("organization", "clear", "1", "--cell", HOME, "--confirm", "1")
        words, _ = await cleared.communicate()
        _print(words.decode().strip())
        return [*wrongs, *([] if cleared.returncode == 0 else [f"vienphi organization clear: {words.decode()}"])]

    async def _vienphi(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command that knows both cells; its messages of errors come with its output."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "billing", *arguments),
            cwd=_ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


async def move_under_load(
    cycles: int, seed: int, *, orders: int = ORDERS, kills: bool = True
) -> tuple[list[str], dict[str, object]]:
    """Run that many moves; returns what does not hold, and the results."""
    async with open_clusters(durable=True) as clusters:
        moving = Moving(clusters, Random(seed), cycles, orders=orders, kills=kills)
        wrongs = await moving.run()
        return wrongs, {"seed": seed, "cycles": cycles, **moving.report, "wrongs": wrongs[:40]}


def _print(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--calm", action="store_true", help="kill nothing")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(10**6)
    logging.getLogger("asyncpg").setLevel(logging.ERROR)  # each crash fails to restore the floor of its pool
    wrongs, report = asyncio.run(move_under_load(given.cycles, seed, orders=given.orders, kills=not given.calm))
    print(json.dumps(report))
    return 1 if wrongs or _late(report) else 0


def _late(report: Mapping[str, Any]) -> bool:
    """Whether a time is over its limit: here and in no test, because it depends on the load of the machine."""
    late = (report["standstill_max_s"] or 0.0) > STANDSTILL_MAX_S
    return late or report["pause_of_the_others_max_s"] > OTHERS_PAUSE_MAX_S


if __name__ == "__main__":
    sys.exit(main())
