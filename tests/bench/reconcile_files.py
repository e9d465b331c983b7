"""The files of a generated month: one statement as CSV, a settlement report of each account and day, and their truth.

Rows are written one day at a time, so that a month of ten million lines needs little memory.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import TextIO

from providers.sandbox.bank_day import FileFault, ReportRow, StatementRow, Transfer, report_rows, statement_rows
from providers.sandbox.settlement_report import write_report
from tests.bench.reconcile_cards import batches_of
from tests.bench.reconcile_month import BANK_TERMS, DAYS, GATEWAY_TERMS, Item, Month

OPENING = 1_000_000_000
_HEADINGS = (
    "Ngày giao dịch",
    "Số tham chiếu",
    "Ghi nợ",
    "Ghi có",
    "Số dư",
    "Mô tả",
    "Tên đối ứng",
    "Tài khoản đối ứng",
)


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """The truth of one line of the statement file: its row, and the item or the payout that it belongs to.

    `role`: `credit` of an item, `duplicate` (its second credit), `return`, `unknown`, `payout` of the day `number`, or
    `card`: the card batch `number`.
    """

    row: int
    number: int
    role: str
    amount: int


@dataclass(slots=True)
class MonthFiles:
    """The files of a month. `closing` is the closing balance of the statement."""

    statement: Path
    reports: list[tuple[str, Path]] = field(default_factory=list)  # the kind of the account, the file
    statement_lines: int = 0
    report_lines: int = 0
    closing: int = OPENING


def write_month(month: Month, items: Iterable[Item], folder: Path, note: Callable[[WrittenLine], None]) -> MonthFiles:
    """Write every file into a folder; `note` receives the truth of each line of the statement."""
    files = MonthFiles(folder / "statement.csv")
    last_day = month.first_day + timedelta(days=DAYS)
    with files.statement.open("w", encoding="utf-8", newline="") as written:
        statement = _StatementWriter(written, files, note)
        statement.begin(month.account_number, month.first_day, last_day)
        next_day: dict[date, list[tuple[StatementRow, int, str]]] = defaultdict(list)
        for batch in batches_of(month):
            if batch.is_seen:
                card = batch.row(month)
                next_day[card.booked_on].append((card, batch.number, "card"))
        for day, of_day in groupby(items, key=lambda item: item.day):
            booked_on = month.first_day + timedelta(days=day)
            chunk = list(of_day)
            for row, number, role in _statement_of(chunk, day):
                next_day[row.booked_on].append((row, number, role))
            _write_reports(files, folder, chunk, booked_on)
            statement.write(next_day.pop(booked_on, []))
        for booked_on in sorted(next_day):
            statement.write(next_day[booked_on])
        statement.end()
    return files


def _statement_of(items: Iterable[Item], day: int) -> Iterator[tuple[StatementRow, int, str]]:
    gateway: list[Transfer] = []
    for item in items:
        if item.is_gateway:
            gateway.append(item.transfer)
            continue
        second = "return" if item.fault is FileFault.RETURNED_TRANSFER else "duplicate"
        first = "unknown" if item.fault is FileFault.BANK_ONLY else "credit"
        for place, row in enumerate(statement_rows([item.transfer], (), BANK_TERMS)):
            yield row, item.number, second if place else first
    for row in statement_rows(gateway, (), GATEWAY_TERMS):
        yield row, day, "payout"


def _write_reports(files: MonthFiles, folder: Path, items: list[Item], day: date) -> None:
    for kind, terms in (("bank", BANK_TERMS), ("gateway", GATEWAY_TERMS)):
        transfers = [item.transfer for item in items if item.is_gateway == (kind == "gateway")]
        rows: list[ReportRow] = report_rows(transfers, terms)
        path = folder / f"{kind}-{day:%Y%m%d}.csv"
        path.write_bytes(write_report(rows))
        files.reports.append((kind, path))
        files.report_lines += len(rows)


class _StatementWriter:
    """The statement in the layout of the generic profile, with its running balance."""

    def __init__(self, written: TextIO, files: MonthFiles, note: Callable[[WrittenLine], None]) -> None:
        self._writer = csv.writer(written, lineterminator="\r\n")
        self._files = files
        self._note = note
        self._row = 0

    def begin(self, account_number: str, first_day: date, last_day: date) -> None:
        self._add("Số tài khoản", account_number)
        self._add("Từ ngày", f"{first_day:%d/%m/%Y}", "Đến ngày", f"{last_day:%d/%m/%Y}")
        self._add("Số dư đầu kỳ", self._files.closing)
        self._add(*_HEADINGS)

    def write(self, rows: Iterable[tuple[StatementRow, int, str]]) -> None:
        for row, number, role in rows:
            self._files.closing += row.amount
            self._files.statement_lines += 1
            debit, credit = (-row.amount, "") if row.amount < 0 else ("", row.amount)
            self._add(
                f"{row.booked_on:%d/%m/%Y}", row.reference, debit, credit, self._files.closing, row.text,
                row.payer_name, row.payer_account,
            )  # fmt: skip
            self._note(WrittenLine(self._row, number, role, row.amount))

    def end(self) -> None:
        self._add("Số dư cuối kỳ", self._files.closing)

    def _add(self, *cells: object) -> None:
        self._row += 1
        self._writer.writerow(cells)
