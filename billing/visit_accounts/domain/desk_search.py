"""What a text from the scan box may be: the numbers in it by which a visit is found. Pure.

Only digits and dates of a scan are trusted: a Vietnamese input method alters letters (`dd` becomes `đ`, `aa` becomes
`â`). A citizen card begins with its 12 digits, an insurance card with a code whose last ten characters are the
insurance number. Source: docs/ux.md, Cashier; docs/reference/hospital-money.md, §1.1, §1.2.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from billing.core.reference_code import ReferenceCode, is_reference_code
from billing.core.text import upper_without_marks

TEXT_LENGTH_MAX = 1000
"""A longer text is no scan."""

_RECEIPT = re.compile(r"(PT|PC)([0-9]{4})-?([0-9]{1,9})")
_CITIZEN = re.compile(r"[0-9]{12}")
_INSURANCE = re.compile(r"[0-9]{10}")
_CARD = re.compile(r"[A-Z]{2,4}[0-9]{13}|[0-9]{15}")
_NUMBER_LENGTH = 10


class ScanKind(StrEnum):
    """What a text was read as."""

    CITIZEN_CARD = "citizen_card"
    INSURANCE_CARD = "insurance_card"
    CITIZEN_NUMBER = "citizen_number"
    INSURANCE_NUMBER = "insurance_number"
    RECEIPT = "receipt"
    PAYMENT_CODE = "payment_code"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadScan:
    """The numbers of a text; empty where it has none. `text` is what was typed, in one line."""

    kind: ScanKind
    text: str
    citizen_number: str = ""
    insurance_number: str = ""
    payment_code: ReferenceCode | None = None
    receipt: tuple[str, int, int] | None = None


def read_scan(written: str) -> ReadScan:
    """Read a text that was scanned or typed; never raises."""
    text = " ".join(written.split())[:TEXT_LENGTH_MAX]
    first, *rest = (field.strip() for field in text.split("|"))
    plain = "".join(character for character in upper_without_marks(first) if character.isalnum())
    if rest:
        return _read_card(plain, text)
    receipt = _RECEIPT.fullmatch(upper_without_marks(text).replace(" ", ""))
    if receipt is not None:
        number = (receipt[1], int(receipt[2]), int(receipt[3]))
        return ReadScan(kind=ScanKind.RECEIPT, text=text, receipt=number)
    if is_reference_code(plain):
        return ReadScan(kind=ScanKind.PAYMENT_CODE, text=text, payment_code=ReferenceCode(plain))
    if _CITIZEN.fullmatch(plain):
        return ReadScan(kind=ScanKind.CITIZEN_NUMBER, text=text, citizen_number=plain)
    if _INSURANCE.fullmatch(plain) or _CARD.fullmatch(plain):
        return ReadScan(kind=ScanKind.INSURANCE_NUMBER, text=text, insurance_number=plain[-_NUMBER_LENGTH:])
    return ReadScan(kind=ScanKind.TEXT, text=text)


def _read_card(first: str, text: str) -> ReadScan:
    """The card of a code with fields: its first field has 12 digits, or ends with the ten of an insurance number."""
    if _CITIZEN.fullmatch(first):
        # An insurance card may state the citizen number too; both find the same person.
        return ReadScan(kind=ScanKind.CITIZEN_CARD, text=text, citizen_number=first)
    digits = first[-_NUMBER_LENGTH:]
    if _INSURANCE.fullmatch(digits):
        return ReadScan(kind=ScanKind.INSURANCE_CARD, text=text, insurance_number=digits)
    return ReadScan(kind=ScanKind.TEXT, text=text)
