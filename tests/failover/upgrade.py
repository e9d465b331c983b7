"""`make rolling-upgrade OLD=commit`: replace web and worker one after the other, across a migration, under callbacks.

The old program is that of a commit. Without one it is this tree, and the new program is this tree with one migration
more. The order is that of docs/operations.md: migrate, web, worker. A bank delivers all the time through haproxy with
the file of docker/ha; no callback may be refused or broken off. One JSON object on stdout tells what was found.
"""

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from billing.devserver.embedded import EmbeddedPostgres
from billing.devserver.server_programs import ServerUser
from tests.bench.stock import Stock
from tests.builders import add_demo_hospital
from tests.chaos.checks import find_wrongs
from tests.failover.cluster import HA
from tests.failover.load import SteadyBank
from tests.failover.processes import Process, free_ports
from tests.failover.programs import ProgramsMissing, find_haproxy
from tests.failover.service import ROOT, report_step, service
from tests.ports import answers_on

_ORGANIZATIONS = (1, 2)
_BILLS = 3_000
_BILLS_PER_S = 12.0
_STEADY_S = 3.0
_TIMEOUT_S = 60.0
_STOPPING_S = 45.0

_MIGRATION = """-- One more than this tree has: columns, a default and an index on tables of the callback path.
-- compatible-from: {compatible_from:04d}

ALTER TABLE payment ADD COLUMN rolling_note text;
ALTER TABLE delivery ADD COLUMN rolling_note text NOT NULL DEFAULT '';
ALTER TABLE invoice ADD COLUMN rolling_note text;
ALTER TABLE intent ADD COLUMN rolling_note text;
CREATE INDEX ON provider_account (organization_id, name, id);
"""


@dataclass(slots=True)
class UpgradeFindings:
    """What a run found."""

    answers: Counter[str] = field(default_factory=Counter)
    before: str = ""
    after: str = ""
    steps: dict[str, float] = field(default_factory=dict)
    exit_statuses: dict[str, int] = field(default_factory=dict)
    pause_s: float = 0.0
    mismatches: list[str] = field(default_factory=list)

    def broken(self) -> list[str]:
        """The promises that do not hold, in words."""
        refused = {name: number for name, number in self.answers.items() if name not in ("200", "401")}
        words = [f"{number} callbacks were answered {name}" for name, number in refused.items()]
        words += [f"{name} ended with status {status}" for name, status in self.exit_statuses.items() if status]
        if self.before == self.after:
            words.append("nothing was migrated")
        return words + self.mismatches

    def document(self) -> dict[str, Any]:
        """The result as one JSON object."""
        return {
            "from": self.before,
            "to": self.after,
            "answers": dict(self.answers),
            "longest_pause_s": round(self.pause_s, 2),
            "seconds": {name: round(seconds, 2) for name, seconds in self.steps.items()},
            "mismatches": len(self.mismatches),
            "broken": self.broken()[:40],
        }


class Upgrade:
    """Two web processes and two workers of the old program, replaced by those of the new one."""

    def __init__(self, server: EmbeddedPostgres, folder: Path, old: Path, new: Path) -> None:
        self._server, self._folder, self._old, self._new = server, folder, old, new
        *self._web_ports, self.proxy_port, database_port = free_ports(4)
        self._haproxy = Process(
            "haproxy", [find_haproxy(), "-db", "-f", HA / "haproxy.cfg"], folder=folder, user=ServerUser(None, None)
        )
        self._haproxy.environment = {
            "DATABASE_BIND": f"127.0.0.1:{database_port}",
            "WEB_BIND": f"127.0.0.1:{self.proxy_port}",
            **{f"POSTGRES{n}": "127.0.0.1:1" for n in (1, 2, 3)},
            **{f"PATRONI{n}_PORT": "1" for n in (1, 2, 3)},
            **{f"WEB{n}": f"127.0.0.1:{port}" for n, port in enumerate(self._web_ports, 1)},
        }
        self._processes: dict[str, Process] = {}
        self.findings = UpgradeFindings()

    async def start_old(self) -> None:
        """The old program runs behind the proxy."""
        self._haproxy.start()
        for name in ("web1", "web2", "worker1", "worker2"):
            await self._start(name, self._old)
        await asyncio.sleep(2)  # the proxy's checks

    def stop(self) -> None:
        for process in (*self._processes.values(), self._haproxy):
            process.kill()

    async def upgrade(self) -> None:
        """Migrate, then replace each process."""
        await self._timed("migrate", self.migrate(self._new))
        for name in ("web1", "web2", "worker1", "worker2"):
            await self._timed(name, self._replace(name))

    async def migrate(self, tree: Path) -> None:
        """Apply the migrations of a tree."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "billing", "migrate"),
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tree), "VIENPHI_OWNER_URL": self._server.owner_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        words, _ = await process.communicate()
        assert process.returncode == 0, words.decode()

    async def _replace(self, name: str) -> None:
        """As a supervisor does: stop in order, wait until it has ended, start, wait until it answers."""
        process = self._processes[name]
        process.signal(signal.SIGTERM)
        self.findings.exit_statuses[name] = await asyncio.to_thread(process.wait, _STOPPING_S)
        await self._start(name, self._new)
        if name.startswith("web"):
            await asyncio.sleep(2)  # the proxy's checks: the other one is not stopped before this one is used

    async def _start(self, name: str, tree: Path) -> None:
        port = self._web_ports[int(name[-1]) - 1] if name.startswith("web") else None
        command = "worker" if port is None else "serve"
        process = service(self._folder, name, command, url=self._server.app_url, port=port, tree=tree)
        self._processes[name] = process
        started = process.count_in_log(b"worker_started")
        process.start()
        if port is not None:
            await answers_on(port, timeout_s=_TIMEOUT_S)
            return
        async with asyncio.timeout(_TIMEOUT_S):
            while process.count_in_log(b"worker_started") <= started:
                await asyncio.sleep(0.1)

    async def _timed(self, name: str, step: Awaitable[None]) -> None:
        began = time.monotonic()
        await step
        self.findings.steps[name] = time.monotonic() - began
        report_step(f"{name}: {self.findings.steps[name]:.1f} s")


async def run_upgrade(seed: int, *, commit: str | None = None, logs: Path | None = None) -> UpgradeFindings:
    """Start the old program, upgrade it under callbacks, compare, and end everything. Raises ProgramsMissing."""
    find_haproxy()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vienphi-upgrade-")))
        old, new = stack.enter_context(_trees(folder, commit))
        server = stack.enter_context(EmbeddedPostgres(durable=True))
        run = Upgrade(server, folder, old, new)
        if logs is not None:
            stack.callback(_keep_logs, folder, logs)
        stack.callback(run.stop)
        await run.migrate(old)
        hospitals = [
            await add_demo_hospital(server.owner_url, organization=number, facility_code=f"{number:05d}")
            for number in _ORGANIZATIONS
        ]
        stock = Stock(server, hospitals)
        bank = SteadyBank(f"http://127.0.0.1:{run.proxy_port}", Random(seed))
        orders = await stock.make(_ORGANIZATIONS, _BILLS)
        findings = run.findings
        findings.before = await _schema(stock)
        await run.start_old()
        stop = asyncio.Event()
        bank.begin()
        sending = asyncio.create_task(bank.send_all(timeout_s=_TIMEOUT_S * 4))
        feeding = asyncio.create_task(bank.feed(orders, per_second=_BILLS_PER_S, stop=stop))
        try:
            await asyncio.sleep(_STEADY_S)
            began = time.monotonic()
            await run.upgrade()
            findings.pause_s = bank.longest_pause(began, time.monotonic())
            await asyncio.sleep(_STEADY_S)
            assert not feeding.done(), "there were not enough bills for the whole upgrade"
        finally:
            stop.set()
            await feeding
            bank.end()
        await sending
        findings.answers = bank.record.answers
        findings.after = await _schema(stock)
        findings.mismatches = await find_wrongs(stock, bank.record)
        return findings


@contextmanager
def _trees(folder: Path, commit: str | None) -> Iterator[tuple[Path, Path]]:
    """The trees of the old and of the new program."""
    other = folder / "tree"
    if commit is None:
        other.mkdir()
        for name in ("billing", "providers", "migrations"):
            shutil.copytree(ROOT / name, other / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        last = max(int(path.name[:4]) for path in (other / "migrations").glob("*.sql"))
        more = _MIGRATION.format(compatible_from=last)
        (other / "migrations" / f"{last + 1:04d}_rolling_upgrade.sql").write_text(more)
        yield ROOT, other
        return
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(other), commit], check=True)
    try:
        yield other, ROOT
    finally:
        subprocess.run([*git, "remove", "--force", str(other)], check=True)


async def _schema(stock: Stock) -> str:
    connection = await stock.connect()
    try:
        return str(await connection.fetchval("SELECT name FROM schema_migration ORDER BY number DESC LIMIT 1"))
    finally:
        await connection.close()


def _keep_logs(folder: Path, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, logs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", default=None, help="the commit of the old program")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--logs", type=Path, default=None, help="a folder for the logs of all programs")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(10**6)
    report_step(f"seed {seed}")
    try:
        findings = asyncio.run(run_upgrade(seed, commit=given.old, logs=given.logs))
    except ProgramsMissing as missing:
        report_step(str(missing))
        return 2
    print(json.dumps(findings.document(), ensure_ascii=False))
    return 1 if findings.broken() else 0


if __name__ == "__main__":
    sys.exit(main())
