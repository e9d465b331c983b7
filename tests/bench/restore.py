"""`make bench-restore`: how long a base backup, its check with a drill, and a restore to a point in time take.

A primary with issued invoices is backed up by barman; half as many follow as WAL; its disk is removed; it is restored
by the commands of docs/operations.md. Everything runs on this machine, so both sides share its disk. The last line is
one JSON object: sizes in MiB, times in seconds by the clock.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from billing.db.migrator import migrate
from billing.devserver.embedded import APP_ROLE, SUPERUSER, EmbeddedPostgres
from tests.bench.stock import Stock
from tests.builders import add_demo_hospital
from tests.cli.commands import call
from tests.ops.backup_host import BackupHost, answers, execute, page_commands

T = TypeVar("T")

_SIZE = "SELECT (pg_database_size('vienphi') >> 20)::int"
_POSITION = "SELECT (pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint >> 20)::int"


def measure(invoices: int, program: str) -> dict[str, float]:
    """Back up, write more, lose the disk, restore; the times of each step."""
    times: dict[str, float] = {}

    def timed(name: str, act: Callable[[], T]) -> T:
        started = time.monotonic()
        result = act()
        times[f"{name}_s"] = round(time.monotonic() - started, 1)
        print(f"{name}: {times[f'{name}_s']} s", file=sys.stderr, flush=True)
        return result

    settings = {"max_wal_size": "4GB"}
    with (
        EmbeddedPostgres(settings=settings) as primary,
        tempfile.TemporaryDirectory(prefix="vienphi-barman-") as home,
        tempfile.TemporaryDirectory(prefix="vienphi-new-") as new,
    ):
        host = BackupHost(primary, Path(home), program)
        asyncio.run(migrate(primary.owner_url))
        stock = Stock(primary, [asyncio.run(add_demo_hospital(primary.owner_url))])
        asyncio.run(stock.make([1], invoices))
        host.set_up()
        timed("base_backup", host.back_up)
        size, before = execute(primary.url(SUPERUSER), _SIZE), execute(primary.url(SUPERUSER), _POSITION)
        timed("more_invoices", lambda: asyncio.run(stock.make([1], invoices // 2)))
        wal = int(str(execute(primary.url(SUPERUSER), _POSITION))) - int(str(before))
        target = str(execute(primary.url(SUPERUSER), "SELECT clock_timestamp()"))
        execute(primary.url(SUPERUSER), "SELECT pg_logical_emit_message(true, 'test', 'after the target')")
        url = {"VIENPHI_DATABASE_URL": primary.app_url}
        timed("check", lambda: call("backup", "check", **url, **host.settings))
        drilled = timed("check_with_drill", lambda: call("backup", "check", "--drill", **url, **host.settings))
        print(drilled.output, file=sys.stderr, flush=True)
        host.lose_disk()
        data = Path(new) / "data"
        commands = page_commands("Restore to a point in time")
        restored = timed("copy_back", lambda: host.shell(commands, TARGET=target, DATA=str(data)))
        assert restored.returncode == 0, restored.stdout + restored.stderr
        started = time.monotonic()
        with host.restored(data) as address:
            host.wait("the restored server answers", lambda: answers(address(APP_ROLE)), within_s=1800)
            times["replay_s"] = round(time.monotonic() - started, 1)
            restored_url = {"VIENPHI_DATABASE_URL": address(APP_ROLE)}
            verified = timed("verify", lambda: call("ledger", "verify", **restored_url))
    print(verified.output, file=sys.stderr)
    return {"database_mib": float(str(size)), "wal_mib": float(wal), **times}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", type=int, default=200_000, help="issued invoices before the backup")
    parser.add_argument("--program", default=shutil.which("barman") or "barman", help="barman")
    given = parser.parse_args()
    print(json.dumps(measure(given.invoices, given.program)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
