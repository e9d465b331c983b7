"""A statement as CSV of the generic layout, made from lines: the smallest file that a test of imports can work with."""

from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO

from billing.reconciliation.service.import_statement import StatementFile

ACCOUNT = "0110000001"
"""The bank account of the demo hospital."""

DAY = date(2026, 11, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A movement: amount in đồng, positive for money in."""

    amount: int
    text: str = "NOP TIEN"
    reference: str = ""
    day: date = DAY


def statement_csv(*lines: Line, opening: int = 0, account: str = ACCOUNT) -> bytes:
    """The file of a bank with a running balance in every row."""
    rows = [f"Tài khoản;{account}", f"Số dư đầu kỳ;{opening}", "Ngày giao dịch;Số tham chiếu;Ghi nợ;Ghi có;Số dư;Mô tả"]
    balance = opening
    for line in lines:
        balance += line.amount
        debit, credit = (-line.amount, "") if line.amount < 0 else ("", line.amount)
        rows.append(f"{line.day:%d/%m/%Y};{line.reference};{debit};{credit};{balance};{line.text}")
    return ("\n".join(rows) + "\n").encode()


def statement_file(content: bytes, *, name: str = "statement.csv", is_intraday: bool = False) -> StatementFile:
    return StatementFile(stream=BytesIO(content), file_name=name, is_intraday=is_intraday)


def many_lines(count: int, *, day: date = DAY, days: int = 1, start: int = 0) -> list[Line]:
    """Distinct payments of 1,000 đồng and more, spread over days."""
    return [
        Line(
            amount=1_000 + number,
            text=f"MBVCB.{number:09d} NOP VIEN PHI",
            reference=f"FT{number:012d}",
            day=day + timedelta(days=number * days // count),
        )
        for number in range(start, start + count)
    ]
