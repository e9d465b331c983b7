"""The bank's file of a day (`YYYYMMDD_{PROVIDERID}_THUHOTKAO_IN.txt`), its checksums, and our reply file.

Fields between bars, a header line, details 002 and 003 (added late), a footer 009. Each line ends with the MD5 of its
other fields, joined without bars, and a key. One wrong checksum refuses the whole file.
Source: docs/reference/providers.md, section 7: one public integration for VietinBank; unverified with the bank.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from providers.contract import Movement, SettlementLine, SettlementUnreadable
from providers.notices import VIETNAM, format_vietnam_timestamp, parse_vietnam_timestamp
from providers.signing import is_same_secret

FILE_SIZE_MAX = 64 * 1024 * 1024
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


def read_file(content: bytes, key: str, *, restarts_daily: bool = False) -> BankFile:
    """Read a complete file. Raises SettlementUnreadable naming the line."""
    if len(content) > FILE_SIZE_MAX:
        raise SettlementUnreadable(f"larger than {FILE_SIZE_MAX} bytes")
    try:
        rows = [row.split("|") for row in content.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n").split("\n")]
    except UnicodeDecodeError as error:
        raise SettlementUnreadable("not in UTF-8") from error
    if tuple(rows[0]) != COLUMNS:
        raise SettlementUnreadable("the header line is not the agreed one", 1)
    for number, row in enumerate(rows[1:], start=2):
        if not is_same_secret(record_checksum(row[:-1], key), row[-1].lower()):
            raise SettlementUnreadable("the checksum does not hold", number)
    *bodies, footer = rows[1:] or [[""]]
    if footer[0] != _FOOTER or len(footer) != _FOOTER_FIELDS or footer[3] != str(len(bodies)):
        raise SettlementUnreadable("the footer is missing or counts other lines", len(rows))
    details = tuple(_detail(row, number) for number, row in enumerate(bodies, start=2))
    taken = [(number, each) for number, each in enumerate(details, start=2) if each["status"] == _TAKEN]
    lines = tuple(_line(each, number, restarts_daily=restarts_daily) for number, each in taken)
    return BankFile(details, lines, tuple(footer))


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


def _line(detail: Mapping[str, str], number: int, *, restarts_daily: bool) -> SettlementLine:
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
