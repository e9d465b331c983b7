"""The generated month is what the measurement states: readable files, a right ledger, a complete truth."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest

from billing.core.actor import Actor
from billing.core.reference_code import is_reference_code
from billing.db.database import Database
from billing.ledger.service.verify import verify
from billing.reconciliation.service.import_statement import StatementFile, import_statement
from providers.csv_report import read_report
from providers.sandbox.bank_day import FileFault
from providers.sandbox.settlement_report import REPORT
from tests.bench.reconcile_month import BANK_FAULTS, DAYS, FAULTS_EACH, Month
from tests.bench.reconcile_server import ORGANIZATION, MonthServer, generated_month
from tests.builders import build_context

LINES = 1_000
MONTH = Month(lines=LINES, first_day=date(2026, 10, 1), prefix="K7", account_number="0110000001")


def test_month_is_the_same_each_time_and_another_with_another_seed() -> None:
    assert list(MONTH.items()) == list(MONTH.items())
    assert list(MONTH.items()) != list(replace(MONTH, seed=1).items())


@pytest.mark.parametrize("lines", [1_000, 5_000])
def test_month_has_every_fault_class_in_a_fiftieth_of_its_items(lines: int) -> None:
    items = list(replace(MONTH, lines=lines).items())

    counted = Counter(item.fault for item in items if item.fault is not None)

    assert set(counted) == set(FileFault)
    assert sum(counted.values()) == pytest.approx(lines / FAULTS_EACH, abs=8)
    assert all(counted[fault] >= lines // FAULTS_EACH // len(BANK_FAULTS) - 1 for fault in BANK_FAULTS)


def test_codes_and_transactions_of_a_month_are_distinct() -> None:
    items = list(MONTH.items())

    assert all(is_reference_code(item.code) for item in items)
    assert len({item.code for item in items}) == LINES
    assert len({item.transfer.message.transaction_id for item in items}) == LINES
    assert [item.day for item in items] == sorted(item.day for item in items)
    assert {item.day for item in items} == set(range(DAYS))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MonthServer]:
    async with generated_month(LINES, tmp_path) as server:
        yield server


@pytest.mark.own_server
async def test_ledger_of_the_month_is_right_and_its_files_are_imported(server: MonthServer) -> None:
    database = await Database.open(server.owner_url)
    found = [result async for result in verify(database) if result.mismatches]
    await database.close()
    database = await Database.open(server.app_url)
    with server.files.statement.open("rb") as stream:
        result = await import_statement(
            build_context(database),
            ORGANIZATION,
            StatementFile(stream=stream, file_name="month.csv"),
            actor=Actor.system(),
        )
    await database.close()

    assert found == []
    assert (result.lines, result.new_lines, result.breaks) == (server.files.statement_lines,) * 2 + ((),)
    assert [statement.closing for statement in result.statements] == [server.files.closing]
    reports = [list(read_report(BytesIO(path.read_bytes()), REPORT)) for _, path in server.files.reports]
    assert sum(map(len, reports)) == server.files.report_lines
    connection = await server.connect()
    other = await connection.fetch(
        """
        SELECT line.row, line.amount, line.codes, truth.*, item.code, item.fault
        FROM statement_line AS line
        FULL JOIN bench_line AS truth ON truth.row = line.row
        LEFT JOIN bench_item AS item ON item.n = truth.n AND truth.role NOT IN ('payout', 'card')
        LEFT JOIN statement_line_text AS text ON text.line_id = line.id
        WHERE line.amount IS DISTINCT FROM truth.amount
            OR line.codes <> CASE WHEN truth.role IN ('payout', 'unknown', 'card') OR item.fault = 'text_unreadable'
                OR text.text LIKE '% chuyen tien vien phi' THEN ARRAY[]::text[] ELSE ARRAY[item.code] END
        """
    )
    await connection.close()
    assert other == []
