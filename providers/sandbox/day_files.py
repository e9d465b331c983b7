"""Files of one day of the bank simulator: a statement as CSV and MT940, the settlement report, the card batch.

Each statement opens with the balance that closed the day before, so that the statements of the simulator form a chain.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from textwrap import wrap

from providers.sandbox.bank_day import (
    CardPayment,
    FileTerms,
    StatementRow,
    Transfer,
    card_batches,
    report_rows,
    statement_rows,
)
from providers.sandbox.settlement_report import write_report

OPENING_BALANCE = 10_000_000
"""The balance of the account before its first day, in đồng."""
_NARRATIVE_WIDTH = 65  # of :86:, SWIFT MT 940


@dataclass(frozen=True, slots=True)
class DayFiles:
    """The files of every day of one account, from the transfers and card payments until now."""

    account_number: str
    transfers: Sequence[Transfer]
    cards: Sequence[CardPayment]
    terms: FileTerms

    def statement_csv(self, day: date) -> bytes:
        """The statement in the layout of the generic profile."""
        opening, rows = self._statement(day)
        written = io.StringIO(newline="")
        writer = csv.writer(written, lineterminator="\r\n")
        writer.writerow(["Số tài khoản", self.account_number])
        writer.writerow(["Từ ngày", f"{day:%d/%m/%Y}", "Đến ngày", f"{day:%d/%m/%Y}"])
        writer.writerow(["Số dư đầu kỳ", opening])
        writer.writerow(
            ["Ngày giao dịch", "Số tham chiếu", "Ghi nợ", "Ghi có", "Số dư", "Mô tả", "Tên đối ứng",
             "Tài khoản đối ứng"]
        )  # fmt: skip
        balance = opening
        for row in rows:
            balance += row.amount
            debit, credit = (-row.amount, "") if row.amount < 0 else ("", row.amount)
            writer.writerow(
                [f"{row.booked_on:%d/%m/%Y}", row.reference, debit, credit, balance, row.text, row.payer_name,
                 row.payer_account]
            )  # fmt: skip
        writer.writerow(["Số dư cuối kỳ", balance])
        return written.getvalue().encode("utf-8-sig")

    def statement_mt940(self, day: date) -> bytes:
        """The statement as one message of SWIFT MT 940."""
        opening, rows = self._statement(day)
        closing = opening + sum(row.amount for row in rows)
        fields = [
            f":20:STMT{day:%y%m%d}",
            f":25:{self.account_number}",
            f":28C:{day:%j}/1",
            f":60F:{_mt940_balance(opening, day)}",
        ]
        for row in rows:
            mark = "C" if row.amount > 0 else "D"
            reference = f"//{row.reference}" if row.reference else ""
            fields.append(f":61:{row.booked_on:%y%m%d%m%d}{mark}{abs(row.amount)},NTRFNONREF{reference}")
            fields.append(":86:" + "\n".join(_narrative(row)))
        fields.append(f":62F:{_mt940_balance(closing, day)}")
        return ("\n".join(["{4:", *fields, "-}"]) + "\n").encode()

    def settlement(self, day: date) -> bytes:
        """The settlement report of a day."""
        return write_report(row for row in report_rows(self.transfers, self.terms) if row.reported_on == day)

    def card_batch(self, day: date) -> bytes | None:
        """The card batch of a day as the body of `POST /v1/card-batches`, without the terminal; None if it is empty."""
        for batch in card_batches(self.cards):
            if batch.day == day:
                content = {
                    "day": day.isoformat(),
                    "batch_number": batch.batch_number,
                    "gross": batch.gross,
                    "fee": batch.fee,
                    "net": batch.gross - batch.fee,
                    "slips": [{"approval_code": each.approval_code, "amount": each.amount} for each in batch.payments],
                }
                return json.dumps(content).encode("ascii")
        return None

    def _statement(self, day: date) -> tuple[int, list[StatementRow]]:
        rows = statement_rows(self.transfers, self.cards, self.terms)
        opening = OPENING_BALANCE + sum(row.amount for row in rows if row.booked_on < day)
        return opening, [row for row in rows if row.booked_on == day]


def _mt940_balance(amount: int, day: date) -> str:
    return f"{'C' if amount >= 0 else 'D'}{day:%y%m%d}VND{abs(amount)},"


def _narrative(row: StatementRow) -> list[str]:
    """The text in lines of the format; a line never begins with the sign of a field or of the end of a message."""
    lines = wrap(f"{row.text} {row.payer_name}", _NARRATIVE_WIDTH, break_on_hyphens=False) or ["-"]
    return [f" {line}" if line.startswith((":", "-", "{")) and number else line for number, line in enumerate(lines)]
