"""The settlement report of the sandbox bank: a CSV file of one day, in the form that `Sandbox.read_settlement` reads.

    transaction,reference,status,amount,fee,bank_reference,occurred_at,paid_out_on
    SB00000000000001,,SUCCEEDED,136000,0,FT00000000001,2026-01-02 08:15:30,

`status` is SUCCEEDED, REFUNDED (a refund that we sent) or REVERSED (money that the bank took back). `paid_out_on` is
empty where each transfer is credited by itself.
"""

import csv
import io
from collections.abc import Iterable

from providers.csv_report import ReportColumns
from providers.notices import VIETNAM
from providers.sandbox.bank_day import ReportRow

_TIMESTAMP = "%Y-%m-%d %H:%M:%S"
_DAY = "%Y-%m-%d"

REPORT = ReportColumns(
    transaction="transaction",
    reference="reference",
    status="status",
    amount="amount",
    fee="fee",
    bank_reference="bank_reference",
    occurred_at="occurred_at",
    paid_out_on="paid_out_on",
    paid_statuses=frozenset({"SUCCEEDED"}),
    refunded_statuses=frozenset({"REFUNDED"}),
    reversed_statuses=frozenset({"REVERSED"}),
    timestamp_format=_TIMESTAMP,
    day_format=_DAY,
)


def write_report(rows: Iterable[ReportRow]) -> bytes:
    """The rows of one day as a file."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(
        ("transaction", "reference", "status", "amount", "fee", "bank_reference", "occurred_at", "paid_out_on")
    )
    for row in rows:
        paid_out_on = "" if row.paid_out_on is None else f"{row.paid_out_on:{_DAY}}"
        occurred_at = f"{row.occurred_at.astimezone(VIETNAM):{_TIMESTAMP}}"
        writer.writerow(
            (row.transaction, row.reference, row.status, row.amount, row.fee, row.bank_reference, occurred_at,
             paid_out_on)
        )  # fmt: skip
    return written.getvalue().encode("utf-8-sig")
