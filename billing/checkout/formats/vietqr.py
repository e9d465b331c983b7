"""Reads a VietQR code back before it is shown: its payee, amount and text.

Independent of the code that builds QR codes (in the providers), so that a fault there is not repeated here. A code that
is not clearly correct reads as None and is not shown. Source: NAPAS technical specification 1.5.2 (January 2021).
"""

import binascii
import re
from dataclasses import dataclass

_NAPAS = "A000000727"
_TO_ACCOUNT = "QRIBFTTA"
_HEAD = re.compile(r"([0-9]{2})([0-9]{2})")
_CHECKSUM = re.compile(r"6304([0-9A-Fa-f]{4})\Z")
_AMOUNT = re.compile(r"[1-9][0-9]{0,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedQr:
    """The effect of a code in a banking application; `amount` is None if the payer types it."""

    bank_bin: str
    account_number: str
    amount: int | None
    purpose: str


def read_vietqr(payload: str) -> DecodedQr | None:
    """Read a transfer to a bank account; None for anything but a complete transfer code with a correct checksum."""
    found = _CHECKSUM.search(payload)
    if not payload.isascii() or found is None:
        return None
    if binascii.crc_hqx(payload[:-4].encode(), 0xFFFF) != int(found[1], 16):
        return None
    fields = _fields(payload)
    if fields is None or fields.get("53") != "704" or "26" in fields:
        return None
    payee = _fields(fields.get("38", "")) or {}
    account = _fields(payee.get("01", "")) or {}
    more = _fields(fields.get("62", ""))
    amount = fields.get("54")
    if payee.get("00") != _NAPAS or payee.get("02") != _TO_ACCOUNT or set(account) != {"00", "01"} or more is None:
        return None
    if amount is not None and not _AMOUNT.fullmatch(amount):
        return None
    return DecodedQr(
        bank_bin=account["00"],
        account_number=account["01"],
        amount=None if amount is None else int(amount),
        purpose=more.get("08", ""),
    )


def _fields(text: str) -> dict[str, str] | None:
    """Tag, length, value, repeated; None if they do not add up or a tag occurs twice."""
    fields: dict[str, str] = {}
    while text:
        head = _HEAD.match(text)
        if head is None or head[1] in fields or len(text) < 4 + int(head[2]):
            return None
        fields[head[1]] = text[4 : 4 + int(head[2])]
        text = text[4 + int(head[2]) :]
    return fields
