"""`make chaos CYCLES=n`: kill everything at random while money comes in, then count it.

A cycle: bills are paid and reported by a rude bank, and cashiers take visits from their opening to their final bill
with cash and refunds; meanwhile the service and the worker (`vienphi serve`, `vienphi worker`, started again as a
supervisor would) and PostgreSQL are killed with -9, and connections are cut at COMMIT. Bank and cashiers go on until
everything is acknowledged; then their records are compared with the database. Kill -9 does not test fsync; the check of
the server's settings at start does.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import click

from billing.cli import main as vienphi
from billing.devserver.embedded import APP_ROLE, DATABASE_NAME
from tests.bench.stock import Stock, durable_stock
from tests.builders import SANDBOX_SECRET
from tests.chaos.bank import RudeBank
from tests.chaos.checks import find_wrongs
from tests.chaos.cutting import CuttingProxy
from tests.chaos.desk import Desks, find_desk_wrongs
from tests.ports import answers_on

ORGANIZATIONS = (1, 2)
ORDERS = 100
"""Bills of one cycle; the bank reports each one to six times."""

DESK_VISITS = 4
"""Visits of one cycle at the desk of each organization."""

_CYCLE_TIMEOUT_S = 90.0
_ROOT = Path(__file__).parents[2]


class Supervised:
    """One command of vienphi, started again whenever it ends. Counts how often it was killed."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.name = arguments[0]
        self._arguments = arguments
        self._environment = {"PATH": os.defpath, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self.starts = 0
        self.kills = 0

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End it with -9, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            self.kills += 1

    async def _keep(self) -> None:
        while True:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "billing", *self._arguments),
                cwd=_ROOT,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(0.1)


class Chaos:
    """The whole of a run: server, proxy, supervised processes and the bank."""

    def __init__(self, stock: Stock, random: Random, *, log_format: str) -> None:
        self._stock = stock
        self._log_format = log_format
        self._random = random
        self._crashes = 0
        folder = parse_qs(urlsplit(stock.server.app_url).query)["host"][0]
        self._proxy = CuttingProxy(f"{folder}/.s.PGSQL.5432", random)
        self._port = _free_port()
        self._bank = RudeBank(f"http://127.0.0.1:{self._port}", random)
        self._desks = Desks(f"http://127.0.0.1:{self._port}", stock, random)

    async def run(self, cycles: int) -> list[str]:
        """Returns what does not hold; stops at the first cycle that finds something."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._proxy)
            environment = {
                "VIENPHI_DATABASE_URL": f"postgresql://{APP_ROLE}@127.0.0.1:{self._proxy.port}/{DATABASE_NAME}",
                "VIENPHI_PORT": str(self._port),
                "VIENPHI_LOG_FORMAT": self._log_format,
                "VIENPHI_SECRET_SANDBOX": SANDBOX_SECRET,
            }
            self._processes = [
                await stack.enter_async_context(Supervised(command, environment=environment))
                for command in ("serve", "worker")
                if command in vienphi.list_commands(click.Context(vienphi))
            ]
            await answers_on(self._port, timeout_s=_CYCLE_TIMEOUT_S)
            await self._desks.open()
            for number in range(1, cycles + 1):
                started = time.perf_counter()
                wrongs = await self._cycle()
                _print(f"cycle {number} of {cycles}: {time.perf_counter() - started:.1f} s, {self._so_far()}")
                if wrongs:
                    return wrongs
        return await self._verify()

    async def _cycle(self) -> list[str]:
        wrongs: list[str] = []
        self._bank.take(await self._stock.make(ORGANIZATIONS, ORDERS))
        harm = asyncio.create_task(self._harm())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._bank.send_all(timeout_s=_CYCLE_TIMEOUT_S))
                tasks.create_task(self._desks.serve(DESK_VISITS, timeout_s=_CYCLE_TIMEOUT_S))
        except* TimeoutError as error:
            wrongs = [*map(repr, error.exceptions), *self._bank.record.wrongs, *self._desks.record.wrongs]
        finally:
            await harm
            self._proxy.cut_next = 0
        if wrongs:
            return wrongs
        return [
            *await find_wrongs(self._stock, self._bank.record),
            *await find_desk_wrongs(self._stock, self._desks.record),
        ]

    async def _harm(self) -> None:
        """One to four harms at random times of the cycle."""
        for _ in range(self._random.randint(1, 4)):
            await asyncio.sleep(self._random.uniform(0.05, 0.8))
            match self._random.choice(["process", "cut", "cut", "server"]):
                case "process":
                    self._random.choice(self._processes).kill()
                case "cut":
                    self._proxy.cut_next += self._random.randint(1, 5)
                case "server":
                    await asyncio.to_thread(self._stock.server.crash)
                    self._crashes += 1

    async def _verify(self) -> list[str]:
        """The same check as an operator runs it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "billing", "ledger", "verify"),
            cwd=_ROOT,
            env={"PATH": os.defpath, "VIENPHI_DATABASE_URL": self._stock.server.app_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        words, _ = await process.communicate()
        _print(words.decode().strip())
        return [] if process.returncode == 0 else ["vienphi ledger verify: " + words.decode()]

    def _so_far(self) -> str:
        record, proxy = self._bank.record, self._proxy
        kills = Counter({"PostgreSQL": self._crashes})
        for process in self._processes:
            kills[process.name] += process.kills
        return (
            f"{len(record.transfers)} transfers sent {sum(record.answers.values())} times, "
            f"answers {dict(record.answers)}, {len(self._desks.record.visits)} visits at desks, "
            f"answers {dict(self._desks.record.answers)}, killed {dict(kills)}, "
            f"cut before COMMIT {proxy.cut_before}, after {proxy.cut_after}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def break_everything(cycles: int, seed: int, *, log_format: str = "console") -> list[str]:
    """Run that many cycles; returns what does not hold."""
    async with durable_stock(organizations=len(ORGANIZATIONS)) as stock:
        return await Chaos(stock, Random(seed), log_format=log_format).run(cycles)


def _print(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--log-format", choices=["console", "json"], default="console")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(10**6)
    _print(f"seed {seed}")
    wrongs = asyncio.run(break_everything(given.cycles, seed, log_format=given.log_format))
    for wrong in wrongs[:40]:
        print(f"WRONG {wrong}")
    print("everything holds" if not wrongs else f"{len(wrongs)} wrongs with seed {seed}")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
