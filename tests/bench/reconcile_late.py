"""Statement lines that arrive one at a time after the month was matched: how long each takes to be matched.

Its time by the clock is mostly that of waiting for a processor where the machine does other work: with `is_undisturbed`
this process and the server run before all others.
"""

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO

import asyncpg

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.payments.service.context import PaymentContext
from billing.reconciliation.service.import_statement import StatementFile, import_statement
from billing.reconciliation.service.match_lines import run_matching
from tests.bench.processor import server_processes
from tests.bench.reconcile_server import ORGANIZATION, MonthServer
from tests.bench.stopwatch import Stopwatch

_LATE = """
    SELECT n, amount, code, bank_reference, occurred_at FROM bench_item
    WHERE fault = 'ledger_only' ORDER BY n LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class LateLines:
    """The milliseconds of each run, from the active import to its end, their processor time, and the lines matched."""

    took_ms: list[float]
    processor_ms: float
    matched: int

    @property
    def p95_ms(self) -> float:
        """95 % of the runs took at most this time."""
        return sorted(self.took_ms)[int(len(self.took_ms) * 0.95)]


async def match_late_lines(
    server: MonthServer,
    context: PaymentContext,
    connection: "asyncpg.Connection[asyncpg.Record]",
    *,
    count: int,
    is_undisturbed: bool = False,
) -> LateLines:
    """Import the line of a payment that the statement lacks, and match what it touches; `count` times at most."""
    took_ms: list[float] = []
    matched, processor_s = 0, 0.0
    watch = await Stopwatch.of(connection)
    rows = await connection.fetch(_LATE, count)
    if is_undisturbed:
        await _run_before_others(context, watch)
    for row in rows:
        day = business_date(row["occurred_at"]) + timedelta(days=1)
        opening = server.files.closing
        content = (
            f"Số tài khoản,{server.month.account_number}\r\nSố dư đầu kỳ,{opening}\r\n"
            "Ngày giao dịch,Số tham chiếu,Ghi nợ,Ghi có,Số dư,Mô tả\r\n"
            f"{day:%d/%m/%Y},{row['bank_reference']},,{row['amount']},{opening + row['amount']},"
            f"{row['code']} VIEN PHI\r\n"
        )
        file = StatementFile(stream=BytesIO(content.encode()), file_name=f"late-{row['n']}.csv")
        imported = await import_statement(context, ORGANIZATION, file, actor=Actor.system())
        before = watch.read()
        started = time.perf_counter()
        run = await run_matching(context, ORGANIZATION, actor=Actor.system(), import_id=imported.import_id)
        took_ms.append((time.perf_counter() - started) * 1000)
        processor_s += (watch.read() - before).processor_s
        matched += run.matches
    return LateLines(took_ms, processor_s * 1000 / max(1, len(rows)), matched)


async def _run_before_others(context: PaymentContext, watch: Stopwatch) -> None:
    """Give this process and the server's processes, connections of the pool included, real-time priority.

    Raises PermissionError without the right to do so.
    """
    async with context.database.transaction(ORGANIZATION) as tx:
        await tx.fetchval("SELECT 1")
    for process_id in (0, *server_processes(watch.postmaster)):
        os.sched_setscheduler(process_id, os.SCHED_RR, os.sched_param(1))
