"""The QR code of an insurance card (BHYT): fields cut by "|", names in hex of UTF-8, "$" at the end.

The result is what the code states, not the `Card` that prices a visit (`visits/domain/card.py`). `qr_fields` cuts the
fields and refuses other bytes. No entry point reads a scanned card yet.

Information for reception, never proof: the card check at the gateway decides, and returns the full code of a card that
shows only the insurance number. Codes of old cards end after the day of issue. Source:
docs/reference/hospital-money.md, section 1.2 (positions 9, 10, 11, 13 and 14 are unverified there); rules B-001,
B-002, B-003.
"""

import re
from dataclasses import dataclass
from datetime import date

from billing.core.errors import InvalidValue
from billing.core.text import compose, is_garbled
from billing.visits.domain.invalid_input import BenefitDigitUnknown
from billing.visits.formats.qr_fields import read_birth, read_day, read_fields

_CODE = re.compile(r"[0-9]{10}|[0-9]{12}|[A-Z]{2}[0-9][0-9]{2}[0-9A-Z]{10}")
_DIGITS_OF_BENEFIT = frozenset("12345")
_FULL_LENGTH = 15
_CODE_FILLERS = re.compile(r"[\s-]+")
_FACILITY = re.compile(r"([0-9]{2})\s*-?\s*([0-9A-Z]{3})")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_END = "$"
_FIELDS_MIN = 9
_POSITIONS = 16
_SEXES = frozenset("12")


class NotAnInsuranceCard(InvalidValue):
    """Another code was scanned, or only a part of one."""

    code = "not_an_insurance_card"


@dataclass(frozen=True, slots=True, kw_only=True)
class InsuranceCard:
    """The fields of an insurance card. Fields that are absent or cannot be read are empty, or None for a day.

    `code` is the full code of 15 characters (a temporary one has letters in it), or only an insurance number of 10 or a
    citizen number of 12 digits, for which the gateway returns the full code. `birth` is yyyymmdd or yyyy, `sex` as
    GIOI_TINH, `facility` as MA_DKBD. `benefit_digit` is that of the full code, else the digit printed next to the
    number.
    """

    code: str
    name: str
    birth: str
    sex: str
    address: str
    facility: str
    valid_from: date | None
    valid_to: date | None
    issued_on: date | None
    management_number: str = ""
    parent: str = ""
    area: str = ""
    five_years_from: date | None = None
    check: str = ""
    benefit_digit: str = ""
    issued_at: str = ""

    @property
    def is_full(self) -> bool:
        """Whether the code is the full code, which claims use."""
        return len(self.code) == _FULL_LENGTH


def read_insurance_card(scanned: bytes | str) -> InsuranceCard:
    """Read the code of an insurance card.

    Raises NotAnInsuranceCard, BenefitDigitUnknown (B-001: the digit is 1 to 5), or CardUnreadable for other bytes.
    """
    fields = read_fields(scanned)
    if _END in fields:
        fields = fields[: fields.index(_END)]
    code = _CODE_FILLERS.sub("", fields[0]).upper() if fields else ""
    if not _CODE.fullmatch(code):
        raise NotAnInsuranceCard("an insurance card begins with 10, 12 or 15 characters of a code", field="MA_THE_BHYT")
    if len(fields) < _FIELDS_MIN:
        raise NotAnInsuranceCard(f"an insurance card has at least {_FIELDS_MIN} fields, here are {len(fields)}")
    if len(code) == _FULL_LENGTH and code[2] not in _DIGITS_OF_BENEFIT:
        raise BenefitDigitUnknown(f"{code[2]} is no benefit digit: 1 to 5", field="MA_THE_BHYT")
    at = [*fields, *[""] * _POSITIONS]
    printed_digit = at[14] if at[14] in _DIGITS_OF_BENEFIT else ""
    return InsuranceCard(
        code=code,
        name=_from_hex(at[1]),
        birth=read_birth(at[2]),
        sex=at[3] if at[3] in _SEXES else "",
        address=_from_hex(at[4]),
        facility=_facility(at[5]),
        valid_from=read_day(at[6]),
        valid_to=read_day(at[7]),
        issued_on=read_day(at[8]),
        management_number=at[9],
        parent=_from_hex(at[10]),
        area=at[11],
        five_years_from=read_day(at[12]),
        check=at[13],
        benefit_digit=code[2] if len(code) == _FULL_LENGTH else printed_digit,
        issued_at=_from_hex(at[15]),
    )


def _from_hex(text: str) -> str:
    """The text of a hex field, composed (NFC); empty where it is not valid hex of UTF-8, to avoid a wrong name.

    Also empty for a text whose UTF-8 was converted from another encoding (mojibake).
    """
    if not _HEX.fullmatch(text):
        return ""
    try:
        decoded = bytes.fromhex(text).decode()
    except UnicodeDecodeError:
        return ""
    return "" if _CONTROL.search(decoded) or is_garbled(decoded) else compose(decoded).strip()


def _facility(text: str) -> str:
    """MA_DKBD of "PP - FFF": province and facility."""
    found = _FACILITY.fullmatch(text)
    return "" if found is None else found[1] + found[2]
