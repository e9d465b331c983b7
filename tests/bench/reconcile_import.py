"""The importing process of `reconcile.py`: imports the files of a month, reports its times and its largest memory.

python -m tests.bench.reconcile_import DATABASE_URL < FILES — FILES is a JSON list of pairs: "statement" or the kind of
the provider account, and the path. The last line is one JSON object.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from billing.core.actor import Actor
from billing.db.database import Database
from billing.reconciliation.service.import_settlement import import_settlement
from billing.reconciliation.service.import_statement import StatementFile, import_statement
from tests.bench.reconcile_ledger import GATEWAY
from tests.bench.reconcile_server import ORGANIZATION
from tests.builders import ACCOUNT_NAME, build_context

STATEMENT = "statement"
_ACCOUNTS = {"bank": ACCOUNT_NAME, "gateway": GATEWAY}


async def import_month(url: str, files: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Import the files as the organization's system; returns seconds, lines and megabytes.

    `start_processor_s` is the processor time of this process before the first file.
    """
    database = await Database.open(url)
    context = build_context(database)
    start_processor_s = time.process_time()
    seconds = {STATEMENT: 0.0, "settlement": 0.0}
    lines = dict.fromkeys(seconds, 0)
    for kind, name in files:
        path = Path(name)
        started = time.perf_counter()
        if kind == STATEMENT:
            stream = await asyncio.to_thread(path.open, "rb")
            with stream:
                file = StatementFile(stream=stream, file_name=path.name)
                read = (await import_statement(context, ORGANIZATION, file, actor=Actor.system())).lines
        else:
            stream = await asyncio.to_thread(path.open, "rb")
            with stream:
                result = await import_settlement(
                    context,
                    ORGANIZATION,
                    stream,
                    account_name=_ACCOUNTS[kind],
                    file_name=path.name,
                    actor=Actor.system(),
                )
            read = result.lines
        group = STATEMENT if kind == STATEMENT else "settlement"
        seconds[group] += time.perf_counter() - started
        lines[group] += read
    await database.close()
    return {
        "statement_s": seconds[STATEMENT],
        "settlement_s": seconds["settlement"],
        "statement_lines": lines[STATEMENT],
        "settlement_lines": lines["settlement"],
        "start_processor_s": start_processor_s,
        "peak_rss_mb": peak_memory_mb(),
    }


def peak_memory_mb() -> float:
    """The largest resident memory of this process. `getrusage` would include that of its parent before the start."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    assert found is not None, "Linux reports it"
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(import_month(sys.argv[1], json.load(sys.stdin)))))
