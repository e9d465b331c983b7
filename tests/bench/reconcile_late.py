"""Statement lines that arrive one at a time after the month was matched: how long each takes to be matched."""

import time
from datetime import timedelta
from io import BytesIO

import asyncpg

from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.payments.service.context import PaymentContext
from billing.reconciliation.service.import_statement import StatementFile, import_statement
from billing.reconciliation.service.match_lines import run_matching
from tests.bench.reconcile_server import ORGANIZATION, MonthServer

_LATE = """
    SELECT n, amount, code, bank_reference, occurred_at FROM bench_item
    WHERE fault = 'ledger_only' ORDER BY n LIMIT $1
"""


async def match_late_lines(
    server: MonthServer, context: PaymentContext, connection: "asyncpg.Connection[asyncpg.Record]", *, count: int
) -> tuple[list[float], int]:
    """Import the line of a payment that the statement lacks, and match what it touches; `count` times at most.

    Returns the milliseconds from the active import to the end of its run, and how many lines were matched.
    """
    took_ms: list[float] = []
    matched = 0
    for row in await connection.fetch(_LATE, count):
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
        started = time.perf_counter()
        run = await run_matching(context, ORGANIZATION, actor=Actor.system(), import_id=imported.import_id)
        took_ms.append((time.perf_counter() - started) * 1000)
        matched += run.matches
    return took_ms, matched
