"""`make bench-reconcile`: a month is imported and matched, compared with COPY and a join, and judged by its truth.

Files are imported by a process of its own, whose largest memory is reported. The last line is one JSON object; times
are seconds, `late_line_p95_ms` is the time of a run over one line that arrives late. The exit status is 1 if a match is
wrong, more than 0.5 % of the pairs that can be decided are missing, or a đồng is unexplained.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from billing.core.actor import Actor
from billing.db.database import Database
from billing.reconciliation.service.match_lines import run_matching
from tests.bench.reconcile_baseline import copy_lines, join_and_write_matches
from tests.bench.reconcile_import import STATEMENT
from tests.bench.reconcile_judge import Judgement, judge
from tests.bench.reconcile_late import match_late_lines
from tests.bench.reconcile_server import ORGANIZATION, MonthServer, generated_month
from tests.bench.stock import analyze
from tests.bench.stopwatch import Stopwatch
from tests.builders import build_context

RECALL_LEAST = 0.995
_LATE_LINES = 200


async def measure(*, lines: int, is_undisturbed: bool = False) -> int:
    """Generate, import, match, judge, print; returns the exit status."""
    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        async with generated_month(lines, Path(folder), is_durable=True) as server:
            _print(f"{lines} collections generated after {time.perf_counter() - started:.0f} s")
            result, judgement = await _measure(server, is_undisturbed=is_undisturbed)
    result = {"lines": lines, **result, "elapsed_s": round(time.perf_counter() - started)}
    print(json.dumps(result), flush=True)
    is_right = not judgement.wrong and judgement.recall >= RECALL_LEAST and judgement.residual == 0
    return 0 if is_right else 1


async def _measure(server: MonthServer, *, is_undisturbed: bool) -> tuple[dict[str, float], Judgement]:
    connection = await server.connect()
    await connection.execute("CHECKPOINT", timeout=600)
    watch = await Stopwatch.of(connection)
    before = watch.read()
    imported = await asyncio.to_thread(_import, server)
    import_processor_s = (watch.read() - before).processor_s - imported["start_processor_s"]
    import_s = imported["statement_s"] + imported["settlement_s"]
    _print(f"imported in {import_s:.1f} s")
    copied = await copy_lines(connection, watch)
    copied_without_keys = await copy_lines(connection, watch, has_foreign_keys=False)
    await analyze(connection)
    await connection.execute("CHECKPOINT", timeout=600)
    database = await Database.open(server.app_url)
    context = build_context(database)
    before = watch.read()
    run = await run_matching(context, ORGANIZATION, actor=Actor.system())
    matched = watch.read() - before
    _print(f"matched in {matched.clock_s:.1f} s: {run.matches} matches, {run.booked} lines booked")
    joined = await join_and_write_matches(connection, watch)
    judgement = await judge(connection)
    for name in judgement.missing:
        _print(f"not matched: {name}")
    await analyze(connection)
    late = await match_late_lines(server, context, connection, count=_LATE_LINES, is_undisturbed=is_undisturbed)
    await database.close()
    await connection.close()
    return {
        "import_s": round(import_s, 2),
        "match_s": round(matched.clock_s, 2),
        "ratio_import_to_copy": round(import_s / copied.clock_s, 2),
        "ratio_match_to_join": round(matched.clock_s / joined.clock_s, 2),
        "processor_ratio_import_to_copy": round(import_processor_s / copied.processor_s, 2),
        "processor_ratio_import_to_copy_without_foreign_keys": round(
            import_processor_s / copied_without_keys.processor_s, 2
        ),
        "processor_ratio_match_to_join": round(matched.processor_s / joined.processor_s, 2),
        "late_line_p95_ms": round(late.p95_ms, 1),
        "late_line_processor_ms": round(late.processor_ms, 1),
        "peak_rss_mb": round(imported["peak_rss_mb"]),
        "precision": judgement.precision,
        "recall": round(judgement.recall, 6),
        "residual": judgement.residual,
        "statement_lines": imported["statement_lines"],
        "settlement_lines": imported["settlement_lines"],
        "matches": judgement.matches,
        "late_lines": len(late.took_ms),
        "late_lines_matched": late.matched,
        "statement_s": round(imported["statement_s"], 2),
        "settlement_s": round(imported["settlement_s"], 2),
        "copy_s": round(copied.clock_s, 2),
        "import_processor_s": round(import_processor_s, 2),
        "copy_processor_s": round(copied.processor_s, 2),
        "join_s": round(joined.clock_s, 2),
    }, judgement


def _import(server: MonthServer) -> dict[str, float]:
    """Import the files in a process of their own."""
    files = [(STATEMENT, str(server.files.statement)), *((kind, str(path)) for kind, path in server.files.reports)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.reconcile_import", server.app_url],
        cwd=Path(__file__).parents[2],
        input=json.dumps(files),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    imported: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return imported


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000, help="collections of the month, a line each")
    parser.add_argument(
        "--undisturbed", action="store_true", help="late lines run before every other process of the machine"
    )
    given = parser.parse_args()
    return asyncio.run(measure(lines=given.lines, is_undisturbed=given.undisturbed))


if __name__ == "__main__":
    sys.exit(main())
