"""The bank's file of a day (`YYYYMMDD_{PROVIDERID}_THUHOTKAO_IN.txt`), its checksums, and our reply file.

Fields between bars, a header line, details 002 and 003 (added late), a footer 009. Each line ends with the MD5 of its
other fields, joined without bars, and a key. One wrong checksum refuses the whole file.
Source: docs/reference/providers.md, section 7: one public integration for VietinBank; unverified with the bank.
"""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO

from providers.contract import Movement, SettlementLine, SettlementUnreadable
from providers.notices import VIETNAM, format_vietnam_timestamp, parse_vietnam_timestamp
from providers.signing import is_same_secret

LINE_LENGTH_MAX = 64 * 1024
COLUMNS = (
    "recordType", "transId", "providerId", "merchantId", "bankCode", "branchCode", "custAcctNo", "recvVirtualAcctId",
    "recvVirtualAcctName", "custCode", "custName", "amount", "currencyCode", "payRefNo", "merchantAcctNo", "billCycle",
    "billId", "transTime", "status", "bankTransId", "addField1", "addField2", "addField3", "addField4", "addField5",
    "recordChecksum",
)  # fmt: skip
_DETAILS, _FOOTER = {"002", "003"}, "009"
_FOOTER_FIELDS = 6
_AMOUNT = re.compile(r"[1-9][0-9]{0,12}")
_NAME = re.compile(r"[!-~]{1,100}")
_TAKEN = "00"


class Compared(StrEnum):
    """The result of matching one transaction of the bank's file and our records, in the file's codes."""

    EQUAL = "00"
    ONLY_BANK = "01"
    ONLY_OURS = "02"
    DIFFERS = "03"


@dataclass(frozen=True, slots=True, kw_only=True)
class OurReceipt:
    """Our record of one transaction, as the bank reported it."""

    transaction: str
    amount: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class BankFile:
    """A file with correct checksums: its details by column, their parsed lines, and its footer."""

    details: tuple[Mapping[str, str], ...]
    lines: tuple[SettlementLine, ...]
    footer: tuple[str, ...]


def record_checksum(fields: Sequence[str], key: str) -> str:
    """MD5 of a line's fields but the last, joined without bars, and the key; lower-case hex."""
    return hashlib.md5(("".join(fields) + key).encode("utf-8"), usedforsecurity=False).hexdigest()


def transaction_key(transaction: str, timestamp: datetime, *, restarts_daily: bool) -> str:
    """The name of a transaction in movement keys and reports: with its day if the bank's numbers restart daily."""
    return f"{timestamp.astimezone(VIETNAM):%Y%m%d}:{transaction}" if restarts_daily else transaction


def read_lines(file: BinaryIO, key: str, *, restarts_daily: bool = False) -> Iterator[SettlementLine]:
    """The transactions of a file, one at a time; the file is right only if the iteration ends.

    Raises SettlementUnreadable naming the line.
    """
    for number, row in _read_rows(file, key):
        if row[0] != _FOOTER:
            line = _line_of(_detail(row, number), number, restarts_daily=restarts_daily)
            if line is not None:
                yield line


def read_file(content: bytes, key: str, *, restarts_daily: bool = False) -> BankFile:
    """Read a complete file for the answer to it. Raises SettlementUnreadable naming the line."""
    *bodies, (_, footer) = _read_rows(io.BytesIO(content), key)
    details = [(number, _detail(row, number)) for number, row in bodies]
    lines = [_line_of(detail, number, restarts_daily=restarts_daily) for number, detail in details]
    return BankFile(
        tuple(detail for _, detail in details), tuple(line for line in lines if line is not None), tuple(footer)
    )


def _read_rows(file: BinaryIO, key: str) -> Iterator[tuple[int, list[str]]]:
    """The details with their line numbers, and the footer as the last one; each checksum is correct."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="\n")
    try:
        yield from _checked_rows(text, key)
    except UnicodeDecodeError as error:
        raise SettlementUnreadable("not in UTF-8") from error
    finally:
        if not file.closed:
            text.detach()


def _checked_rows(text: io.TextIOWrapper, key: str) -> Iterator[tuple[int, list[str]]]:
    if tuple(text.readline(LINE_LENGTH_MAX).rstrip("\r\n").split("|")) != COLUMNS:
        raise SettlementUnreadable("the header line is not the agreed one", 1)
    number, last, is_ended = 1, [""], False
    while line := text.readline(LINE_LENGTH_MAX):
        if not line.strip("\r\n"):
            is_ended = True  # empty lines may follow the footer
            continue
        number += 1
        row = line.rstrip("\r\n").split("|")
        if is_ended or not is_same_secret(record_checksum(row[:-1], key), row[-1].lower()):
            raise SettlementUnreadable("the checksum does not hold", number)
        if last[0] == _FOOTER:
            raise SettlementUnreadable("a line follows the footer", number)
        last = row
        if row[0] != _FOOTER:
            yield number, row
    if last[0] != _FOOTER or len(last) != _FOOTER_FIELDS or last[3] != str(number - 2):
        raise SettlementUnreadable("the footer is missing or counts other lines", number)
    yield number, last


def compare(bank: Sequence[SettlementLine], ours: Sequence[OurReceipt]) -> dict[str, Compared]:
    """Match the transactions of both sides by number, amount and timestamp."""
    of_ours = {receipt.transaction: receipt for receipt in ours}
    compared = {receipt.transaction: Compared.ONLY_OURS for receipt in ours}
    for line in bank:
        receipt = of_ours.get(line.transaction)
        if receipt is None:
            compared[line.transaction] = Compared.ONLY_BANK
        elif (receipt.amount, receipt.occurred_at) == (line.amount, line.occurred_at):
            compared[line.transaction] = Compared.EQUAL
        else:
            compared[line.transaction] = Compared.DIFFERS
    return compared


def write_answer(bank: BankFile, ours: Sequence[OurReceipt], key: str, *, user: str, now: datetime) -> bytes:
    """The `_OUT` file: every detail with its match status, then the transactions that only we have, and a footer."""
    compared = compare(bank.lines, ours)
    rows = [{**each, "status": compared.get(each["transId"], Compared.ONLY_BANK).value} for each in bank.details]
    provider = bank.footer[1]
    for receipt in ours:
        if compared[receipt.transaction] is Compared.ONLY_OURS:
            rows.append(_of_ours(receipt, provider))
    written = ["|".join(COLUMNS)]
    for row in rows:
        fields = [row[column] for column in COLUMNS[:-1]]
        written.append("|".join([*fields, record_checksum(fields, key)]))
    footer = [_FOOTER, provider, user, str(len(rows)), format_vietnam_timestamp(now)]
    written.append("|".join([*footer, record_checksum(footer, key)]))
    return ("\n".join(written) + "\n").encode("utf-8")


def _of_ours(receipt: OurReceipt, provider: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {
        "recordType": "002",
        "transId": receipt.transaction,
        "providerId": provider,
        "amount": str(receipt.amount),
        "currencyCode": "VND",
        "transTime": format_vietnam_timestamp(receipt.occurred_at),
        "status": Compared.ONLY_OURS.value,
    }


def _detail(row: Sequence[str], number: int) -> Mapping[str, str]:
    if row[0] not in _DETAILS or len(row) != len(COLUMNS):
        raise SettlementUnreadable("no detail line of the agreed columns", number)
    return dict(zip(COLUMNS, row, strict=True))


def _line_of(detail: Mapping[str, str], number: int, *, restarts_daily: bool) -> SettlementLine | None:
    """The transaction of a detail; None for one that was not taken."""
    if detail["status"] != _TAKEN:
        return None
    if not _NAME.fullmatch(detail["transId"]) or not _AMOUNT.fullmatch(detail["amount"]):
        raise SettlementUnreadable("transId or amount makes no sense", number)
    if detail["currencyCode"] != "VND":
        raise SettlementUnreadable("not in VND", number)
    try:
        timestamp = parse_vietnam_timestamp(detail["transTime"])
    except ValueError as error:
        raise SettlementUnreadable("transTime is no timestamp", number) from error
    return SettlementLine(
        number=number,
        transaction=transaction_key(detail["transId"], timestamp, restarts_daily=restarts_daily),
        reference=detail["billId"] or None,
        amount=int(detail["amount"]),
        movement=Movement.RECEIVED,
        occurred_at=timestamp,
        bank_reference=detail["bankTransId"],
        provider_status=detail["status"],
    )
