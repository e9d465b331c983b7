"""Reading a VietQR code back before it is shown: whom it pays, how much, with which text.

Written apart from what builds codes (the providers'), so that a fault there is not repeated here. A code that is not
plainly right reads as None and is not shown. Source: NAPAS technical specification 1.5.2 (January 2021).
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
    """What a banking application will do with a code; `amount` is None where the payer types it."""

    bank_bin: str
    account_number: str
    amount: int | None
    purpose: str


def read_vietqr(payload: str) -> DecodedQr | None:
    """Read a transfer to a bank account; None for everything that is not one, whole and with its checksum right."""
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
    """Tag, length, value, repeated; None where they do not add up or a tag stands twice."""
    fields: dict[str, str] = {}
    while text:
        head = _HEAD.match(text)
        if head is None or head[1] in fields or len(text) < 4 + int(head[2]):
            return None
        fields[head[1]] = text[4 : 4 + int(head[2])]
        text = text[4 + int(head[2]) :]
    return fields
